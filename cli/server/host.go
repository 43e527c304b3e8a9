// Package server has the commands about the local server: run it in the foreground, show its engines.
package server

import (
	"log/slog"

	"github.com/waypoint-serverless/waypoint/cli/install"
	"github.com/waypoint-serverless/waypoint/cli/shell"
)

// Host is the part of the shell that this package uses.
type Host interface {
	install.Host
	Env() *shell.Env
	Logger(least slog.Level) *slog.Logger
	Printf(format string, args ...any)
	Progressf(format string, args ...any)
}
