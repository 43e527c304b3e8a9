// Package initialize has the command init: it creates a waypoint.hcl and registers the project.
package initialize

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
	CanAsk() bool
	Deps() shell.Deps
	Env() *shell.Env
	ErrSetting() terminal.Setting
	Flags() *shell.Flags
	ReadClient(ctx context.Context) (*client.Client, error)
	PrintJSON(v any) error
	ReadLine() (string, error)
	Progressf(format string, args ...any)
	Server() *shell.Server
}
