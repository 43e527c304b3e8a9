// Package scope finds the project, apps and workspace that a command works on: the nearest waypoint.hcl, or what flags
// name. It asks the server only for what the file does not say, and changes nothing.
package scope

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is the part of the shell that this package uses.
type Host interface {
	Context() context.Context
	Env() *shell.Env
	ErrSetting() terminal.Setting
	Flags() *shell.Flags
	Warnf(format string, args ...any)
	Workspace() string
}

// Scope is the project that a command works on.
type Scope struct {
	Project string
	// file and local are the waypoint.hcl of this directory; nil when the project was only named.
	File  *config.File
	Local *config.Project
	// dir holds the waypoint.hcl.
	Dir string
}

// Foreign reports that this directory is not the project's source.
func (s *Scope) Foreign() bool { return s.Local == nil }

// Find finds the project: -p, else the nearest waypoint.hcl upward. If both are there and differ, the file is
// ignored, with a warning.
func Find(sh Host) (*Scope, error) {
	path, err := config.Find(sh.Env().Dir)
	if errors.Is(err, config.ErrNoFile) {
		if sh.Flags().Project == "" {
			return nil, problem.New("NO_PROJECT", "no waypoint.hcl in this directory or its parents").
				WithHint("Change to a project's directory, name a project with -project, or create a waypoint.hcl with `waypoint init`.")
		}
		return namedScope(sh)
	}
	if err != nil {
		return nil, err
	}
	file, diags := config.Load(path)
	diags = file.Relax(diags, Input(sh, filepath.Dir(path)))
	var local *config.Project
	if !diags.HasErrors() {
		var more hcl.Diagnostics
		local, more = file.Project(Input(sh, filepath.Dir(path)))
		diags = append(diags, more...)
	}
	if diags.HasErrors() {
		if sh.Flags().Project != "" {
			sh.Warnf("%s has errors and is ignored, because -project was given.", path)
			return namedScope(sh)
		}
		return nil, problem.InFile(file, diags)
	}
	if p := sh.Flags().Project; p != "" && p != local.Name {
		sh.Warnf("%s belongs to the project %q and is ignored, because -project names %q.", path, local.Name, p)
		return namedScope(sh)
	}
	if len(diags) > 0 { // warnings
		config.Render(sh.Env().Err, file, diags, sh.ErrSetting().Color())
	}
	return &Scope{Project: local.Name, File: file, Local: local, Dir: filepath.Dir(path)}, nil
}

func namedScope(sh Host) (*Scope, error) {
	return &Scope{Project: sh.Flags().Project}, validate.Name("project", sh.Flags().Project)
}

// Input returns what is required to evaluate a waypoint.hcl in dir.
func Input(sh Host, dir string) config.Input {
	return config.Input{Context: sh.Context(), Pwd: sh.Env().Dir, ProjectDir: dir, Workspace: sh.Workspace()}
}

// CheckWorkspace rejects a workspace name that every server would reject.
func CheckWorkspace(sh Host) error { return validate.Workspace(sh.Workspace()) }

// LocalApps names the apps of the waypoint.hcl.
func (s *Scope) LocalApps() []string {
	if s.Local == nil {
		return nil
	}
	names := make([]string, len(s.Local.Apps))
	for i, a := range s.Local.Apps {
		names[i] = a.Name
	}
	return names
}

// PickApps selects apps: the one of -app, else those of the waypoint.hcl, else those that the server has.
func PickApps(flag string, local, known []string) ([]string, error) {
	all := local
	if len(all) == 0 {
		all = known
	}
	if flag == "" {
		if len(all) == 0 {
			return nil, problem.New("NO_APP", "the project has no apps").WithHint("Declare one in waypoint.hcl and run `waypoint init`.")
		}
		return all, nil
	}
	if slices.Contains(all, flag) || slices.Contains(known, flag) {
		return []string{flag}, nil
	}
	return nil, problem.New(fault.AppNotFound, "the project has no app %q", flag).
		WithHint("Its apps: %s.", render.OrNone(all))
}

// Apps returns the apps to work on. It asks the server only if there is no waypoint.hcl.
func Apps(ctx context.Context, sh Host, c *client.Client, s *Scope) ([]string, error) {
	local := s.LocalApps()
	if len(local) > 0 && (sh.Flags().App == "" || slices.Contains(local, sh.Flags().App)) {
		return PickApps(sh.Flags().App, local, nil)
	}
	got, err := c.Project.GetProject(ctx, connect.NewRequest(&waypointv1.GetProjectRequest{Name: s.Project}))
	if err != nil {
		return nil, fmt.Errorf("reading the project: %w", err)
	}
	return PickApps(sh.Flags().App, local, AppNames(got.Msg.GetApps()))
}

// OneApp returns the app for commands that work on exactly one.
func OneApp(ctx context.Context, sh Host, c *client.Client, s *Scope) (string, error) {
	apps, err := Apps(ctx, sh, c, s)
	if err != nil {
		return "", err
	}
	if len(apps) != 1 {
		return "", problem.New("APP_NEEDED", "the project has several apps, and this command works on exactly one").
			WithHint("Name it with -app: %s.", strings.Join(apps, ", "))
	}
	return apps[0], nil
}

// AppNames are the names of apps, sorted.
func AppNames(apps []*waypointv1.App) []string {
	names := make([]string, len(apps))
	for i, a := range apps {
		names[i] = a.GetName()
	}
	slices.Sort(names)
	return names
}

// ListProjects lists projects, page by page, until limit (0: all).
func ListProjects(ctx context.Context, c *client.Client, limit int) ([]*waypointv1.Project, error) {
	return render.Pages(limit, func(p *waypointv1.Page) ([]*waypointv1.Project, string, error) {
		res, err := c.Project.ListProjects(ctx, connect.NewRequest(&waypointv1.ListProjectsRequest{Page: p}))
		if err != nil {
			return nil, "", fmt.Errorf("listing projects: %w", err)
		}
		return res.Msg.GetProjects(), res.Msg.GetNextPageToken(), nil
	})
}
