package builtin

import (
	"context"
	"log/slog"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process"
)

// Restore brings back what plugins run on this machine and what does not run any more, after a reboot say: apps of the
// process plugin and stable ports. Containers are brought back by their engine.
func Restore(ctx context.Context, stateDir string, sealer plugin.Sealer, log *slog.Logger) error {
	return process.Restore(ctx, process.Options{}, stateDir, sealer, log)
}
