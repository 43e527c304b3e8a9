package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/config"
	"github.com/waypoint-serverless/waypoint/functions/internal/selector"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Configs keeps configuration variables of apps and runners, and values of input variables.
type Configs struct {
	DB      *store.DB
	Configs *config.Store
	Sealer  store.Sealer
}

const (
	levelGlobal  = waypointv1.ConfigScope_LEVEL_GLOBAL
	levelProject = waypointv1.ConfigScope_LEVEL_PROJECT
	levelApp     = waypointv1.ConfigScope_LEVEL_APP
)

// SetConfig sets variables; an empty value deletes, but for an input variable.
func (s *Configs) SetConfig(ctx context.Context, req *connect.Request[waypointv1.SetConfigRequest]) (*connect.Response[waypointv1.SetConfigResponse], error) {
	vars := req.Msg.GetVariables()
	project, _, err := s.write(ctx, config.Change{Variables: vars}, req)
	if err != nil {
		return nil, err
	}
	version, err := s.Configs.ProjectVersion(ctx, project)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.SetConfigResponse{Version: version}), nil
}

// DeleteConfig deletes variables, told by scope and name.
func (s *Configs) DeleteConfig(ctx context.Context, req *connect.Request[waypointv1.DeleteConfigRequest]) (*connect.Response[waypointv1.DeleteConfigResponse], error) {
	vars := make([]*waypointv1.ConfigVariable, len(req.Msg.GetVariables()))
	for i, v := range req.Msg.GetVariables() {
		vars[i] = &waypointv1.ConfigVariable{Name: v.GetName(), Scope: v.GetScope()}
	}
	_, deleted, err := s.write(ctx, config.Change{Variables: vars, Delete: true}, req)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.DeleteConfigResponse{Deleted: int32(deleted)}), nil
}

// auditNamesMost bounds the names of changed variables in an audit entry, which is one item.
const auditNamesMost = 8 << 10

// write checks and applies changes to variables of one project (or of none: global ones). changed is 0 in a
// repeat under the same idempotency key.
func (s *Configs) write(ctx context.Context, change config.Change, req connect.AnyRequest) (project string, changed int, err error) {
	if project, err = checkVariables(change.Variables); err != nil {
		return "", 0, err
	}
	m, err := person(ctx, s.DB, project, req)
	if err != nil {
		return "", 0, err
	}
	names := make([]string, len(change.Variables))
	for i, v := range change.Variables {
		names[i] = v.GetName()
	}
	more, err := m.actions(nil, map[string]string{"names": clip(strings.Join(names, ","), auditNamesMost)})
	if err != nil {
		return "", 0, err
	}
	change.By = m.principal.Name
	changed, err = s.Configs.Set(ctx, change, s.Sealer, nil, more)
	_, done, err := m.repeat(err)
	if err != nil || done {
		return project, 0, err
	}
	return project, changed, nil
}

// checkVariables checks variables and finds the one project that they belong to.
func checkVariables(vars []*waypointv1.ConfigVariable) (project string, err error) {
	if len(vars) == 0 || len(vars) > validate.MaxVariables {
		return "", invalid("variables", "1 to %d variables can be changed in one request", validate.MaxVariables)
	}
	for i, v := range vars {
		if err := checkVariable(v); err != nil {
			return "", err
		}
		p := v.GetScope().GetProject()
		if v.GetScope().GetLevel() == levelGlobal {
			p = ""
		}
		if i > 0 && p != project {
			return "", invalid("variables", "one request changes the variables of one project")
		}
		project = p
	}
	return project, nil
}

func checkVariable(v *waypointv1.ConfigVariable) error {
	scope := v.GetScope()
	if scope.GetInput() {
		return checkInput(v)
	}
	errs := []error{
		validate.ConfigName(v.GetName()),
		validate.Size("the value of "+clip(v.GetName(), 256), len(v.GetValue()), validate.MaxConfigValue),
		selector.Check(scope.GetLabelSelector()),
	}
	switch scope.GetLevel() {
	case levelGlobal:
		if scope.GetProject() != "" || scope.GetApp() != "" {
			errs = append(errs, invalid("scope", "a global variable names no project or app"))
		}
	case levelProject, levelApp:
		errs = append(errs, validate.Name("project", scope.GetProject()))
		if scope.GetLevel() == levelApp {
			errs = append(errs, validate.Name("app", scope.GetApp()))
		} else if scope.GetApp() != "" {
			errs = append(errs, invalid("scope", "a project's variable names no app"))
		}
	default:
		errs = append(errs, invalid("scope", "the scope of %s is missing: global, project or app", v.GetName()))
	}
	if scope.GetWorkspace() != "" {
		errs = append(errs, validate.Workspace(scope.GetWorkspace()))
	}
	if scope.GetRunnerId() != "" {
		errs = append(errs, validate.ID("runner_id", scope.GetRunnerId()))
		if !scope.GetRunner() {
			errs = append(errs, invalid("runner_id", "only a variable for runners names a runner"))
		}
	}
	return first(errs)
}

// checkInput checks a value for an input variable: it is of a project, in all workspaces or in one.
func checkInput(v *waypointv1.ConfigVariable) error {
	scope := v.GetScope()
	errs := []error{
		validate.InputName(v.GetName()),
		validate.Size("the value of "+clip(v.GetName(), 128), len(v.GetValue()), validate.MaxConfigValue),
		validate.Name("project", scope.GetProject()),
	}
	if scope.GetWorkspace() != "" {
		errs = append(errs, validate.Workspace(scope.GetWorkspace()))
	}
	if scope.GetLevel() != levelProject || scope.GetApp() != "" || scope.GetLabelSelector() != "" ||
		scope.GetRunner() || scope.GetRunnerId() != "" || v.GetInternal() || v.GetFile() {
		errs = append(errs, invalid("scope", "an input variable is of a project, in all workspaces or in one"))
	}
	return first(errs)
}

// GetConfig reads variables. Their values are for those who could use them anyway (see mayReadValue); others see the
// names. A sensitive value is sent only to those of them who ask for it, and that of an input variable to nobody.
func (s *Configs) GetConfig(ctx context.Context, req *connect.Request[waypointv1.GetConfigRequest]) (*connect.Response[waypointv1.GetConfigResponse], error) {
	in := req.Msg
	if err := checkGetConfig(in); err != nil {
		return nil, err
	}
	p, err := auth.Caller(ctx)
	if err == nil && in.GetReveal() {
		_, err = auth.Require(ctx, auth.ConfigReveal, in.GetProject())
	}
	if err != nil {
		return nil, err
	}
	found, err := s.Configs.Candidates(ctx, in.GetProject(), in.GetApp(), in.GetApp() == "")
	if err != nil {
		return nil, err
	}
	switch {
	case in.GetInput() && in.GetWorkspace() != "":
		found = config.Resolve(found, config.Target{Workspace: in.GetWorkspace(), Input: true}, selector.Matches)
	case in.GetApp() != "":
		found = config.Resolve(found, config.Target{
			Workspace: workspaceOr(in.GetWorkspace()), Labels: withWorkspace(in.GetLabels(), workspaceOr(in.GetWorkspace())), Runner: in.GetRunner(),
		}, selector.Matches)
	}
	found = slices.DeleteFunc(found, func(v config.Variable) bool { return !askedFor(in, v) })
	page, next, err := configPage(found, in.GetPage())
	if err != nil {
		return nil, err
	}
	out := &waypointv1.GetConfigResponse{NextPageToken: next}
	for _, v := range page {
		if mayReadValue(p, v.GetScope()) && (!v.GetSensitive() || in.GetReveal() && !in.GetInput()) {
			if err := config.Open(ctx, s.Sealer, v); err != nil {
				return nil, err
			}
		}
		out.Variables = append(out.Variables, v.ConfigVariable)
	}
	return connect.NewResponse(out), nil
}

// askedFor reports whether a request is about a variable.
func askedFor(in *waypointv1.GetConfigRequest, v config.Variable) bool {
	scope := v.GetScope()
	switch {
	case !strings.HasPrefix(v.GetName(), in.GetPrefix()), scope.GetInput() != in.GetInput(),
		in.GetApp() == "" && scope.GetRunner() != in.GetRunner(),
		in.GetWorkspace() != "" && scope.GetWorkspace() != "" && scope.GetWorkspace() != in.GetWorkspace():
		return false
	}
	return true
}

// mayReadValue reports whether a caller may read the values of a scope. Those of a project are for its deployers, global ones
// for deployers of all projects. Those for runners are for admins, of the project or of all: a deployer of one project
// cannot use them, since they go to runners by the labels of their tokens.
func mayReadValue(p auth.Principal, scope *waypointv1.ConfigScope) bool {
	project, action := scope.GetProject(), auth.ConfigReveal
	if scope.GetLevel() == levelGlobal {
		project = ""
	}
	if scope.GetRunner() {
		action = auth.ConfigRevealRunner
	}
	return p.May(action, project)
}

// configBytesMost bounds an answer with variables. In JSON, a control character of a value takes six bytes: the largest answer
// has 3.8 MB, below MaxMessage, and as base64 5.1 MB, below Lambda's 6 MB.
const configBytesMost = 640 << 10

// configPage returns a page of variables, by name: it ends where it is full, by number (if the request has a page) or by
// bytes. next is the token of the page after it.
func configPage(found []config.Variable, page *waypointv1.Page) (out []config.Variable, next string, err error) {
	after, err := base64.RawURLEncoding.DecodeString(page.GetToken())
	if err != nil {
		return nil, "", invalid("page.token", "the page token does not belong to this list").
			WithHint("Use the next_page_token of the answer before, with the same filters.")
	}
	slices.SortStableFunc(found, func(a, b config.Variable) int { return cmp.Compare(configPlace(a), configPlace(b)) })
	size, most := 0, len(found)
	if page != nil {
		most = validate.PageSize(page.GetSize())
	}
	for _, v := range found {
		if configPlace(v) <= string(after) {
			continue
		}
		if n := len(out); n > 0 && (n >= most || size+v.Size() > configBytesMost) {
			return out, base64.RawURLEncoding.EncodeToString([]byte(configPlace(out[n-1]))), nil
		}
		out, size = append(out, v), size+v.Size()
	}
	return out, "", nil
}

// configPlace orders variables for paging: by name, then by scope.
func configPlace(v config.Variable) string { return v.GetName() + "\x00" + v.Place() }

func checkGetConfig(in *waypointv1.GetConfigRequest) error {
	var errs []error
	if in.GetProject() != "" {
		errs = append(errs, validate.Name("project", in.GetProject()))
	}
	if in.GetApp() != "" {
		errs = append(errs, validate.Name("app", in.GetApp()))
		if in.GetProject() == "" {
			errs = append(errs, invalid("project", "the project of the app is missing"))
		}
	}
	if in.GetInput() {
		errs = append(errs, validate.Name("project", in.GetProject()))
		if in.GetApp() != "" || in.GetRunner() {
			errs = append(errs, invalid("input", "input variables are of a project, not of an app or a runner"))
		}
	}
	if in.GetWorkspace() != "" {
		errs = append(errs, validate.Workspace(in.GetWorkspace()))
	}
	return first(append(errs, validate.Labels("labels", in.GetLabels())))
}

// withWorkspace adds the label that Waypoint gives everything: waypoint/workspace.
func withWorkspace(labels map[string]string, workspace string) map[string]string {
	out := make(map[string]string, len(labels)+1)
	for k, v := range labels {
		out[k] = v
	}
	out["waypoint/workspace"] = workspace
	return out
}
