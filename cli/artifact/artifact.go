package artifact

import (
	"context"
	"strconv"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/lifecycle"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// New makes the command artifact.
func New(sh Host) *cobra.Command {
	return shell.Group("artifact", "Build, push and list artifacts",
		lifecycle.NewBuild(sh), lifecycle.NewPush(sh), newList(sh), newListBuilds(sh))
}

func newList(sh Host) *cobra.Command {
	f := &records.Flags{}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List pushed artifacts", Args: shell.ArgCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), sh, f) },
	}
	f.Register(cmd, false)
	return cmd
}

func runList(ctx context.Context, sh Host, f *records.Flags) error {
	items, err := records.EachApp(ctx, sh, f, func(c *client.Client, sel *waypointv1.RecordSelector) ([]*waypointv1.Artifact, error) {
		return render.Pages(f.Limit, func(p *waypointv1.Page) ([]*waypointv1.Artifact, string, error) {
			res, err := c.Artifact.ListArtifacts(ctx, connect.NewRequest(&waypointv1.ListArtifactsRequest{Selector: sel, Page: p}))
			if err != nil {
				return nil, "", err
			}
			return res.Msg.GetArtifacts(), res.Msg.GetNextPageToken(), nil
		})
	})
	if err != nil {
		return err
	}
	return records.Show(sh, f.JSON, items, "artifacts", records.Columns(terminal.Column{Title: "BUILD", Rank: 1}), func(a *waypointv1.Artifact) []string {
		return records.Cells(sh, a.GetMeta(), f, "v"+strconv.FormatInt(a.GetBuildSequence(), 10))
	})
}

func newListBuilds(sh Host) *cobra.Command {
	f := &records.Flags{}
	cmd := &cobra.Command{
		Use: "list-builds", Short: "List builds", Args: shell.ArgCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runListBuilds(cmd.Context(), sh, f) },
	}
	f.Register(cmd, false)
	return cmd
}

func runListBuilds(ctx context.Context, sh Host, f *records.Flags) error {
	items, err := records.EachApp(ctx, sh, f, func(c *client.Client, sel *waypointv1.RecordSelector) ([]*waypointv1.Build, error) {
		return render.Pages(f.Limit, func(p *waypointv1.Page) ([]*waypointv1.Build, string, error) {
			res, err := c.Build.ListBuilds(ctx, connect.NewRequest(&waypointv1.ListBuildsRequest{Selector: sel, Page: p}))
			if err != nil {
				return nil, "", err
			}
			return res.Msg.GetBuilds(), res.Msg.GetNextPageToken(), nil
		})
	})
	if err != nil {
		return err
	}
	return records.Show(sh, f.JSON, items, "builds", records.Columns(), func(b *waypointv1.Build) []string { return records.Cells(sh, b.GetMeta(), f) })
}
