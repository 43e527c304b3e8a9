// Package workspace has the command workspace list.
package workspace

import (
	"context"
	"time"

	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// Host is the part of the shell that this package uses.
type Host interface {
	records.Host
	scope.Host
	Ago(t time.Time) string
	ReadClient(ctx context.Context) (*client.Client, error)
	Workspace() string
}
