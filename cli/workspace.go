package cli

import (
	"context"
	"maps"
	"slices"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

func newCmdWorkspace(sh *shell) *cobra.Command {
	return group("workspace", "List workspaces", newCmdWorkspaceList(sh))
}

func newCmdWorkspaceList(sh *shell) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the project's workspaces", Args: argCount(0, 0),
		Long: "Lists the workspaces in which something was done. A workspace comes into being with the first operation in it.",
		RunE: func(cmd *cobra.Command, _ []string) error { return runWorkspaceList(cmd.Context(), sh, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func runWorkspaceList(ctx context.Context, sh *shell, asJSON bool) error {
	s, err := sh.findScope()
	if err != nil {
		return err
	}
	c, err := sh.look(ctx)
	if err != nil {
		return err
	}
	got, err := c.Project.GetProject(ctx, connect.NewRequest(&waypointv1.GetProjectRequest{Name: s.project}))
	if err != nil {
		return err
	}
	current := sh.workspace()
	cols := []terminal.Column{{Title: ""}, {Title: "WORKSPACE"}, {Title: "FIRST USED", Rank: 2}, {Title: "LAST USED", Rank: 1}}
	return showList(sh, asJSON, got.Msg.GetWorkspaces(), "workspaces", cols, func(w *waypointv1.Workspace) []string {
		return []string{mark(w.GetName() == current), w.GetName(), sh.ago(unix(w.GetFirstUsedUnix())), sh.ago(unix(w.GetLastUsedUnix()))}
	})
}

// mark shows the current one of a list.
func mark(current bool) string {
	if current {
		return "*"
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
