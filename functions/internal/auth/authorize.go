package auth

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/waypoint-serverless/waypoint/api/access"
	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Authorize checks each call, before its handler runs, against what its method declares (api/access). A method that declares
// nothing is answered to nobody, and one whose resource is known only after loading is answered only if its handler has
// checked: with Require, RequireOf or RequireToken.
func Authorize(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		descriptor, _ := req.Spec().Schema.(protoreflect.MethodDescriptor)
		method, ok := access.Of(descriptor)
		request, isMessage := req.Any().(proto.Message)
		if !ok || !isMessage {
			return nil, fault.New(connect.CodeInternal, fault.Internal, "%s does not declare who may call it", req.Spec().Procedure)
		}
		if err := admit(ctx, method, request); err != nil {
			return nil, err
		}
		if method.Resource != access.Loaded {
			return next(ctx, req)
		}
		var loaded check
		res, err := next(context.WithValue(ctx, checkKey{}, &loaded), req)
		if err == nil && !loaded.done {
			return nil, fault.New(connect.CodeInternal, fault.Internal, "%s did not check who may have its answer", req.Spec().Procedure)
		}
		return res, err
	}
}

// check notes whether the handler of a method with a loaded resource has checked.
type check struct{ done bool }

type checkKey struct{}

func noteCheck(ctx context.Context) {
	if c, ok := ctx.Value(checkKey{}).(*check); ok {
		c.done = true
	}
}

// admit decides what can be decided from the token and the request.
func admit(ctx context.Context, m *access.Method, request proto.Message) error {
	if m.Open() {
		return nil
	}
	p, err := Caller(ctx)
	if err != nil {
		return err
	}
	action := Action(m.Action)
	if !m.Admits(callerOf(p.Kind)) {
		return refuseKind(m, p.Kind)
	}
	switch m.Resource {
	case access.Loaded:
		return nil
	case access.All:
		return p.require(action, "")
	case access.Any, access.Lease:
		return p.requireAny(action)
	}
	resources := m.Resources(request)
	if action == DeploymentAct {
		return p.requireDeployment(resources)
	}
	if len(resources) == 0 {
		return p.requireAny(action) // the request names nothing to act on
	}
	for _, project := range resources {
		if err := p.requireNamed(m, project); err != nil {
			return err
		}
	}
	return nil
}

// requireNamed checks one project that a request names.
func (p Principal) requireNamed(m *access.Method, project string) error {
	if project == "" && m.GlobalAction != "" {
		return p.require(Action(m.GlobalAction), "")
	}
	if err := validate.Name("project", project); err != nil {
		return err
	}
	return p.require(Action(m.Action), project)
}

// callerOf is how the contract calls the holder of a token.
func callerOf(kind waypointv1.TokenKind) waypointv1.Caller {
	switch kind {
	case waypointv1.TokenKind_TOKEN_KIND_USER:
		return waypointv1.Caller_CALLER_USER
	case waypointv1.TokenKind_TOKEN_KIND_RUNNER:
		return waypointv1.Caller_CALLER_RUNNER
	case waypointv1.TokenKind_TOKEN_KIND_ENTRYPOINT:
		return waypointv1.Caller_CALLER_ENTRYPOINT
	}
	return waypointv1.Caller_CALLER_UNSPECIFIED
}

func denied(format string, args ...any) *fault.Error {
	return fault.New(connect.CodePermissionDenied, fault.PermissionDenied, format, args...)
}

// refuseKind refuses a token whose kind may not call the method, whatever its resource.
func refuseKind(m *access.Method, kind waypointv1.TokenKind) error {
	switch Action(m.Action) {
	case RunnerAct:
		return notARunner()
	case DeploymentAct:
		return notTheDeployment()
	}
	name := "an entrypoint"
	if kind == waypointv1.TokenKind_TOKEN_KIND_RUNNER {
		name = "a runner"
	}
	return denied("this is not permitted to the token of %s", name).WithHint("Use a token of a user: `waypoint token create`.")
}

func notARunner() error {
	return denied("only a runner token, or a user with the role deployer, may act as a runner").
		WithHint("Make a runner token: `waypoint token create NAME --kind runner --project PROJECT`.")
}

func notTheDeployment() error { return denied("the token does not open this deployment") }

// require refuses p unless it is permitted an action on the project ("": on all projects).
func (p Principal) require(a Action, project string) error {
	if p.May(a, project) {
		return nil
	}
	where := "all projects"
	if project != "" {
		where = "project " + project
	}
	return denied("this needs the role %s on %s, which the token does not have", RoleName(leastRole[a]), where).
		WithHint("Ask an admin for a token with that role: waypoint token create.")
}

// requireAny refuses p unless it is permitted an action on some project.
func (p Principal) requireAny(a Action) error {
	switch {
	case p.MayAny(a):
		return nil
	case a == RunnerAct:
		return notARunner()
	}
	return p.require(a, "")
}

// requireDeployment refuses p unless it is the entrypoint of the one deployment that a request names.
func (p Principal) requireDeployment(deployments []string) error {
	if len(deployments) == 1 && p.DeploymentID != "" && p.DeploymentID == deployments[0] {
		return nil
	}
	return notTheDeployment()
}

// RoleName returns the name of a role in messages.
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

// Caller returns the principal of a request, or the refusal of one without a token. What the method declares was checked
// before its handler ran.
func Caller(ctx context.Context) (Principal, error) {
	p, ok := PrincipalFrom(ctx)
	if !ok {
		return Principal{}, Missing()
	}
	return p, nil
}

// Require returns the caller if it is permitted an action on the project ("": on all projects). Handlers call it for what
// depends on more than the declaration.
func Require(ctx context.Context, a Action, project string) (Principal, error) {
	p, err := Caller(ctx)
	if err == nil {
		err = p.require(a, project)
	}
	if err == nil {
		noteCheck(ctx)
	}
	return p, err
}

// RequireOf returns the caller if it is permitted an action on the project of something that was asked for by its id.
// Callers that may not even read the project are told only that the token does not open it: neither the project's name nor
// its state. Ids are random, so that there being one reveals nothing.
func RequireOf(ctx context.Context, a Action, project, what string) (Principal, error) {
	p, ok := PrincipalFrom(ctx)
	if ok && !p.May(ProjectRead, project) {
		return p, denied("the token does not open %s", what).WithHint("Ask an admin for a token with a role on its project.")
	}
	return Require(ctx, a, project)
}

// RequireToken returns the caller if the id is that of its own token, or if it is permitted an action on all projects.
func RequireToken(ctx context.Context, a Action, id string) (Principal, error) {
	if p, ok := PrincipalFrom(ctx); ok && p.TokenID == id {
		noteCheck(ctx)
		return p, nil
	}
	return Require(ctx, a, "")
}
