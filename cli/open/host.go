// Package open has the command open.
package open

import (
	"context"

	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// Host is the part of the shell that this package uses.
type Host interface {
	scope.Host
	Env() *shell.Env
	ReadClient(ctx context.Context) (*client.Client, error)
	PrintJSON(v any) error
	Printf(format string, args ...any)
	Progressf(format string, args ...any)
}
