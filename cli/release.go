package cli

import (
	"context"

	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

type releaseOptions struct {
	operationFlags
	pruneFlags
	deployment string
	repeat     bool
}

// newCmdRelease is `waypoint release`; `waypoint release list` is below it.
func newCmdRelease(sh *shell) *cobra.Command {
	o := &releaseOptions{}
	cmd := &cobra.Command{
		Use: "release", Short: "Release the latest deployment, or list releases", Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runRelease(cmd, sh, o) },
	}
	o.operationFlags.register(cmd)
	o.pruneFlags.register(cmd)
	cmd.Flags().StringVarP(&o.deployment, "deployment", "d", "", "deployment to release, by number or id")
	cmd.Flags().BoolVar(&o.repeat, "repeat", false, "release again even if it is the released one")
	cmd.AddCommand(newCmdReleaseList(sh))
	return cmd
}

func runRelease(cmd *cobra.Command, sh *shell, o *releaseOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	return runOperation(cmd, sh, &o.operationFlags, operation{
		name: "release", doing: "Releasing", done: "Released", oneApp: o.deployment != "",
		next: []string{"`waypoint status`", "`waypoint logs`"},
		spec: func(ctx context.Context, c *client.Client, project, app string) (*waypointv1.Operation, error) {
			id, err := deploymentID(ctx, c, project, app, o.deployment)
			if err != nil {
				return nil, err
			}
			return &waypointv1.Operation{Operation: &waypointv1.Operation_Release{
				Release: &waypointv1.ReleaseOp{DeploymentId: id, Prune: o.message(), Repeat: o.repeat},
			}}, nil
		},
	})
}
