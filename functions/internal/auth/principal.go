package auth

import (
	"context"
	"maps"
	"slices"

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

// May reports whether p is permitted an action on the project; project "" asks for all projects.
func (p Principal) May(a Action, project string) bool {
	switch p.Kind {
	case waypointv1.TokenKind_TOKEN_KIND_RUNNER:
		return ofRunner(a) && p.Projects.Has(project)
	case waypointv1.TokenKind_TOKEN_KIND_USER:
		least, ok := leastRole[a]
		return ok && max(p.Roles[""], p.Roles[project]) >= least
	}
	return false
}

// Where returns the projects on which p is permitted an action.
func (p Principal) Where(a Action) job.Projects {
	if p.May(a, "") {
		return job.Projects{All: true}
	}
	var out job.Projects
	for _, project := range append(slices.Collect(maps.Keys(p.Roles)), p.Projects.Names...) {
		if p.May(a, project) {
			out.Names = append(out.Names, project)
		}
	}
	slices.Sort(out.Names)
	return out
}

// MayAny reports whether p is permitted an action somewhere. A runner token acts as a runner even while it is bound to no
// project: it is offered nothing then.
func (p Principal) MayAny(a Action) bool {
	return a == RunnerAct && p.Kind == waypointv1.TokenKind_TOKEN_KIND_RUNNER || !p.Where(a).None()
}

// RunnerProjects returns the projects whose jobs p's runner may run: those of a runner token, and for a user's own CLI
// those that the user may deploy.
func (p Principal) RunnerProjects() job.Projects {
	if p.Kind == waypointv1.TokenKind_TOKEN_KIND_RUNNER {
		return p.Projects
	}
	return p.Where(RunnerAct)
}
