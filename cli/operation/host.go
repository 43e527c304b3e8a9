// Package operation queues a job for each app, follows it and shows its result; a job that runs here gets a runner in this
// process. It decides nothing about what an operation does.
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

// Host is what this package needs of the shell.
type Host interface {
	scope.Host
	Deps() shell.Deps
	Env() *shell.Env
	ErrSetting() terminal.Setting
	Flags() *shell.Flags
	KeepWriteErr(err error)
	LocalTrouble() *server.Trouble
	Logger(least slog.Level) *slog.Logger
	Look(ctx context.Context) (*client.Client, error)
	NewGuard(token string, logger *slog.Logger) *guard.Guard
	OnWaiting(say func(string))
	OutSetting() terminal.Setting
	Printf(format string, args ...any)
	Renderer(out io.Writer, set terminal.Setting) *terminal.Renderer
	Sayf(format string, args ...any)
	Server() *shell.Server
	Spent() (c client.Cost, ok bool)
	Workspace() string
}
