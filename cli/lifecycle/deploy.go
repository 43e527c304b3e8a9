package lifecycle

import (
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/shell"
)

type deployOptions struct {
	operation.Flags
	operation.PruneFlags
	release bool
}

// NewDeploy makes the command deploy, which is also `waypoint deployment deploy`.
func NewDeploy(sh Host) *cobra.Command {
	o := &deployOptions{}
	cmd := &cobra.Command{
		Use: "deploy", Short: "Deploy and release the latest artifact", Args: shell.ArgCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runDeploy(cmd, sh, o) },
	}
	o.Flags.Register(cmd)
	o.PruneFlags.Register(cmd)
	cmd.Flags().BoolVar(&o.release, "release", true, "release it as well")
	return cmd
}

func runDeploy(cmd *cobra.Command, sh Host, o *deployOptions) error {
	if err := o.Check(); err != nil {
		return err
	}
	next := []string{"`waypoint status`", "`waypoint logs`"}
	if !o.release {
		next = []string{"`waypoint release`"}
	}
	return operation.Run(cmd, sh, &o.Flags, operation.Operation{
		Name: "deploy", Doing: "Deploying", Done: "Deployed", Next: next,
		Spec: operation.Same(&waypointv1.Operation{Operation: &waypointv1.Operation_Deploy{
			Deploy: &waypointv1.DeployOp{Release: o.release, Prune: o.Message()},
		}}),
	})
}
