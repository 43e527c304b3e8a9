// Package status has the command status.
package status

import (
	"context"
	"time"

	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/project"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is the part of the shell that this package uses.
type Host interface {
	operation.Host
	project.Host
	scope.Host
	Ago(t time.Time) string
	Env() *shell.Env
	Flags() *shell.Flags
	ReadClient(ctx context.Context) (*client.Client, error)
	PrintJSON(v any) error
	Printf(format string, args ...any)
	Progressf(format string, args ...any)
	Server() *shell.Server
	Table(t terminal.Table)
	Workspace() string
}
