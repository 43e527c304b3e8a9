package lifecycle

import (
	"context"
	"strconv"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

func newReleaseList(sh Host) *cobra.Command {
	f := &records.Flags{}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List releases", Args: shell.ArgCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runReleaseList(cmd.Context(), sh, f) },
	}
	f.Register(cmd, true)
	return cmd
}

func runReleaseList(ctx context.Context, sh Host, f *records.Flags) error {
	state, err := f.RecordState()
	if err != nil {
		return err
	}
	physical, err := f.PhysicalState()
	if err != nil {
		return err
	}
	items, err := records.EachApp(ctx, sh, f, func(c *client.Client, sel *waypointv1.RecordSelector) ([]*waypointv1.Release, error) {
		return render.Pages(f.Limit, func(p *waypointv1.Page) ([]*waypointv1.Release, string, error) {
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
	cols := records.Columns(terminal.Column{Title: "DEPLOYMENT", Rank: 1}, terminal.Column{Title: "URL", Rank: 1})
	return records.Show(sh, f.JSON, items, "releases", cols, func(r *waypointv1.Release) []string {
		return records.Cells(sh, r.GetMeta(), f, "v"+strconv.FormatInt(r.GetDeploymentSequence(), 10), r.GetUrl())
	})
}
