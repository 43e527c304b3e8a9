package cli

import (
	"context"

	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

type upOptions struct {
	operationFlags
	pruneFlags
}

// pruneFlags say what becomes of older deployments.
type pruneFlags struct {
	prune  bool
	retain int32
}

func (f *pruneFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.prune, "prune", true, "destroy older deployments that are not released")
	cmd.Flags().Int32Var(&f.retain, "prune-retain", -1, "how many unreleased deployments stay; -1: one, 0: none")
}

func (f *pruneFlags) message() *waypointv1.Prune {
	return &waypointv1.Prune{Enabled: f.prune, Retain: f.retain}
}

func (f *pruneFlags) check() error {
	if f.retain < -1 {
		return problem("USAGE", "-prune-retain %d: a number from 0 on is wanted, or -1 for the default", f.retain)
	}
	return nil
}

func newCmdUp(sh *shell) *cobra.Command {
	o := &upOptions{}
	cmd := &cobra.Command{
		Use: "up", Short: "Build, deploy and release", Args: argCount(0, 0),
		Long: `Builds, deploys and releases each app of the project in turn.

The operation runs here, from this directory, unless the project is set up to run remotely and a standing
runner is online; --local and --local=false decide otherwise.`,
		Example: "  waypoint up\n  waypoint up -app web -var tag=1.2\n  waypoint up --json | tail -1",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runUp(cmd, sh, o) },
	}
	o.operationFlags.register(cmd)
	o.pruneFlags.register(cmd)
	return cmd
}

func runUp(cmd *cobra.Command, sh *shell, o *upOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	return runOperation(cmd, sh, &o.operationFlags, operation{
		name: "up", doing: "Bringing up", done: "Brought up",
		next: []string{"`waypoint status`", "`waypoint logs`"},
		spec: fixed(&waypointv1.Operation{Operation: &waypointv1.Operation_Up{Up: &waypointv1.UpOp{Prune: o.message()}}}),
	})
}

// fixed is a spec that is the same for each app.
func fixed(op *waypointv1.Operation) func(context.Context, *client.Client, string, string) (*waypointv1.Operation, error) {
	return func(context.Context, *client.Client, string, string) (*waypointv1.Operation, error) { return op, nil }
}
