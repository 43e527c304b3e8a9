package lifecycle

import (
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/shell"
)

type upOptions struct {
	operation.Flags
	operation.PruneFlags
	force bool
}

// NewUp makes the command up.
func NewUp(sh Host) *cobra.Command {
	o := &upOptions{}
	cmd := &cobra.Command{
		Use: "up", Short: "Build, deploy and release", Args: shell.ArgCount(0, 0),
		Long: `Builds, deploys and releases the apps of the project. Builds and pushes of several apps run at the same time, deploys
and releases in the order of the file; with -parallel everything of several apps runs at the same time.

An app is up to date if the deployment that serves was made of the same artifact, settings, hooks, labels and versions,
and its status, read just now, is ready: it is then neither deployed nor released, which -force does all the same. Only
platforms and releases whose status can be checked are compared.

The operation runs on this machine, from this directory, unless the project is set up to run remotely and a standing
runner is online; --local and --local=false override this.`,
		Example: "  waypoint up\n  waypoint up -app web -var tag=1.2\n  waypoint up --json | tail -1",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runUp(cmd, sh, o) },
	}
	o.Flags.Register(cmd)
	o.PruneFlags.Register(cmd)
	cmd.Flags().BoolVar(&o.force, "force", false, "deploy and release even if the app is up to date")
	return cmd
}

func runUp(cmd *cobra.Command, sh Host, o *upOptions) error {
	if err := o.Check(); err != nil {
		return err
	}
	return operation.Run(cmd, sh, &o.Flags, operation.Operation{
		Name: "up", Doing: "Bringing up", Done: "Brought up", Side: operation.BuildsAtOnce,
		Next: []string{"`waypoint status`", "`waypoint logs`"},
		Spec: operation.Same(&waypointv1.Operation{Operation: &waypointv1.Operation_Up{Up: &waypointv1.UpOp{Prune: o.Message(), Force: o.force}}}),
	})
}
