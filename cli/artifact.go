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

func newCmdArtifact(sh *shell) *cobra.Command {
	return group("artifact", "Build, push and list artifacts",
		newCmdBuild(sh), newCmdArtifactPush(sh), newCmdArtifactList(sh), newCmdArtifactListBuilds(sh))
}

func newCmdArtifactList(sh *shell) *cobra.Command {
	f := &listFlags{}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List pushed artifacts", Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runArtifactList(cmd.Context(), sh, f) },
	}
	f.register(cmd, false)
	return cmd
}

func runArtifactList(ctx context.Context, sh *shell, f *listFlags) error {
	items, err := eachApp(ctx, sh, f, func(c *client.Client, sel *waypointv1.RecordSelector) ([]*waypointv1.Artifact, error) {
		return pages(f.limit, func(p *waypointv1.Page) ([]*waypointv1.Artifact, string, error) {
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
	return showList(sh, f.json, items, "artifacts", metaColumns(terminal.Column{Title: "BUILD", Rank: 1}), func(a *waypointv1.Artifact) []string {
		return sh.metaCells(a.GetMeta(), f, "v"+strconv.FormatInt(a.GetBuildSequence(), 10))
	})
}

func newCmdArtifactListBuilds(sh *shell) *cobra.Command {
	f := &listFlags{}
	cmd := &cobra.Command{
		Use: "list-builds", Short: "List builds", Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runArtifactListBuilds(cmd.Context(), sh, f) },
	}
	f.register(cmd, false)
	return cmd
}

func runArtifactListBuilds(ctx context.Context, sh *shell, f *listFlags) error {
	items, err := eachApp(ctx, sh, f, func(c *client.Client, sel *waypointv1.RecordSelector) ([]*waypointv1.Build, error) {
		return pages(f.limit, func(p *waypointv1.Page) ([]*waypointv1.Build, string, error) {
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
	return showList(sh, f.json, items, "builds", metaColumns(), func(b *waypointv1.Build) []string { return sh.metaCells(b.GetMeta(), f) })
}
