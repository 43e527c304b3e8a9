package builtin

import (
	"context"
	"errors"

	"github.com/waypoint-serverless/waypoint/runner/plugin/docker"
	"github.com/waypoint-serverless/waypoint/runner/plugin/process"
)

// Purge ends everything that plugins run on this machine and know by the state directory. It is for the end of an
// installation.
func Purge(ctx context.Context, stateDir string) error {
	return errors.Join(process.Purge(ctx, stateDir), docker.Purge(ctx, stateDir))
}
