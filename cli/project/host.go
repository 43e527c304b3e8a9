// Package project has the commands about projects: list and inspect.
package project

import (
	"context"
	"time"

	"github.com/waypoint-serverless/waypoint/cli/completion"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is the part of the shell that this package uses.
type Host interface {
	completion.Host
	records.Host
	scope.Host
	Ago(t time.Time) string
	ReadClient(ctx context.Context) (*client.Client, error)
	OutSetting() terminal.Setting
	PrintJSON(v any) error
	Printf(format string, args ...any)
}
