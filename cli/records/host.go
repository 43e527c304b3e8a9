// Package records lists what operations made: the flags, columns and pages that artifacts, deployments and releases
// share.
package records

import (
	"context"
	"time"

	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is the part of the shell that this package uses.
type Host interface {
	scope.Host
	Ago(t time.Time) string
	ReadClient(ctx context.Context) (*client.Client, error)
	PrintJSON(v any) error
	Progressf(format string, args ...any)
	Table(t terminal.Table)
	Workspace() string
}
