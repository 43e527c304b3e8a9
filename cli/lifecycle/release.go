package lifecycle

import (
	"context"

	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

type releaseOptions struct {
	operation.Flags
	operation.PruneFlags
	deployment string
	repeat     bool
}

// NewRelease makes the command release, and release list below it.
func NewRelease(sh Host) *cobra.Command {
	o := &releaseOptions{}
	cmd := &cobra.Command{
		Use: "release", Short: "Release the latest deployment, or list releases", Args: shell.ArgCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runRelease(cmd, sh, o) },
	}
	o.Flags.Register(cmd)
	o.PruneFlags.Register(cmd)
	cmd.Flags().StringVarP(&o.deployment, "deployment", "d", "", "deployment to release, by number or id")
	cmd.Flags().BoolVar(&o.repeat, "repeat", false, "release it even if it is already released")
	cmd.AddCommand(newReleaseList(sh))
	return cmd
}

func runRelease(cmd *cobra.Command, sh Host, o *releaseOptions) error {
	if err := o.Check(); err != nil {
		return err
	}
	return operation.Run(cmd, sh, &o.Flags, operation.Operation{
		Name: "release", Doing: "Releasing", Done: "Released", OneApp: o.deployment != "",
		Next: []string{"`waypoint status`", "`waypoint logs`"},
		Spec: func(ctx context.Context, c *client.Client, project, app string) (*waypointv1.Operation, error) {
			id, err := records.DeploymentID(ctx, c, project, app, o.deployment)
			if err != nil {
				return nil, err
			}
			return &waypointv1.Operation{Operation: &waypointv1.Operation_Release{
				Release: &waypointv1.ReleaseOp{DeploymentId: id, Prune: o.Message(), Repeat: o.repeat},
			}}, nil
		},
	})
}
