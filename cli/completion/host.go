// Package completion has the command completion, and completes arguments and flags in the shell.
package completion

import (
	"context"

	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// Host is the part of the shell that this package uses.
type Host interface {
	scope.Host
	CompletionClient(ctx context.Context) (*client.Client, context.Context, context.CancelFunc)
	ContextStore() (contexts.Store, error)
	Env() *shell.Env
}
