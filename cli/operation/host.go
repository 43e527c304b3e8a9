// Package operation queues a job for each app, follows it and shows its result; a local job gets a runner in this
// process. What an operation does is decided elsewhere.
package operation

import (
	"context"
	"io"
	"log/slog"

	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/localstack/server"
	"github.com/waypoint-serverless/waypoint/runner/guard"
)

// Host is the part of the shell that this package uses.
type Host interface {
	scope.Host
	Deps() shell.Deps
	Env() *shell.Env
	ErrSetting() terminal.Setting
	Flags() *shell.Flags
	RecordWriteError(err error)
	LocalTrouble() *server.Trouble
	Logger(least slog.Level) *slog.Logger
	ReadClient(ctx context.Context) (*client.Client, error)
	NewGuard(token string, logger *slog.Logger) *guard.Guard
	OnWaiting(say func(string))
	OutSetting() terminal.Setting
	Printf(format string, args ...any)
	Renderer(out io.Writer, set terminal.Setting) *terminal.Renderer
	Progressf(format string, args ...any)
	Server() *shell.Server
	Cost() (c client.Cost, ok bool)
	Workspace() string
}
