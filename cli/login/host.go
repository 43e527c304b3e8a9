// Package login has the commands that select a server: login and context.
package login

import (
	"context"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/completion"
	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is the part of the shell that this package uses.
type Host interface {
	completion.Host
	CanAsk() bool
	CheckServer(ctx context.Context, c contexts.Context) (*waypointv1.GetServerInfoResponse, error)
	ChosenServer() (*shell.Server, error)
	ContextStore() (contexts.Store, error)
	CurrentContext(store contexts.Store) (string, error)
	Env() *shell.Env
	Flags() *shell.Flags
	NoServer(store contexts.Store) error
	OutSetting() terminal.Setting
	PrintJSON(v any) error
	NamedValues(pairs [][2]string)
	Printf(format string, args ...any)
	Probe(c contexts.Context) (*client.Client, error)
	ReadAnswer(read func() (string, error)) (string, error)
	Progressf(format string, args ...any)
	Table(t terminal.Table)
	StartLocal(ctx context.Context, s *shell.Server) error
	Warnf(format string, args ...any)
}
