// Package process is the plugin "process": apps that run as plain processes of the machine that the runner is on,
// with no container engine.
//
// Its builder runs a build command and keeps a directory. Its platform runs a command of that directory in the
// background, under waypoint-entrypoint, on a free loopback port, and starts it again when it ends. Its releaser gives
// the app a stable port (package stableport).
//
// What runs in the background outlives runner and CLI. Everything about it stands in files below Env.StateDir, so
// that any later call finds it, also after a crash: the directory of a deployment is named by the deployment's id,
// a lock beside it is held as long as its supervisor lives, and processes are recognised by number and start time.
//
//	process/artifacts/PROJECT/APP/WORKSPACE/DIGEST/  what builds made
//	process/deployments/ID/                          app/, deployment.json, spec.json, status.json, output.log
package process

import (
	"context"
	_ "embed" // the example
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process/supervise"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
	"github.com/waypoint-serverless/waypoint/runner/proxy"
)

// HelperCommand is the hidden command of the waypoint binary that runs Main.
const HelperCommand = "plugin-proxy"

// Arguments of Main.
const (
	modeProxy     = "proxy"
	modeSupervise = "supervise"
)

// Options of the plugin. The zero value is for the waypoint binary.
type Options struct {
	// Helper is the command that calls Main; nil: this executable with HelperCommand.
	Helper []string
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition(o Options) catalog.Definition {
	if o.Now == nil {
		o.Now = time.Now
	}
	return catalog.Definition{
		Name:    "process",
		Summary: "Build with a command and run the app as a process of the runner's machine.",
		Example: example,
		Schemas: []schema.Component{
			{
				Kind: schema.Builder, Summary: "Runs a command and keeps a directory.",
				Config: schema.New[BuildConfig], Output: schema.New[BuildOutput],
			},
			{
				Kind: schema.Platform, Summary: "Runs a command of the artifact in the background, on a free port.",
				Config: schema.New[DeployConfig], Output: schema.New[DeployOutput],
			},
			{
				Kind:    schema.Releaser,
				Summary: "Leads a stable port to a deployment, without losing a request. Apps without a release stanza have it, too.",
				Config:  schema.New[stableport.Config], Output: schema.New[stableport.Output],
			},
		},
		Builder:  func() plugin.Builder { return &builder{options: o} },
		Platform: func() plugin.Platform { return &platform{options: o} },
		Releaser: func() plugin.Releaser { return newReleaser(o) },
	}
}

// Main is the body of the hidden command: it becomes the background process that the plugin starts, a proxy or a
// supervisor.
func Main(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == modeProxy {
		return proxy.Main(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == modeSupervise {
		return supervise.Main(ctx, args[1:])
	}
	return fmt.Errorf("this command is for the process plugin, which starts it itself")
}

// Proxy is the command line of a proxy (package proxy) in the background, for other platforms of this machine.
func (o Options) Proxy() ([]string, error) { return o.helper(modeProxy) }

// helper is the command line of a background process.
func (o Options) helper(args ...string) ([]string, error) {
	command := o.Helper
	if command == nil {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		command = []string{self, HelperCommand}
	}
	return append(append([]string(nil), command...), args...), nil
}

// buildEnv is the environment of the build: the runner's, without what is Waypoint's own.
func buildEnv(env *plugin.Call) []string {
	base := env.Environ
	if base == nil {
		base = os.Environ()
	}
	out := make([]string, 0, len(base))
	for _, kv := range base {
		if !strings.HasPrefix(kv, "WAYPOINT_") {
			out = append(out, kv)
		}
	}
	return out
}

// with sets variables over an environment.
func with(environ []string, vars map[string]string) []string {
	out := make([]string, 0, len(environ)+len(vars))
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if _, replaced := vars[name]; !replaced {
			out = append(out, kv)
		}
	}
	for name, value := range vars {
		out = append(out, name+"="+value)
	}
	return out
}
