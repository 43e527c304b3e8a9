package operation

import (
	"context"

	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// ApproveFlags skip the confirmation of destructive commands.
type ApproveFlags struct{ auto, yes bool }

// Register adds the flags.
func (f *ApproveFlags) Register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.auto, "auto-approve", false, "do not ask for confirmation")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask for confirmation")
}

// Given reports whether the confirmation is skipped.
func (f *ApproveFlags) Given() bool { return f.auto || f.yes }

// PruneFlags decide what happens to older deployments.
type PruneFlags struct {
	prune  bool
	retain int32
}

// Register adds the flags.
func (f *PruneFlags) Register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.prune, "prune", true, "destroy older deployments that are not released")
	cmd.Flags().Int32Var(&f.retain, "prune-retain", -1, "how many unreleased deployments to keep; -1: the default (one), 0: none")
}

// Message returns the flags as the contract's message.
func (f *PruneFlags) Message() *waypointv1.Prune {
	return &waypointv1.Prune{Enabled: f.prune, Retain: f.retain}
}

// Check rejects invalid values.
func (f *PruneFlags) Check() error {
	if f.retain < -1 {
		return problem.New("USAGE", "invalid -prune-retain %d: use 0 or more, or -1 for the default", f.retain)
	}
	return nil
}

// Same returns a spec function that makes the same operation for each app.
func Same(op *waypointv1.Operation) func(context.Context, *client.Client, string, string) (*waypointv1.Operation, error) {
	return func(context.Context, *client.Client, string, string) (*waypointv1.Operation, error) { return op, nil }
}
