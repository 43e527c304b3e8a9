// Package tokens keeps tokens, by their hashes alone: those of users and runners, and those of the entrypoints of a
// deployment, which end with it.
//
// It imports the kernel, the contract, package auth (whose Source it is), and packages jobs and records: an entrypoint's
// token lasts as long as the attempt that issued it, and then as long as the deployment.
package tokens

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/projects"
	"github.com/waypoint-serverless/waypoint/functions/internal/records"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Store keeps tokens. It is safe for concurrent use.
type Store struct {
	db      *store.DB
	jobs    *jobs.Store
	records *records.Store
}

// New returns the tokens of a table.
func New(db *store.DB, j *jobs.Store, r *records.Store) *Store {
	return &Store{db: db, jobs: j, records: r}
}

type tokenItem struct {
	ID      string            `dynamodbav:"id"`
	Kind    int32             `dynamodbav:"kind"`
	Name    string            `dynamodbav:"name"`
	Created int64             `dynamodbav:"created"`
	Expires int64             `dynamodbav:"expires,omitempty"`
	Revoked int64             `dynamodbav:"revoked,omitempty"`
	Roles   map[string]int32  `dynamodbav:"roles,omitempty"`
	Labels  map[string]string `dynamodbav:"labels,omitempty"`
	// Projects are a runner token's; one without is older than the binding (see StoredProjects).
	Projects projects.Binding `dynamodbav:"projects,omitempty"`
	// Deployment is an entrypoint token's. Job and Attempt are who issued it: until it is Kept, it lasts as long as they do.
	// One without Job is older than that, and ends with its deployment.
	Deployment string `dynamodbav:"deployment,omitempty"`
	Job        string `dynamodbav:"job,omitempty"`
	Attempt    int64  `dynamodbav:"attempt,omitempty"`
	Kept       bool   `dynamodbav:"kept,omitempty"`
	CreatedBy  string `dynamodbav:"created_by"`
	Index1PK   string `dynamodbav:"gsi1pk,omitempty"`
	Index1SK   string `dynamodbav:"gsi1sk,omitempty"`
	Index2PK   string `dynamodbav:"gsi2pk"`
	Index2SK   string `dynamodbav:"gsi2sk"`
	TTL        int64  `dynamodbav:"ttl,omitempty"`
}

// allProjects stands for the key "" of a token's roles: DynamoDB takes no empty attribute names.
const allProjects = "*"

// tokenKept is how long a token is listed after it expired or was revoked: long enough to answer
// TOKEN_EXPIRED rather than TOKEN_INVALID to whoever still uses it.
const tokenKept = 90 * 24 * time.Hour

// Put is the action that stores a token, of which only the hash is known here. It is listed by its id
// and can be revoked by it.
func Put(tok *waypointv1.Token, hash auth.Hash) store.Action {
	return store.Put(tokenKey(hash), newTokenItem(tok), store.Absent())
}

func newTokenItem(tok *waypointv1.Token) tokenItem {
	item := tokenItem{
		ID: tok.GetId(), Kind: int32(tok.GetKind()), Name: tok.GetName(), Created: tok.GetCreatedUnix(),
		Expires: tok.GetExpiresUnix(), Roles: map[string]int32{}, Labels: tok.GetRunnerLabels(),
		Deployment: tok.GetDeploymentId(), CreatedBy: tok.GetCreatedBy(),
		Index1PK: store.TokensIndex, Index1SK: tok.GetId(), Index2PK: store.TokenIDIndex(tok.GetId()), Index2SK: "T",
	}
	for project, role := range tok.GetRoles() {
		if project == "" {
			project = allProjects
		}
		item.Roles[project] = int32(role)
	}
	if item.Expires != 0 {
		item.TTL = time.Unix(item.Expires, 0).Add(tokenKept).Unix()
	}
	if tok.GetKind() == waypointv1.TokenKind_TOKEN_KIND_RUNNER {
		item.Projects = projects.Bind(job.Projects{All: tok.GetAllProjects(), Names: tok.GetProjects()})
	}
	return item
}

func tokenKey(hash auth.Hash) store.Key { return store.Token(hex.EncodeToString(hash[:])) }

func (i tokenItem) message() *waypointv1.Token {
	tok := &waypointv1.Token{
		Id: i.ID, Kind: waypointv1.TokenKind(i.Kind), Name: i.Name, CreatedUnix: i.Created, ExpiresUnix: i.Expires,
		RunnerLabels: i.Labels, DeploymentId: i.Deployment, CreatedBy: i.CreatedBy,
	}
	if tok.GetKind() == waypointv1.TokenKind_TOKEN_KIND_RUNNER {
		projects := i.Projects.Read()
		tok.Projects, tok.AllProjects = projects.Names, projects.All
	}
	if len(i.Roles) > 0 {
		tok.Roles = make(map[string]waypointv1.Role, len(i.Roles))
		for project, role := range i.Roles {
			if project == allProjects {
				project = ""
			}
			tok.Roles[project] = waypointv1.Role(role)
		}
	}
	return tok
}

// FindToken implements auth.Source. Unless it must be current, it reads weakly first (half a unit), strongly only if
// nothing was found, so that a token works from the moment of its creation.
func (st *Store) FindToken(ctx context.Context, hash auth.Hash, current bool) (auth.Entry, bool, error) {
	var item tokenItem
	found, err := st.db.Get(ctx, tokenKey(hash), current, &item)
	if err == nil && !found && !current {
		found, err = st.db.Get(ctx, tokenKey(hash), true, &item)
	}
	if err != nil || !found {
		return auth.Entry{}, false, err
	}
	if item.Kind == int32(waypointv1.TokenKind_TOKEN_KIND_ENTRYPOINT) && item.Revoked == 0 {
		ended, err := st.entrypointEnded(ctx, item)
		if err != nil {
			return auth.Entry{}, false, err
		}
		if ended {
			item.Revoked = st.db.Now().Unix()
		}
	}
	tok := item.message()
	entry := auth.Entry{
		Principal: auth.Principal{
			TokenID: tok.GetId(), Kind: tok.GetKind(), Name: tok.GetName(), Roles: tok.GetRoles(),
			RunnerLabels: tok.GetRunnerLabels(), DeploymentID: tok.GetDeploymentId(),
			Projects: job.Projects{All: tok.GetAllProjects(), Names: tok.GetProjects()},
			Unbound:  tok.GetKind() == waypointv1.TokenKind_TOKEN_KIND_RUNNER && len(item.Projects) == 0,
		},
		Revoked: item.Revoked != 0,
	}
	if item.Expires != 0 {
		entry.Expires = time.Unix(item.Expires, 0)
	}
	return entry, true, nil
}

// List lists the tokens that are neither revoked nor gone, newest first: those of users and runners, or those of
// entrypoints. What is passed over can make a page shorter than asked.
func (st *Store) List(ctx context.Context, entrypoints bool, size int, token string) (toks []*waypointv1.Token, next string, err error) {
	q := store.Query{Index: store.Index1, PK: store.TokensIndex, Token: token, Order: store.NewestFirst}
	if entrypoints {
		q.PK = store.EntrypointTokensIndex
	}
	next, err = st.db.List(ctx, q, size, nil, func(raw store.Item) (bool, error) {
		var item tokenItem
		if err := store.Decode(raw, &item); err != nil {
			return false, err
		}
		// Entrypoint tokens of earlier versions stand in the list of the others.
		forEntrypoint := item.Kind == int32(waypointv1.TokenKind_TOKEN_KIND_ENTRYPOINT)
		if item.Revoked != 0 || forEntrypoint != entrypoints {
			return false, nil
		}
		toks = append(toks, item.message())
		return true, nil
	})
	return toks, next, err
}

// ByID finds a token by its id, and the action that revokes it (once).
func (st *Store) ByID(ctx context.Context, id string) (tok *waypointv1.Token, revoke store.Action, err error) {
	key, found, err := st.db.AwaitIndexed(ctx, store.TokenIDIndex(id))
	if err != nil {
		return nil, store.Action{}, err
	}
	var item tokenItem
	if found {
		found, err = st.db.Get(ctx, key, true, &item)
	}
	if err != nil {
		return nil, store.Action{}, err
	}
	if !found {
		return nil, store.Action{}, fault.New(connect.CodeNotFound, fault.NotFound, "there is no token with the id %s", id).
			WithHint("List the tokens: waypoint token list.")
	}
	return item.message(), st.revoke(key, item), nil
}

// revoke is the action that ends a token. It stays for a while, to be answered TOKEN_REVOKED, and leaves the list.
func (st *Store) revoke(key store.Key, item tokenItem) store.Action {
	now := st.db.Now()
	ttl := now.Add(tokenKept).Unix()
	if item.Expires != 0 {
		ttl = min(ttl, item.TTL)
	}
	return store.Update(key, store.Set("SET #revoked = if_not_exists(#revoked, ?), #ttl = ? REMOVE #gsi1pk, #gsi1sk", now.Unix(), ttl), store.Exists())
}

// SpendIdentity notes that a signature was used; false: it had been. It is forgotten after until, when it is too old
// anyway.
func (st *Store) SpendIdentity(ctx context.Context, digest string, until time.Time) (fresh bool, err error) {
	_, err = st.db.Write(ctx, store.Put(store.Identity(digest), struct {
		TTL int64 `dynamodbav:"ttl"`
	}{until.Unix()}, store.Absent()))
	var there *store.ConditionError
	if errors.As(err, &there) {
		return false, nil
	}
	return err == nil, err
}

// Extend lets a token that by was given live until expires, with the labels and projects that the list gives now;
// false: there is none, or it was revoked.
func (st *Store) Extend(ctx context.Context, id, by string, expires int64, labels map[string]string, bound job.Projects) (lives bool, err error) {
	key, found, err := st.db.AwaitIndexed(ctx, store.TokenIDIndex(id))
	if err != nil || !found {
		return false, err
	}
	if labels == nil {
		labels = map[string]string{}
	}
	change := store.Set("SET #expires = ?, #ttl = ?, #labels = ?, #projects = ?", expires, time.Unix(expires, 0).Add(tokenKept).Unix(), labels,
		projects.Bind(bound))
	_, err = st.db.Write(ctx, store.Update(key, change, store.And(store.If("attribute_not_exists(#revoked)"), store.If("#created_by = ?", by))))
	var refused *store.ConditionError
	if errors.As(err, &refused) {
		return false, nil
	}
	return err == nil, err
}
