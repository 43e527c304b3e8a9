package api

import (
	"context"
	"io"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
	"github.com/waypoint-serverless/waypoint/functions/internal/tokens"
)

// Tokens makes, lists and revokes tokens, for admins of all projects.
type Tokens struct {
	DB     *store.DB
	Tokens *tokens.Store
	// Rand is where tokens come from: crypto/rand.Reader outside tests. It must be safe for concurrent use.
	Rand io.Reader
	// Shared: the server is not one machine's own. A runner's token must then name its projects.
	Shared bool
}

func invalid(field, format string, args ...any) *fault.Error {
	return fault.New(connect.CodeInvalidArgument, fault.InvalidArgument, format, args...).WithFact("field", field)
}

// CreateToken makes a user's or a runner's token. The secret is in this one answer only.
func (s *Tokens) CreateToken(ctx context.Context, req *connect.Request[waypointv1.CreateTokenRequest]) (*connect.Response[waypointv1.CreateTokenResponse], error) {
	m, err := person(ctx, s.DB, "", req)
	if err != nil {
		return nil, err
	}
	tok, err := s.tokenOf(req.Msg, m.principal.Name)
	if err != nil {
		return nil, err
	}
	secret, hash, err := newSecret(tok, s.Rand)
	if err != nil {
		return nil, err
	}
	more, err := m.actions(map[string]string{"id": tok.GetId()}, map[string]string{"token_id": tok.GetId(), "name": tok.GetName()})
	if err != nil {
		return nil, err
	}
	tx := store.Tx{}
	tx.Add(tokens.Put(tok, hash)).Add(more...)
	ids, done, err := m.repeat(s.DB.Transact(ctx, tx))
	if err != nil {
		return nil, err
	}
	if done {
		if tok, _, err = s.Tokens.ByID(ctx, ids["id"]); err != nil {
			return nil, err
		}
		secret = ""
	}
	return connect.NewResponse(&waypointv1.CreateTokenResponse{Token: tok, Secret: secret}), nil
}

func newSecret(tok *waypointv1.Token, rnd io.Reader) (string, auth.Hash, error) {
	secret, err := auth.NewToken(tok.GetKind(), rnd)
	if err != nil {
		return "", auth.Hash{}, err
	}
	return secret, auth.HashOf(secret), nil
}

func (s *Tokens) tokenOf(in *waypointv1.CreateTokenRequest, by string) (*waypointv1.Token, error) {
	if err := s.check(in); err != nil {
		return nil, err
	}
	id, err := s.DB.NewID()
	if err != nil {
		return nil, err
	}
	now := s.DB.Now().Unix()
	tok := &waypointv1.Token{
		Id: id, Kind: in.GetKind(), Name: in.GetName(), CreatedUnix: now, Roles: in.GetRoles(),
		RunnerLabels: in.GetRunnerLabels(), CreatedBy: by,
	}
	if in.GetKind() == waypointv1.TokenKind_TOKEN_KIND_RUNNER {
		tok.Projects, tok.AllProjects = in.GetProjects(), len(in.GetProjects()) == 0
	}
	if in.GetExpiresInSeconds() > 0 {
		tok.ExpiresUnix = now + in.GetExpiresInSeconds()
	}
	return tok, nil
}

// tokenLifeMost is the longest life that can be asked for, in seconds: a hundred years.
const tokenLifeMost = 100 * 366 * 24 * 3600

func (s *Tokens) check(in *waypointv1.CreateTokenRequest) error {
	if err := validate.Size("name", len(in.GetName()), validate.MaxTokenName); err != nil {
		return err
	}
	if in.GetName() == "" {
		return invalid("name", "the token's name is missing").WithHint("Name it after the person or machine that will use it.")
	}
	if life := in.GetExpiresInSeconds(); life < 0 || life > tokenLifeMost {
		return invalid("expires_in_seconds", "a token cannot live for %d seconds", life)
	}
	switch in.GetKind() {
	case waypointv1.TokenKind_TOKEN_KIND_USER:
		if len(in.GetRunnerLabels()) > 0 {
			return invalid("runner_labels", "only a runner's token has runner labels")
		}
		if len(in.GetProjects()) > 0 || in.GetAllProjects() {
			return invalid("projects", "only a runner's token is bound to projects: a user's token has a role on each of its projects")
		}
		return checkRoles(in.GetRoles())
	case waypointv1.TokenKind_TOKEN_KIND_RUNNER:
		if len(in.GetRoles()) > 0 {
			return invalid("roles", "a runner's token has no roles").WithHint("Give it labels: they select the jobs that it may claim.")
		}
		return first([]error{validate.Labels("runner_labels", in.GetRunnerLabels()), s.checkProjects(in)})
	}
	return invalid("kind", "a token must be for a user or a runner")
}

// checkProjects checks which projects a runner's token is for. A local server belongs to one person, so there a token that
// names none is for all; elsewhere that has to be said.
func (s *Tokens) checkProjects(in *waypointv1.CreateTokenRequest) error {
	names := in.GetProjects()
	switch {
	case in.GetAllProjects() && len(names) > 0:
		return invalid("projects", "a runner's token is for named projects or for all, not both")
	case len(names) > rolesMost:
		return invalid("projects", "a runner's token is for at most %d projects, or for all", rolesMost)
	case len(names) == 0 && !in.GetAllProjects() && s.Shared:
		return invalid("projects", "a runner's token must name its projects").
			WithHint("`waypoint token create NAME --kind runner --project PROJECT` binds it to one, `--all-projects` instead to none.")
	}
	seen := map[string]bool{}
	for _, name := range names {
		if err := validate.Name("project", name); err != nil {
			return err
		}
		if seen[name] {
			return invalid("projects", "the project %s is named twice", name)
		}
		seen[name] = true
	}
	return nil
}

// rolesMost keeps a token's item small: it is read often.
const rolesMost = 100

func checkRoles(roles map[string]waypointv1.Role) error {
	if len(roles) == 0 || len(roles) > rolesMost {
		return invalid("roles", "a user's token needs 1 to %d roles", rolesMost)
	}
	for project, role := range roles {
		if role < viewer || role > admin {
			return invalid("roles", "the role %d does not exist", role)
		}
		if project != "" {
			if err := validate.Name("project", project); err != nil {
				return err
			}
		}
	}
	return nil
}

// ListTokens lists tokens that have not been revoked, newest first: those of users and runners, or those of entrypoints.
func (s *Tokens) ListTokens(ctx context.Context, req *connect.Request[waypointv1.ListTokensRequest]) (*connect.Response[waypointv1.ListTokensResponse], error) {
	page := req.Msg.GetPage()
	toks, next, err := s.Tokens.List(ctx, req.Msg.GetEntrypoints(), validate.PageSize(page.GetSize()), page.GetToken())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.ListTokensResponse{Tokens: toks, NextPageToken: next}), nil
}

// RevokeToken ends a token within the time that functions keep tokens (auth.CacheFor). Everybody may revoke
// the token that is used.
func (s *Tokens) RevokeToken(ctx context.Context, req *connect.Request[waypointv1.RevokeTokenRequest]) (*connect.Response[waypointv1.RevokeTokenResponse], error) {
	id := req.Msg.GetId()
	if err := validate.ID("id", id); err != nil {
		return nil, err
	}
	p, err := auth.RequireToken(ctx, auth.TokenWrite, id)
	if err != nil {
		return nil, err
	}
	m, err := newMutation(s.DB, p, "", req)
	if err != nil {
		return nil, err
	}
	tok, revoke, err := s.Tokens.ByID(ctx, id)
	if err != nil {
		return nil, err
	}
	more, err := m.actions(map[string]string{"id": id}, map[string]string{"token_id": id, "name": tok.GetName()})
	if err != nil {
		return nil, err
	}
	tx := store.Tx{}
	tx.Add(revoke).Add(more...)
	if _, _, err := m.repeat(s.DB.Transact(ctx, tx)); err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.RevokeTokenResponse{Token: tok}), nil
}

// CreateAdminToken makes a token with all rights. It is reached by invoking the function directly, which is
// a right of its own on AWS (lambda:InvokeFunction) and, on one machine, the server's alone.
func (s *Tokens) CreateAdminToken(ctx context.Context, name string) (string, error) {
	in := &waypointv1.CreateTokenRequest{
		Kind: waypointv1.TokenKind_TOKEN_KIND_USER, Name: name, Roles: map[string]waypointv1.Role{"": admin},
	}
	tok, err := s.tokenOf(in, "direct invocation")
	if err != nil {
		return "", err
	}
	secret, hash, err := newSecret(tok, s.Rand)
	if err != nil {
		return "", err
	}
	m := mutation{db: s.DB, principal: auth.Principal{Name: "direct invocation"}, method: "create_admin_token"}
	more, err := m.actions(nil, map[string]string{"token_id": tok.GetId(), "name": name})
	if err != nil {
		return "", err
	}
	tx := store.Tx{}
	tx.Add(tokens.Put(tok, hash)).Add(more...)
	if err := s.DB.Transact(ctx, tx); err != nil {
		return "", err
	}
	return secret, nil
}
