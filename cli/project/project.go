package project

import (
	"context"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/completion"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// New makes the command project and those below it.
func New(sh Host) *cobra.Command {
	return shell.Group("project", "List, inspect and destroy projects", newList(sh), newInspect(sh), newDestroy(sh))
}

func newList(sh Host) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List projects", Args: shell.ArgCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), sh, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func runList(ctx context.Context, sh Host, asJSON bool) error {
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	projects, err := scope.ListProjects(ctx, c, 0)
	if err != nil {
		return err
	}
	return ShowProjects(sh, projects, asJSON)
}

// ShowProjects prints projects as a table or as JSON.
func ShowProjects(sh Host, projects []*waypointv1.Project, asJSON bool) error {
	cols := []terminal.Column{{Title: "PROJECT"}, {Title: "RUNS"}, {Title: "SOURCE", Rank: 1}, {Title: "UPDATED", Rank: 2}}
	return records.Show(sh, asJSON, projects, "projects", cols, func(p *waypointv1.Project) []string {
		return []string{p.GetName(), render.WhereRuns(p), render.SourceText(p.GetDataSource()), sh.Ago(render.Unix(max(p.GetUpdatedUnix(), p.GetCreatedUnix())))}
	})
}

func newInspect(sh Host) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "inspect [NAME]", Short: "Show one project", Args: shell.ArgCount(0, 1), ValidArgsFunction: completion.Projects(sh),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runInspect(cmd.Context(), sh, asJSON, args)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runInspect(ctx context.Context, sh Host, asJSON bool, args []string) error {
	name := ""
	if len(args) > 0 {
		name = args[0]
	} else {
		s, err := scope.Find(sh)
		if err != nil {
			return err
		}
		name = s.Project
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	got, err := c.Project.GetProject(ctx, connect.NewRequest(&waypointv1.GetProjectRequest{Name: name}))
	if err != nil {
		return err
	}
	if asJSON {
		o := render.Object(got.Msg.GetProject())
		o["apps"], o["workspaces"] = render.List(got.Msg.GetApps()), render.List(got.Msg.GetWorkspaces())
		return sh.PrintJSON(o)
	}
	p := got.Msg.GetProject()
	var workspaces []string
	for _, w := range got.Msg.GetWorkspaces() {
		workspaces = append(workspaces, w.GetName())
	}
	facts := [][2]string{
		{"Project", p.GetName()}, {"Apps", render.OrNone(scope.AppNames(got.Msg.GetApps()))}, {"Workspaces", render.OrNone(workspaces)},
		{"Runs", render.WhereRuns(p)}, {"Source", render.SourceText(p.GetDataSource())}, {"Labels", render.LabelText(p.GetLabels())},
		{"Created", sh.Ago(render.Unix(p.GetCreatedUnix()))},
	}
	sh.NamedValues(facts)
	return nil
}
