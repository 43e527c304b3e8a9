// Command waypoint is the CLI; it is also the local server, the runner and its plugins.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/waypoint-serverless/waypoint/cli"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/runner/guard"
	"github.com/waypoint-serverless/waypoint/runner/plugins/builtin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == guard.Argument {
		guard.Main(context.Background(), os.Stdin)
		return
	}
	os.Exit(run())
}

func run() int {
	interrupts := make(chan os.Signal, 4)
	signal.Notify(interrupts, shell.Signals()...)
	defer signal.Stop(interrupts)
	shell.CatchBrokenPipes()
	mark := os.Getenv(guard.EnvMark)
	_ = os.Unsetenv(guard.EnvMark) // apps and servers that this process starts outlive the command that it runs in
	env, err := shell.SystemEnv(interrupts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		return 1
	}
	env.CommandMark = mark
	return cli.Run(context.Background(), shell.Deps{
		Env: env, Catalog: builtIn, PluginProcess: process.Main, PurgeMachine: builtin.Purge, RestoreMachine: builtin.Restore,
	}, os.Args[1:])
}

// builtIn is the set of plugins in this binary.
func builtIn() *catalog.Catalog { return builtin.Catalog(process.Options{}) }
