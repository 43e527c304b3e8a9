// Package doctor has the command doctor: it examines this machine, the server and the runners, and changes nothing.
package doctor

import (
	"github.com/waypoint-serverless/waypoint/cli/contexts"
	"github.com/waypoint-serverless/waypoint/cli/install"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Host is the part of the shell that this package uses.
type Host interface {
	install.Host
	operation.Host
	ChosenServer() (*shell.Server, error)
	Env() *shell.Env
	OutSetting() terminal.Setting
	PrintJSON(v any) error
	Prosef(hang int, format string, args ...any)
	Probe(c contexts.Context) (*client.Client, error)
	Server() *shell.Server
}
