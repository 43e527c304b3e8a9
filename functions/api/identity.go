package api

import (
	"context"
	"io"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/awscaller"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
	"github.com/waypoint-serverless/waypoint/functions/internal/tokens"
)

// identityLife is how long a token lives that an identity was exchanged for, in seconds.
const identityLife = 3600

// Identities exchanges identities of AWS for runner tokens.
type Identities struct {
	DB     *store.DB
	Tokens *tokens.Store
	STS    *awscaller.STS
	// Allowed may register runners; ListError is why the list could not be read.
	Allowed   awscaller.Allowed
	ListError error
	ServerID  string
	// Rand is where tokens come from.
	Rand io.Reader
}

// exchange makes a token, or, if one was sent, lets that one live on.
func (s *Identities) exchange(ctx context.Context, headers map[string]string, sent bool) (*waypointv1.ExchangeIdentityResponse, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	signed, err := awscaller.Parse(headers, s.ServerID, s.DB.Now())
	if err != nil {
		return nil, err
	}
	caller, err := s.STS.Ask(ctx, signed)
	if err != nil {
		return nil, err
	}
	grant, ok := s.Allowed.Grant(caller.Principal)
	if !ok {
		return nil, refuseIdentity("%s may not register runners", caller.Principal).
			WithHint("Add it to the list: `waypoint upgrade --platform=aws --parameter RunnerRoles=ARN,…`.")
	}
	// Spent once it is proved, so that strangers cause no writes; and before a token is made, by one conditional write, so
	// that of two who send one signature at once only one gets a token.
	fresh, err := s.Tokens.SpendIdentity(ctx, signed.Digest(), signed.Date.Add(2*awscaller.Tolerance))
	if err != nil {
		return nil, err
	}
	if !fresh {
		return nil, refuseIdentity("the identity was used before: each signature counts once").WithHint("Sign another request.")
	}
	return s.token(ctx, caller, grant, sent)
}

func (s *Identities) ready() error {
	switch {
	case s.ListError != nil:
		return refuseIdentity("the server cannot read its list of runner roles: %v", s.ListError).
			WithHint("Correct it: `waypoint upgrade --platform=aws --parameter RunnerRoles=ARN,…`.")
	case len(s.Allowed) == 0:
		return refuseIdentity("this server lets no role of AWS register runners").
			WithHint("Make a runner token (`waypoint token create NAME --kind runner --project PROJECT`), or name the role: `waypoint upgrade --platform=aws --parameter RunnerRoles=ARN`.")
	}
	return nil
}

func refuseIdentity(format string, args ...any) *fault.Error {
	return fault.New(connect.CodeUnauthenticated, fault.IdentityRefused, format, args...)
}

// token makes a token. One that was sent lives on if the same principal got it, and is not replaced if it was revoked: its
// runner ends then.
func (s *Identities) token(ctx context.Context, caller awscaller.Caller, grant awscaller.Grant, sent bool) (*waypointv1.ExchangeIdentityResponse, error) {
	by := "identity " + caller.Principal
	tok := &waypointv1.Token{
		Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: cut(caller.ARN, validate.MaxTokenName), CreatedUnix: s.DB.Now().Unix(),
		ExpiresUnix: s.DB.Now().Unix() + identityLife, RunnerLabels: grant.Labels, CreatedBy: by,
		Projects: grant.Projects.Names, AllProjects: grant.Projects.All,
	}
	out := &waypointv1.ExchangeIdentityResponse{ExpiresUnix: tok.GetExpiresUnix(), Arn: caller.ARN, RunnerLabels: grant.Labels,
		Projects: grant.Projects.Names, AllProjects: grant.Projects.All}
	if sent {
		p, _ := auth.PrincipalFrom(ctx)
		lives, err := s.Tokens.Extend(ctx, p.TokenID, by, tok.GetExpiresUnix(), grant.Labels, grant.Projects)
		if err == nil && !lives {
			err = refuseIdentity("the token cannot be renewed: it expired, was revoked, or belongs to another identity").
				WithHint("Start the runner again; to keep it out, take its role off the list of runner roles.")
		}
		return out, err
	}
	var err error
	if tok.Id, err = s.DB.NewID(); err != nil {
		return nil, err
	}
	secret, hash, err := newSecret(tok, s.Rand)
	if err != nil {
		return nil, err
	}
	m := mutation{db: s.DB, principal: auth.Principal{Name: by}, method: "exchange_identity"}
	more, err := m.actions(nil, map[string]string{"token_id": tok.GetId(), "name": tok.GetName()})
	if err != nil {
		return nil, err
	}
	tx := store.Tx{}
	tx.Add(tokens.Put(tok, hash)).Add(more...)
	out.Secret = secret
	return out, s.DB.Transact(ctx, tx)
}

func cut(s string, most int) string { return s[max(0, len(s)-most):] }
