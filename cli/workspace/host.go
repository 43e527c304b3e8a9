// Package workspace has the commands about workspaces: list, inspect, create.
package workspace

import (
	"context"
	"time"

	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is the part of the shell that this package uses.
type Host interface {
	records.Host
	scope.Host
	Ago(t time.Time) string
	ReadClient(ctx context.Context) (*client.Client, error)
	OutSetting() terminal.Setting
	PrintJSON(v any) error
	NamedValues(pairs [][2]string)
	Printf(format string, args ...any)
	Progressf(format string, args ...any)
	Workspace() string
}
