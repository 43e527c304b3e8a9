// Command waypoint is the CLI; it is also the local server, the runner and its plugins.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/waypoint-serverless/waypoint/cli"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/builtin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/process"
)

func main() { os.Exit(run()) }

func run() int {
	interrupts := make(chan os.Signal, 4)
	signal.Notify(interrupts, cli.Signals()...)
	defer signal.Stop(interrupts)
	env, err := cli.SystemEnv(interrupts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		return 1
	}
	return cli.Run(context.Background(), cli.Deps{
		Env: env, Catalog: catalog, PluginProcess: process.Main, PurgeMachine: builtin.Purge,
	}, os.Args[1:])
}

// catalog is the set of plugins in this binary.
func catalog() *plugin.Catalog { return builtin.Catalog(process.Options{}) }
