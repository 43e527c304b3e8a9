// Package cli is the `waypoint` command: it parses, calls the API through internal/client, and prints. What a
// command decides is in pure functions beside it; what it does to the world goes through Env.
//
// It keeps nothing but its context files. It never touches a target platform: even a local operation is run by
// a runner, which then lives in this process.
package cli

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/cost"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/runner/guard"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// Deps is what main hands to the commands.
type Deps struct {
	Env *Env
	// Catalog makes the plugins of this binary's runners. It is called when a command needs them.
	Catalog func() *plugin.Catalog
	// PluginProcess is what the process plugin starts as processes of their own (the hidden command plugin-proxy). It
	// handles signals itself.
	PluginProcess func(ctx context.Context, args []string) error
	// PurgeMachine ends what plugins run on this machine and kept below a runner's state directory. It names what had to
	// stay because others use it.
	PurgeMachine func(ctx context.Context, stateDir string) (left []string, err error)
	// RestoreMachine brings back what plugins run on this machine, after a reboot say.
	RestoreMachine func(ctx context.Context, stateDir string, sealer plugin.Sealer, log *slog.Logger) error
}

// shell is what all commands of one invocation share.
type shell struct {
	env   *Env
	deps  Deps
	flags globals

	server   *server
	client   *client.Client
	onWait   atomic.Pointer[func(string)]
	reader   *bufio.Reader
	writeErr error
	guard    *guard.Guard

	// ctx is the command's, for what has none of its own (prompts, evaluation): the first interrupt ends it.
	ctx context.Context
	// interrupted is the first interrupt; prompting reports that a prompt waits for an answer; pipeBroke that stdout was closed.
	interrupted          atomic.Pointer[interruption]
	prompting, pipeBroke atomic.Bool
}

// globals are the flags of every command.
type globals struct {
	project, app, workspace string
	plain, cost             bool
	verbose                 int
}

// Run runs one command line and returns the exit code: 0, 1 after any error, the command's own, or the one that names the
// signal that ended it (130, 143, 129).
func Run(ctx context.Context, d Deps, args []string) int {
	env := *d.Env
	sh := &shell{env: &env, deps: d}
	if len(args) > 0 && args[0] == pluginProcess && d.PluginProcess != nil {
		if err := d.PluginProcess(ctx, args[1:]); err != nil {
			sh.showError(err)
			return 1
		}
		return 0
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sh.ctx = ctx
	sh.env.In = inputReader{ctx: ctx, from: d.Env.In}
	sh.env.Out = outputWriter{Writer: d.Env.Out, broken: func() {
		sh.pipeBroke.Store(true)
		cancel(errBrokenPipe)
	}}
	root := sh.root()
	if len(args) == 1 && (args[0] == "-v" || args[0] == "-version" || args[0] == "--version") {
		args = []string{"version"}
	}
	root.SetArgs(rewriteArgs(root, args))
	ended, watcher := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watcher)
		sh.watchInterrupts(ended, cancel)
	}()
	err := root.ExecuteContext(ctx)
	sh.guard.Close()
	close(ended)
	<-watcher
	if err == nil {
		err = sh.writeErr
	}
	if sh.flags.cost && sh.client != nil {
		sh.sayf("Cost: %s\n", cost.Line(sh.client.Cost()))
	}
	return sh.exitCodeOf(err)
}

// NewRoot makes the command tree, for documentation and completion; Run is what runs it.
func NewRoot(d Deps) *cobra.Command { return (&shell{env: d.Env, deps: d}).root() }

func (sh *shell) root() *cobra.Command {
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
	sh.completeGlobals(root)

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

// group is a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(subs...)
	return c
}

// unknownCommand refuses what is no subcommand, naming those that are near.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "Run `" + cmd.CommandPath() + " --help` for the list."
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "Did you mean `" + cmd.CommandPath() + " " + near[0] + "`? " + hint
	}
	return problem("USAGE", "there is no command `%s %s`", cmd.CommandPath(), args[0]).withHint("%s", hint)
}

// argCount wants between least and most arguments (most < 0: any number).
func argCount(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		for _, a := range args {
			if p, app, ok := strings.Cut(a, "/"); ok && most == 0 && p != "" && app != "" {
				return problem("USAGE", "the form PROJECT/APP is no longer supported").
					withHint("Use: %s -project %s -app %s", cmd.CommandPath(), p, app)
			}
		}
		var wrong string
		switch {
		case len(args) < least:
			wrong = fmt.Sprintf("`%s` needs an argument more", cmd.CommandPath())
		case most >= 0 && len(args) > most:
			wrong = fmt.Sprintf("`%s` does not take the argument %q", cmd.CommandPath(), args[most])
		default:
			return nil
		}
		return problem("USAGE", "%s", wrong).withHint("Usage: %s", cmd.UseLine())
	}
}

// logger writes to stderr what -v, -vv or WAYPOINT_LOG_LEVEL ask for.
func (sh *shell) logger(least slog.Level) *slog.Logger {
	level, on := least, least < slog.LevelError
	var l slog.Level
	if err := l.UnmarshalText([]byte(sh.env.get("WAYPOINT_LOG_LEVEL"))); err == nil {
		level, on = l, true
	} else if strings.EqualFold(sh.env.get("WAYPOINT_LOG_LEVEL"), "trace") {
		level, on = slog.LevelDebug, true
	}
	switch {
	case sh.flags.verbose == 1:
		level, on = min(level, slog.LevelInfo), true
	case sh.flags.verbose > 1:
		level, on = slog.LevelDebug, true
	}
	if !on {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(sh.env.Err, &slog.HandlerOptions{Level: level}))
}

func newCmdVersion(sh *shell) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version", Args: argCount(0, 0),
		Run: func(*cobra.Command, []string) { sh.printf("%s\n", version.String()) },
	}
}

// pluginProcess is no command for people, and none of the tree: its processes stay for long and are kept small.
const pluginProcess = "plugin-proxy"
