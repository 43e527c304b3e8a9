// Package initialize has the command init: it begins a waypoint.hcl and registers the project.
package initialize

import (
	"context"

	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is what this package needs of the shell.
type Host interface {
	scope.Host
	CanAsk() bool
	Deps() shell.Deps
	Env() *shell.Env
	ErrSetting() terminal.Setting
	Flags() *shell.Flags
	Look(ctx context.Context) (*client.Client, error)
	PrintJSON(v any) error
	ReadLine() (string, error)
	Sayf(format string, args ...any)
	Server() *shell.Server
}
