package workspace

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// New makes the command workspace and those below it.
func New(sh Host) *cobra.Command {
	return shell.Group("workspace", "List, inspect and create workspaces", newList(sh), newInspect(sh), newCreate(sh))
}

func newCreate(sh Host) *cobra.Command {
	return &cobra.Command{
		Use: "create NAME", Short: "Check the name of a new workspace", Args: shell.ArgCount(1, 1),
		Long:    "Checks the name and says how to use it. The first operation in a workspace creates it, so there is nothing else to do.",
		Example: "  waypoint workspace create staging",
		RunE: func(_ *cobra.Command, args []string) error {
			if err := validate.Workspace(args[0]); err != nil {
				return err
			}
			sh.Progressf("The workspace %s can be used: the first operation in it creates it, such as `waypoint up -workspace %s`.\n", args[0], args[0])
			return nil
		},
	}
}

func newInspect(sh Host) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "inspect [NAME]", Short: "Show a workspace of the project and what runs in it", Args: shell.ArgCount(0, 1),
		Example: "  waypoint workspace inspect staging",
		RunE: func(cmd *cobra.Command, args []string) error {
			name := sh.Workspace()
			if len(args) > 0 {
				name = args[0]
			}
			return runInspect(cmd.Context(), sh, name, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func runInspect(ctx context.Context, sh Host, name string, asJSON bool) error {
	if err := validate.Workspace(name); err != nil {
		return err
	}
	c, project, err := readProject(ctx, sh)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(project.GetWorkspaces(), func(w *waypointv1.Workspace) bool { return w.GetName() == name })
	if i < 0 {
		return problem.New("WORKSPACE_NOT_FOUND", "the project %s has no workspace %q", project.GetProject().GetName(), name).
			WithHint("`waypoint workspace list` lists those that have been used.")
	}
	w := project.GetWorkspaces()[i]
	apps := map[string]string{}
	var names []string
	for _, a := range project.GetApps() {
		names = append(names, a.GetName())
		if apps[a.GetName()], err = servingVersion(ctx, c, &waypointv1.RecordSelector{Project: project.GetProject().GetName(), App: a.GetName(), Workspace: name}); err != nil {
			return err
		}
	}
	if asJSON {
		object := render.Object(w)
		object["project"], object["serving"] = project.GetProject().GetName(), apps
		return sh.PrintJSON(object)
	}
	facts := [][2]string{
		{"Workspace", name}, {"Project", project.GetProject().GetName()}, {"First used", sh.Ago(render.Unix(w.GetFirstUsedUnix()))}, {"Last used", sh.Ago(render.Unix(w.GetLastUsedUnix()))},
	}
	for _, app := range names {
		facts = append(facts, [2]string{"App " + app, apps[app]})
	}
	sh.NamedValues(facts)
	return nil
}

// servingVersion is the deployment of an app that serves in a workspace, as "v3", or "none".
func servingVersion(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector) (string, error) {
	list, err := c.Deployment.ListDeployments(ctx, connect.NewRequest(&waypointv1.ListDeploymentsRequest{
		Selector: sel, Page: &waypointv1.Page{Size: validate.MaxPage}, PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_CREATED,
	}))
	if err != nil {
		return "", fmt.Errorf("finding the deployments of %s: %w", sel.GetApp(), err)
	}
	d, err := records.Serving(ctx, c, sel, list.Msg.GetDeployments())
	if err != nil {
		return "", err
	}
	if d == nil {
		return "none", nil
	}
	return "v" + strconv.FormatInt(d.GetMeta().GetSequence(), 10), nil
}

func newList(sh Host) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the project's workspaces", Args: shell.ArgCount(0, 0),
		Long: "Lists the workspaces that have been used. The first operation in a workspace creates it.",
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), sh, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func runList(ctx context.Context, sh Host, asJSON bool) error {
	_, project, err := readProject(ctx, sh)
	if err != nil {
		return err
	}
	current := sh.Workspace()
	cols := []terminal.Column{{Title: ""}, {Title: "WORKSPACE"}, {Title: "FIRST USED", Rank: 2}, {Title: "LAST USED", Rank: 1}}
	return records.Show(sh, asJSON, project.GetWorkspaces(), "workspaces", cols, func(w *waypointv1.Workspace) []string {
		return []string{render.Mark(w.GetName() == current), w.GetName(), sh.Ago(render.Unix(w.GetFirstUsedUnix())), sh.Ago(render.Unix(w.GetLastUsedUnix()))}
	})
}

// readProject reads the project that is meant, with its apps and workspaces.
func readProject(ctx context.Context, sh Host) (*client.Client, *waypointv1.GetProjectResponse, error) {
	s, err := scope.Find(sh)
	if err != nil {
		return nil, nil, err
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return nil, nil, err
	}
	got, err := c.Project.GetProject(ctx, connect.NewRequest(&waypointv1.GetProjectRequest{Name: s.Project}))
	if err != nil {
		return nil, nil, err
	}
	return c, got.Msg, nil
}
