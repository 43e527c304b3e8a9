package workspace

import (
	"context"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// New makes the command workspace and those below it.
func New(sh Host) *cobra.Command {
	return shell.Group("workspace", "List workspaces", newList(sh))
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
	s, err := scope.Find(sh)
	if err != nil {
		return err
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	got, err := c.Project.GetProject(ctx, connect.NewRequest(&waypointv1.GetProjectRequest{Name: s.Project}))
	if err != nil {
		return err
	}
	current := sh.Workspace()
	cols := []terminal.Column{{Title: ""}, {Title: "WORKSPACE"}, {Title: "FIRST USED", Rank: 2}, {Title: "LAST USED", Rank: 1}}
	return records.Show(sh, asJSON, got.Msg.GetWorkspaces(), "workspaces", cols, func(w *waypointv1.Workspace) []string {
		return []string{render.Mark(w.GetName() == current), w.GetName(), sh.Ago(render.Unix(w.GetFirstUsedUnix())), sh.Ago(render.Unix(w.GetLastUsedUnix()))}
	})
}
