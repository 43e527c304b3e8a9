package operation

import (
	"context"

	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// ApproveFlags skip the question of destructive commands.
type ApproveFlags struct{ auto, yes bool }

// Register adds the flags.
func (f *ApproveFlags) Register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.auto, "auto-approve", false, "do not ask")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
}

// Given reports whether the question is skipped.
func (f *ApproveFlags) Given() bool { return f.auto || f.yes }

// PruneFlags say what becomes of older deployments.
type PruneFlags struct {
	prune  bool
	retain int32
}

// Register adds the flags.
func (f *PruneFlags) Register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.prune, "prune", true, "destroy older deployments that are not released")
	cmd.Flags().Int32Var(&f.retain, "prune-retain", -1, "how many unreleased deployments stay; -1: one, 0: none")
}

// Message is what the flags say in the contract.
func (f *PruneFlags) Message() *waypointv1.Prune {
	return &waypointv1.Prune{Enabled: f.prune, Retain: f.retain}
}

// Check refuses values that mean nothing.
func (f *PruneFlags) Check() error {
	if f.retain < -1 {
		return problem.New("USAGE", "-prune-retain %d: a number from 0 on is wanted, or -1 for the default", f.retain)
	}
	return nil
}

// Same is a spec that is the same for each app.
func Same(op *waypointv1.Operation) func(context.Context, *client.Client, string, string) (*waypointv1.Operation, error) {
	return func(context.Context, *client.Client, string, string) (*waypointv1.Operation, error) { return op, nil }
}
