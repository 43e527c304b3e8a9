// Package runner has the commands about runners: agent runs one, list and inspect show them.
package runner

import (
	"context"
	"log/slog"
	"time"

	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/cli/token"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/runner/guard"
)

// Host is the part of the shell that this package uses.
type Host interface {
	operation.Host
	records.Host
	token.Host
	Ago(t time.Time) string
	ChosenServer() (*shell.Server, error)
	Deps() shell.Deps
	Env() *shell.Env
	Logger(least slog.Level) *slog.Logger
	ReadClient(ctx context.Context) (*client.Client, error)
	NewGuard(token string, logger *slog.Logger) *guard.Guard
	OutSetting() terminal.Setting
	PrintJSON(v any) error
	NamedValues(pairs [][2]string)
	Printf(format string, args ...any)
	Server() *shell.Server
}
