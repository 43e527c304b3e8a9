package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/config"
)

// scope is the project that a command works on.
type scope struct {
	project string
	// file and local are the waypoint.hcl of this directory; nil when the project was only named.
	file  *config.File
	local *config.Project
	// dir holds the waypoint.hcl.
	dir string
}

// foreign says that there is no local source for the project.
func (s *scope) foreign() bool { return s.local == nil }

// hclError shows diagnostics with their source.
type hclError struct {
	file  *config.File
	diags hcl.Diagnostics
}

func (e *hclError) Error() string                  { return e.diags.Error() }
func (e *hclError) render(w io.Writer, color bool) { config.Render(w, e.file, e.diags, color) }
func asError(f *config.File, d hcl.Diagnostics) error {
	if d.HasErrors() {
		return &hclError{file: f, diags: d}
	}
	return nil
}

// findScope finds the project: -p, else the nearest waypoint.hcl upward. If both are there and differ, the file is
// ignored, with a warning.
func (sh *shell) findScope() (*scope, error) {
	path, err := config.Find(sh.env.Dir)
	if errors.Is(err, config.ErrNoFile) {
		if sh.flags.project == "" {
			return nil, problem("NO_PROJECT", "there is no waypoint.hcl in this directory or its parents").
				withHint("Change to a project's directory, name one with -project, or make a waypoint.hcl with `waypoint init`.")
		}
		return sh.namedScope()
	}
	if err != nil {
		return nil, err
	}
	file, diags := config.Load(path)
	var local *config.Project
	if !diags.HasErrors() {
		var more hcl.Diagnostics
		local, more = file.Project(sh.hclInput(filepath.Dir(path)))
		diags = append(diags, more...)
	}
	if diags.HasErrors() {
		if sh.flags.project != "" {
			sh.warnf("%s has errors and is ignored, because -project was given.", path)
			return sh.namedScope()
		}
		return nil, asError(file, diags)
	}
	if p := sh.flags.project; p != "" && p != local.Name {
		sh.warnf("%s is of the project %q and is ignored, because -project names %q.", path, local.Name, p)
		return sh.namedScope()
	}
	if len(diags) > 0 { // warnings
		config.Render(sh.env.Err, file, diags, sh.errSetting().Color())
	}
	return &scope{project: local.Name, file: file, local: local, dir: filepath.Dir(path)}, nil
}

func (sh *shell) namedScope() (*scope, error) {
	return &scope{project: sh.flags.project}, validate.Name("project", sh.flags.project)
}

func (sh *shell) hclInput(dir string) config.Input {
	return config.Input{Context: sh.context(), Pwd: sh.env.Dir, ProjectDir: dir, Workspace: sh.workspace()}
}

// checkWorkspace refuses a workspace name that no server would take.
func (sh *shell) checkWorkspace() error { return validate.Workspace(sh.workspace()) }

// localApps names the apps of the waypoint.hcl.
func (s *scope) localApps() []string {
	if s.local == nil {
		return nil
	}
	names := make([]string, len(s.local.Apps))
	for i, a := range s.local.Apps {
		names[i] = a.Name
	}
	return names
}

// pickApps chooses: the one of -app; all of the waypoint.hcl; all that the server knows.
func pickApps(flag string, local, known []string) ([]string, error) {
	all := local
	if len(all) == 0 {
		all = known
	}
	if flag == "" {
		if len(all) == 0 {
			return nil, problem("NO_APP", "the project has no apps").withHint("Declare one in waypoint.hcl and run `waypoint init`.")
		}
		return all, nil
	}
	if slices.Contains(all, flag) || slices.Contains(known, flag) {
		return []string{flag}, nil
	}
	return nil, problem(fault.AppNotFound, "the project has no app %q", flag).
		withHint("Its apps: %s.", orNone(all))
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// apps gives the apps to work on, asking the server only if the waypoint.hcl does not say.
func (sh *shell) apps(ctx context.Context, c *client.Client, s *scope) ([]string, error) {
	local := s.localApps()
	if len(local) > 0 && (sh.flags.app == "" || slices.Contains(local, sh.flags.app)) {
		return pickApps(sh.flags.app, local, nil)
	}
	got, err := c.Project.GetProject(ctx, connect.NewRequest(&waypointv1.GetProjectRequest{Name: s.project}))
	if err != nil {
		return nil, fmt.Errorf("reading the project: %w", err)
	}
	return pickApps(sh.flags.app, local, appNames(got.Msg.GetApps()))
}

// oneApp is apps for commands that work on exactly one.
func (sh *shell) oneApp(ctx context.Context, c *client.Client, s *scope) (string, error) {
	apps, err := sh.apps(ctx, c, s)
	if err != nil {
		return "", err
	}
	if len(apps) != 1 {
		return "", problem("APP_NEEDED", "the project has several apps, and this works on one").
			withHint("Name it with -app: %s.", strings.Join(apps, ", "))
	}
	return apps[0], nil
}

func appNames(apps []*waypointv1.App) []string {
	names := make([]string, len(apps))
	for i, a := range apps {
		names[i] = a.GetName()
	}
	slices.Sort(names)
	return names
}
