// Package logs has the command logs.
package logs

import (
	"context"

	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is the part of the shell that this package uses.
type Host interface {
	scope.Host
	Deps() shell.Deps
	Env() *shell.Env
	ReadClient(ctx context.Context) (*client.Client, error)
	OutSetting() terminal.Setting
	Printf(format string, args ...any)
	Progressf(format string, args ...any)
	Workspace() string
	WriteError() error
}
