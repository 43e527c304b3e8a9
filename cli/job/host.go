// Package job has the commands about jobs: list, inspect, cancel and get-stream.
package job

import (
	"context"
	"time"

	"github.com/waypoint-serverless/waypoint/cli/completion"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is the part of the shell that this package uses.
type Host interface {
	completion.Host
	operation.Host
	records.Host
	scope.Host
	Ago(t time.Time) string
	Flags() *shell.Flags
	ReadClient(ctx context.Context) (*client.Client, error)
	OutSetting() terminal.Setting
	PrintJSON(v any) error
	NamedValues(pairs [][2]string)
	Printf(format string, args ...any)
	Progressf(format string, args ...any)
	Table(t terminal.Table)
	When(ms int64) string
	Workspace() string
}
