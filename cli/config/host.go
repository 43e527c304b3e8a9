// Package config has the commands about configuration of apps and runners, and about stored values of input variables.
package config

import (
	"context"
	"time"

	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is the part of the shell that this package uses.
type Host interface {
	records.Host
	scope.Host
	Ago(t time.Time) string
	Env() *shell.Env
	ErrSetting() terminal.Setting
	Flags() *shell.Flags
	ReadClient(ctx context.Context) (*client.Client, error)
	PrintJSON(v any) error
	Progressf(format string, args ...any)
	Workspace() string
	Write(data string)
}
