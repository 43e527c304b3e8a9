// Package cli is the `waypoint` command: it parses, calls the API through internal/client, and prints. What a
// command decides is in pure functions beside it; what it does to the world goes through Env.
//
// It keeps nothing but its context files. It never touches a target platform: even a local operation is run by
// a runner, which then lives in this process.
package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/cost"
	"github.com/waypoint-serverless/waypoint/internal/version"
)

// Run runs one command line and returns the exit code: 0, 1 after any error, the command's own, or the one that names the
// signal that ended it (130, 143, 129).
func Run(ctx context.Context, d Deps, args []string) int {
	sh := newShell(d)
	if len(args) > 0 && args[0] == pluginProcess && d.PluginProcess != nil {
		if err := d.PluginProcess(ctx, args[1:]); err != nil {
			sh.showError(err)
			return 1
		}
		return 0
	}
	if len(args) == 1 && (args[0] == "-v" || args[0] == "-version" || args[0] == "--version") {
		args = []string{"version"}
	}
	return sh.execute(ctx, func() *cobra.Command { return newRoot(sh) }, args, func() {
		if spent, ok := sh.spent(); ok && sh.flags.cost {
			sh.sayf("Cost: %s\n", cost.Line(spent))
		}
	})
}

// NewRoot makes the command tree, for documentation and completion; Run is what runs it.
func NewRoot(d Deps) *cobra.Command { return newRoot(newShell(d)) }

func newRoot(sh *shell) *cobra.Command {
	sh.offerToInstall(func(ctx context.Context) error { return runInstall(ctx, sh, &installOptions{platform: "local"}) })
	root := &cobra.Command{
		Use:   "waypoint",
		Short: "Build, deploy and release applications with one command",
		Long: `Waypoint builds, deploys and releases an application from a waypoint.hcl file.

Start with "waypoint install --platform=local" (or --platform=aws), then "waypoint up" in a project's directory.`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              unknownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(sh.env.Out)
	root.SetErr(sh.env.Err)
	root.SetIn(sh.env.In)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")
	f := root.PersistentFlags()
	f.StringVarP(&sh.flags.project, "project", "p", "", "project, instead of the one in the nearest waypoint.hcl")
	f.StringVarP(&sh.flags.app, "app", "a", "", "app of the project, instead of all")
	f.StringVarP(&sh.flags.workspace, "workspace", "w", "", "workspace (WAYPOINT_WORKSPACE)")
	f.BoolVar(&sh.flags.plain, "plain", false, "plain lines: no colour, nothing redrawn (WAYPOINT_PLAIN)")
	f.BoolVar(&sh.flags.cost, "cost", false, "say what the command cost: requests, units and USD")
	f.CountVarP(&sh.flags.verbose, "verbose", "v", "log to stderr: -v info, -vv debug (WAYPOINT_LOG_LEVEL)")
	completeGlobals(sh, root)

	root.AddGroup(
		&cobra.Group{ID: "common", Title: "Common commands:"},
		&cobra.Group{ID: "look", Title: "Look at and manage what there is:"},
		&cobra.Group{ID: "server", Title: "Server, runners and access:"},
		&cobra.Group{ID: "more", Title: "More:"},
	)
	in := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	in("common", newCmdInit(sh), newCmdUp(sh), newCmdBuild(sh), newCmdDeploy(sh), newCmdRelease(sh),
		newCmdDestroy(sh), newCmdStatus(sh), newCmdLogs(sh), newCmdLogin(sh))
	in("look", newCmdProject(sh), newCmdWorkspace(sh), newCmdArtifact(sh), newCmdDeployment(sh),
		newCmdJob(sh), newCmdConfig(sh), newCmdVariable(sh))
	in("server", newCmdInstall(sh), newCmdUpgrade(sh), newCmdUninstall(sh), newCmdDoctor(sh), newCmdServer(sh), newCmdRunner(sh), newCmdToken(sh), newCmdContext(sh))
	in("more", newCmdVersion(sh), newCmdCompletion(sh), newCmdFmt(sh), newCmdValidate(sh), newCmdPlan(sh), newCmdDocs(sh))
	addElsewhere(root)
	return root
}

func newCmdVersion(sh *shell) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version", Args: argCount(0, 0),
		Run: func(*cobra.Command, []string) { sh.printf("%s\n", version.String()) },
	}
}

// pluginProcess is no command for people, and none of the tree: its processes stay for long and are kept small.
const pluginProcess = "plugin-proxy"
