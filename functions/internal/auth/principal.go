package auth

import (
	"context"
	"maps"
	"slices"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
)

// Principal is who a token stands for. It must not be changed once it is in a context: it is shared by all
// requests that the token's cache entry answers.
type Principal struct {
	// TokenID is the token's ULID; it names the principal in audit records and idempotency keys.
	TokenID string
	Kind    waypointv1.TokenKind
	Name    string
	// Roles of a user token: the key "" stands for all projects.
	Roles map[string]waypointv1.Role
	// RunnerLabels of a runner token: what its runner has, whatever the runner says of itself.
	RunnerLabels map[string]string
	// Projects of a runner token: whose jobs its runner may run, and whose records it may read.
	Projects job.Projects
	// Unbound marks a runner token that is older than the binding to projects: it has all, and its runner may name
	// labels of its own, as it could when the token was made.
	Unbound bool
	// DeploymentID of an entrypoint token.
	DeploymentID string
}

type principalKey struct{}

// With returns a context that carries p.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns the caller, and false if the request carried no valid token.
func PrincipalFrom(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}

// May reports whether p has at least that role on the project; project "" asks for the role on all projects.
//
// A runner token may read the projects that it is bound to (as a viewer): the jobs that it claims need the records that
// earlier operations left. What it may write is decided per job, by its lease.
func (p Principal) May(project string, role waypointv1.Role) bool {
	switch p.Kind {
	case waypointv1.TokenKind_TOKEN_KIND_RUNNER:
		return role == waypointv1.Role_ROLE_VIEWER && p.Projects.Has(project)
	case waypointv1.TokenKind_TOKEN_KIND_USER:
		return max(p.Roles[""], p.Roles[project]) >= role && role != waypointv1.Role_ROLE_UNSPECIFIED
	}
	return false
}

// Where returns the projects on which p has at least that role.
func (p Principal) Where(role waypointv1.Role) job.Projects {
	if p.May("", role) {
		return job.Projects{All: true}
	}
	var out job.Projects
	for _, project := range append(slices.Collect(maps.Keys(p.Roles)), p.Projects.Names...) {
		if p.May(project, role) {
			out.Names = append(out.Names, project)
		}
	}
	slices.Sort(out.Names)
	return out
}

// MayAny reports whether p has at least that role somewhere.
func (p Principal) MayAny(role waypointv1.Role) bool { return !p.Where(role).None() }

// RunnerProjects returns the projects whose jobs p's runner may run: those of a runner token, and for a user's own CLI
// those that the user may deploy.
func (p Principal) RunnerProjects() job.Projects {
	if p.Kind == waypointv1.TokenKind_TOKEN_KIND_RUNNER {
		return p.Projects
	}
	return p.Where(waypointv1.Role_ROLE_DEPLOYER)
}

// RoleName is how messages call a role.
func RoleName(role waypointv1.Role) string {
	switch role {
	case waypointv1.Role_ROLE_VIEWER:
		return "viewer"
	case waypointv1.Role_ROLE_DEPLOYER:
		return "deployer"
	case waypointv1.Role_ROLE_ADMIN:
		return "admin"
	}
	return "none"
}

// Missing is the refusal of a request without a token.
func Missing() *fault.Error {
	return fault.New(connect.CodeUnauthenticated, fault.TokenMissing, "this request needs a token").
		WithHint("Run `waypoint login`, or set WAYPOINT_SERVER_TOKEN.")
}

// Require returns the caller if it has at least that role on the project ("": on all projects).
func Require(ctx context.Context, project string, role waypointv1.Role) (Principal, error) {
	p, ok := PrincipalFrom(ctx)
	if !ok {
		return Principal{}, Missing()
	}
	if p.May(project, role) {
		return p, nil
	}
	where := "all projects"
	if project != "" {
		where = "project " + project
	}
	return p, fault.New(connect.CodePermissionDenied, fault.PermissionDenied,
		"this needs the role %s on %s, which the token does not have", RoleName(role), where).
		WithHint("Ask an admin for a token with that role: waypoint token create.")
}

// RequireOf returns the caller if it has at least that role on the project of something that was asked for by its id.
// Who may not even read the project is told only that the token does not open it: neither the project's name nor how
// the thing stands. Ids are random, so that there being one reveals nothing.
func RequireOf(ctx context.Context, project string, role waypointv1.Role, what string) (Principal, error) {
	p, ok := PrincipalFrom(ctx)
	if ok && !p.May(project, waypointv1.Role_ROLE_VIEWER) {
		return p, fault.New(connect.CodePermissionDenied, fault.PermissionDenied, "the token does not open %s", what).
			WithHint("Ask an admin for a token with a role on its project.")
	}
	return Require(ctx, project, role)
}

// RequireRunner returns the caller if it may act as a runner: a runner token, or a user's token with the role
// deployer on some project (a CLI's own runner uses its user's token; which jobs it may claim is decided per job).
func RequireRunner(ctx context.Context) (Principal, error) {
	p, ok := PrincipalFrom(ctx)
	switch {
	case !ok:
		return Principal{}, Missing()
	case p.Kind == waypointv1.TokenKind_TOKEN_KIND_RUNNER:
		return p, nil
	case p.Kind == waypointv1.TokenKind_TOKEN_KIND_USER && p.MayAny(waypointv1.Role_ROLE_DEPLOYER):
		return p, nil
	}
	return p, fault.New(connect.CodePermissionDenied, fault.PermissionDenied,
		"only a runner token, or a user with the role deployer, may act as a runner").
		WithHint("Make a runner token: `waypoint token create NAME --kind runner --project PROJECT`.")
}

// RequireEntrypoint returns the caller if it is the entrypoint of that deployment.
func RequireEntrypoint(ctx context.Context, deploymentID string) (Principal, error) {
	p, ok := PrincipalFrom(ctx)
	switch {
	case !ok:
		return Principal{}, Missing()
	case p.Kind == waypointv1.TokenKind_TOKEN_KIND_ENTRYPOINT && p.DeploymentID != "" && p.DeploymentID == deploymentID:
		return p, nil
	}
	return p, fault.New(connect.CodePermissionDenied, fault.PermissionDenied, "the token does not open this deployment")
}
