// Package docs has the command docs: the reference of the plugins of this binary.
package docs

import (
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is the part of the shell that this package uses.
type Host interface {
	Deps() shell.Deps
	Env() *shell.Env
	OutSetting() terminal.Setting
	PrintJSON(v any) error
	Printf(format string, args ...any)
	Progressf(format string, args ...any)
	Table(t terminal.Table)
}
