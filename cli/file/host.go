// Package file has the commands about waypoint.hcl itself: fmt, validate and plan. They work without a server; plan compares
// with what serves if one answers, and starts none.
package file

import (
	"time"

	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is the part of the shell that this package uses.
type Host interface {
	operation.Host
	scope.Host
	Ago(t time.Time) string
	ChosenServer() (*shell.Server, error)
	Deps() shell.Deps
	Env() *shell.Env
	ErrSetting() terminal.Setting
	Flags() *shell.Flags
	OutSetting() terminal.Setting
	PrintJSON(v any) error
	Printf(format string, args ...any)
	Progressf(format string, args ...any)
	Table(t terminal.Table)
	Workspace() string
	Write(data string)
}
