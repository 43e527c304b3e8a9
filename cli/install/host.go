// Package install has the commands that make, change and remove a server: install, upgrade, uninstall, on this machine
// or in an AWS account.
package install

import (
	"context"
	"io"
	"log/slog"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is the part of the shell that this package uses.
type Host interface {
	CheckServer(ctx context.Context, c contexts.Context) (*waypointv1.GetServerInfoResponse, error)
	ContextStore() (contexts.Store, error)
	CurrentContext(store contexts.Store) (string, error)
	Deps() shell.Deps
	Env() *shell.Env
	ErrSetting() terminal.Setting
	ForgetServer()
	Logger(least slog.Level) *slog.Logger
	MustConfirm(question string, approved bool, json bool) error
	PrintJSON(v any) error
	Printf(format string, args ...any)
	Renderer(out io.Writer, set terminal.Setting) *terminal.Renderer
	Progressf(format string, args ...any)
	Table(t terminal.Table)
	Warnf(format string, args ...any)
	Write(data string)
}
