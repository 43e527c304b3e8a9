// Package completion has the command completion, and what the Tab key offers for arguments and flags.
package completion

import (
	"context"

	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// Host is what this package needs of the shell.
type Host interface {
	scope.Host
	Asking(ctx context.Context) (*client.Client, context.Context, context.CancelFunc)
	ContextStore() (contexts.Store, error)
	Env() *shell.Env
}
