package cli

import (
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

type deployOptions struct {
	operationFlags
	pruneFlags
	release bool
}

// newCmdDeploy is `waypoint deploy`, and `waypoint deployment deploy`.
func newCmdDeploy(sh *shell) *cobra.Command {
	o := &deployOptions{}
	cmd := &cobra.Command{
		Use: "deploy", Short: "Deploy the latest artifact, and release it", Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runDeploy(cmd, sh, o) },
	}
	o.operationFlags.register(cmd)
	o.pruneFlags.register(cmd)
	cmd.Flags().BoolVar(&o.release, "release", true, "release it as well")
	return cmd
}

func runDeploy(cmd *cobra.Command, sh *shell, o *deployOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	next := []string{"`waypoint status`", "`waypoint logs`"}
	if !o.release {
		next = []string{"`waypoint release`"}
	}
	return runOperation(cmd, sh, &o.operationFlags, operation{
		name: "deploy", doing: "Deploying", done: "Deployed", next: next,
		spec: fixed(&waypointv1.Operation{Operation: &waypointv1.Operation_Deploy{
			Deploy: &waypointv1.DeployOp{Release: o.release, Prune: o.message()},
		}}),
	})
}
