// Package cli is the `waypoint` command: it lists the commands, each in the package of its noun, and runs a command
// line. What a command decides is in pure functions beside it; what it does to the world goes through the shell
// (cli/shell).
//
// It keeps nothing but its context files. It never touches a target platform: even a local operation is run by a
// runner, which then lives in this process.
package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/about"
	"github.com/waypoint-serverless/waypoint/cli/artifact"
	"github.com/waypoint-serverless/waypoint/cli/completion"
	"github.com/waypoint-serverless/waypoint/cli/config"
	"github.com/waypoint-serverless/waypoint/cli/cost"
	"github.com/waypoint-serverless/waypoint/cli/deployment"
	"github.com/waypoint-serverless/waypoint/cli/docs"
	"github.com/waypoint-serverless/waypoint/cli/doctor"
	"github.com/waypoint-serverless/waypoint/cli/file"
	"github.com/waypoint-serverless/waypoint/cli/initialize"
	"github.com/waypoint-serverless/waypoint/cli/install"
	"github.com/waypoint-serverless/waypoint/cli/job"
	"github.com/waypoint-serverless/waypoint/cli/lifecycle"
	"github.com/waypoint-serverless/waypoint/cli/login"
	"github.com/waypoint-serverless/waypoint/cli/logs"
	"github.com/waypoint-serverless/waypoint/cli/open"
	"github.com/waypoint-serverless/waypoint/cli/project"
	"github.com/waypoint-serverless/waypoint/cli/runner"
	"github.com/waypoint-serverless/waypoint/cli/server"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/cli/status"
	"github.com/waypoint-serverless/waypoint/cli/token"
	"github.com/waypoint-serverless/waypoint/cli/workspace"
)

// Run runs one command line and returns the exit code: 0, 1 after any error, the command's own, or the one that names
// the signal that ended it (130, 143, 129).
func Run(ctx context.Context, d shell.Deps, args []string) int {
	sh := shell.New(d)
	if len(args) > 0 && args[0] == pluginProcess && d.PluginProcess != nil {
		if err := d.PluginProcess(ctx, args[1:]); err != nil {
			sh.ShowError(err)
			return 1
		}
		return 0
	}
	if len(args) == 1 && (args[0] == "-v" || args[0] == "-version" || args[0] == "--version") {
		args = []string{"version"}
	}
	return sh.Execute(ctx, func() *cobra.Command { return newRoot(sh) }, args, func() {
		if spent, ok := sh.Cost(); ok && sh.Flags().Cost {
			sh.Progressf("Cost: %s\n", cost.Line(spent))
		}
	})
}

// NewRoot makes the command tree, for documentation and completion; Run is what runs it.
func NewRoot(d shell.Deps) *cobra.Command { return newRoot(shell.New(d)) }

func newRoot(sh *shell.Shell) *cobra.Command {
	sh.SetInstall(func(ctx context.Context) error { return install.Local(ctx, sh) })
	root := &cobra.Command{
		Use:   "waypoint",
		Short: "Build, deploy and release applications with one command",
		Long: `Waypoint builds, deploys and releases an application from a waypoint.hcl file.

Start with "waypoint install --platform=local" (or --platform=aws), then "waypoint up" in a project's directory.`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              shell.UnknownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(sh.Env().Out)
	root.SetErr(sh.Env().Err)
	root.SetIn(sh.Env().In)
	root.SetFlagErrorFunc(shell.FlagError)
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")
	f := root.PersistentFlags()
	f.StringVarP(&sh.Flags().Project, "project", "p", "", "project, instead of the one in the nearest waypoint.hcl")
	f.StringVarP(&sh.Flags().App, "app", "a", "", "app of the project, instead of all")
	f.StringVarP(&sh.Flags().Workspace, "workspace", "w", "", "workspace (WAYPOINT_WORKSPACE)")
	f.BoolVar(&sh.Flags().Plain, "plain", false, "print plain lines without colour or animation (WAYPOINT_PLAIN)")
	f.BoolVar(&sh.Flags().Cost, "cost", false, "print what the command cost: requests, units and USD")
	f.CountVarP(&sh.Flags().Verbose, "verbose", "v", "fold no output, and log to stderr: -v info, -vv debug (WAYPOINT_LOG_LEVEL)")
	completion.Globals(sh, root)

	root.AddGroup(
		&cobra.Group{ID: "common", Title: "Common commands:"},
		&cobra.Group{ID: "look", Title: "Inspect and manage resources:"},
		&cobra.Group{ID: "server", Title: "Server, runners and access:"},
		&cobra.Group{ID: "more", Title: "More:"},
	)
	in := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	in("common", initialize.New(sh), lifecycle.NewUp(sh), lifecycle.NewBuild(sh), lifecycle.NewDeploy(sh), lifecycle.NewRelease(sh),
		lifecycle.NewRollback(sh), lifecycle.NewDestroy(sh), status.New(sh), logs.New(sh), open.New(sh), login.New(sh))
	in("look", project.New(sh), workspace.New(sh), artifact.New(sh), deployment.New(sh),
		job.New(sh), config.New(sh), config.NewVariable(sh))
	in("server", install.NewInstall(sh), install.NewUpgrade(sh), install.NewUninstall(sh), doctor.New(sh), server.New(sh), runner.New(sh), token.New(sh), login.NewContext(sh))
	in("more", about.NewVersion(sh), completion.New(sh), file.NewFmt(sh), file.NewValidate(sh), file.NewPlan(sh), docs.New(sh))
	addElsewhere(root)
	addNeighbours(root)
	addHelp(sh, root)
	return root
}

// pluginProcess is not a command for people and not part of the command tree: its processes run for long and must stay
// small.
const pluginProcess = "plugin-proxy"
