package builtin

import (
	"context"
	"errors"

	"github.com/waypoint-serverless/waypoint/runner/plugins/docker"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process"
)

// Purge ends everything that plugins run on this machine and know by the state directory, and names what had to stay
// because others use it. It is for the end of an installation.
func Purge(ctx context.Context, stateDir string) (left []string, err error) {
	left, err = docker.Purge(ctx, stateDir)
	return left, errors.Join(process.Purge(ctx, stateDir), err)
}
