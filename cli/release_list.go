package cli

import (
	"context"
	"strconv"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

func newCmdReleaseList(sh *shell) *cobra.Command {
	f := &listFlags{}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List releases", Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runReleaseList(cmd.Context(), sh, f) },
	}
	f.register(cmd, true)
	return cmd
}

func runReleaseList(ctx context.Context, sh *shell, f *listFlags) error {
	state, err := f.recordState()
	if err != nil {
		return err
	}
	physical, err := f.physicalState()
	if err != nil {
		return err
	}
	items, err := eachApp(ctx, sh, f, func(c *client.Client, sel *waypointv1.RecordSelector) ([]*waypointv1.Release, error) {
		return pages(f.limit, func(p *waypointv1.Page) ([]*waypointv1.Release, string, error) {
			res, err := c.Release.ListReleases(ctx, connect.NewRequest(&waypointv1.ListReleasesRequest{
				Selector: sel, Page: p, State: state, PhysicalState: physical,
			}))
			if err != nil {
				return nil, "", err
			}
			return res.Msg.GetReleases(), res.Msg.GetNextPageToken(), nil
		})
	})
	if err != nil {
		return err
	}
	cols := metaColumns(terminal.Column{Title: "DEPLOYMENT", Rank: 1}, terminal.Column{Title: "URL", Rank: 1})
	return showList(sh, f.json, items, "releases", cols, func(r *waypointv1.Release) []string {
		return sh.metaCells(r.GetMeta(), f, "v"+strconv.FormatInt(r.GetDeploymentSequence(), 10), r.GetUrl())
	})
}
