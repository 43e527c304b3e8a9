// Package token has the commands about tokens: create, list, revoke.
package token

import (
	"context"
	"time"

	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// Host is the part of the shell that this package uses.
type Host interface {
	records.Host
	Ago(t time.Time) string
	Flags() *shell.Flags
	ReadClient(ctx context.Context) (*client.Client, error)
	PrintJSON(v any) error
	Printf(format string, args ...any)
	Progressf(format string, args ...any)
	Server() *shell.Server
}
