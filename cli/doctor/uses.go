package doctor

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/config"
)

// uses says which project uses a program of this machine; "" for none that is known.
type uses struct{ git, docker string }

// needsEngine reports whether a plugin talks to a Docker engine.
func needsEngine(plugin string) bool { return plugin == "docker" || plugin == "docker-pull" }

// gitCall finds the functions of waypoint.hcl that ask git.
var gitCall = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\bgit(refpretty|refhash|reftag|remoteurl)\s*\(`) })

// projectHere reads what the project of this directory uses. A waypoint.hcl that has errors uses what can be read of it.
func projectHere(ctx context.Context, sh Host) (u uses) {
	path, err := config.Find(sh.Env().Dir)
	if err != nil {
		return u
	}
	const here = "the project of this directory"
	if text, err := os.ReadFile(path); err == nil && gitCall().Match(text) {
		u.git = here
	}
	file, diags := config.Load(path)
	if diags.HasErrors() {
		return u
	}
	for _, use := range file.Uses() {
		if needsEngine(use.Plugin) {
			u.docker = here
		}
	}
	in := config.Input{Context: ctx, Pwd: sh.Env().Dir, ProjectDir: filepath.Dir(path), Workspace: sh.Workspace()}
	if p, diags := file.Project(in); !diags.HasErrors() && p.Runner().DataSource != nil && p.Runner().DataSource.Type == "git" {
		u.git = here
	}
	return u
}

// addRegistered adds what the projects that are registered with a local server use: git by their source, Docker by their
// latest deployments. It reads all projects, and of their apps no more than it takes to know.
func (u *uses) addRegistered(ctx context.Context, c *client.Client) {
	projects, err := scope.ListProjects(ctx, c, 0)
	if err != nil {
		return // told by the checks of the server
	}
	for _, p := range projects {
		if u.git == "" && p.GetDataSource().GetGit() != nil {
			u.git = "the project " + p.GetName()
		}
		if u.docker == "" && deployedOnEngine(ctx, c, p.GetName()) {
			u.docker = "the project " + p.GetName()
		}
	}
}

// deployedOnEngine reports whether an app of the project has a deployment in a Docker engine.
func deployedOnEngine(ctx context.Context, c *client.Client, project string) bool {
	got, err := c.Project.GetProject(ctx, connect.NewRequest(&waypointv1.GetProjectRequest{Name: project}))
	if err != nil {
		return false
	}
	for _, app := range got.Msg.GetApps() {
		list, err := c.Deployment.ListDeployments(ctx, connect.NewRequest(&waypointv1.ListDeploymentsRequest{
			Selector: &waypointv1.RecordSelector{Project: project, App: app.GetName()}, Living: true, Page: &waypointv1.Page{Size: 1},
		}))
		if err != nil {
			continue
		}
		for _, d := range list.Msg.GetDeployments() {
			if needsEngine(d.GetMeta().GetPlugin()) {
				return true
			}
		}
	}
	return false
}
