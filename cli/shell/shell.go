// Package shell makes what commands share: the streams, questions on the terminal, the server, and interrupts. A
// command declares the part that it uses (its Host). This package imports no command.
package shell

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/runner/guard"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
)

// Deps are the dependencies that main passes to the commands.
type Deps struct {
	Env *Env
	// Catalog makes the plugins of this binary's runners. It is called when a command needs them.
	Catalog func() *catalog.Catalog
	// PluginProcess is what the process plugin starts as processes of their own (the hidden command plugin-proxy). It
	// handles signals itself.
	PluginProcess func(ctx context.Context, args []string) error
	// PurgeMachine ends what plugins run on this machine and kept below a runner's state directory. It names what had to
	// stay because others use it.
	PurgeMachine func(ctx context.Context, stateDir string) (left []string, err error)
	// RestoreMachine restarts what plugins run on this machine, for example after a reboot.
	RestoreMachine func(ctx context.Context, stateDir string, sealer plugin.Sealer, log *slog.Logger) error
}

// Shell is what the commands of one invocation share: streams, questions, the server, and what main handed over.
type Shell struct {
	*Servers
	deps      Deps
	guard     *guard.Guard
	guardOnce sync.Once
	// interrupted is the first interrupt; pipeBroke reports whether stdout was closed.
	interrupted atomic.Pointer[interruption]
	pipeBroke   atomic.Bool
	// jsonErrors: errors are shown as JSON.
	jsonErrors bool
}

// New makes the shell of one command line.
func New(d Deps) *Shell {
	env := *d.Env
	streams := &Streams{env: &env, flags: &Flags{}}
	return &Shell{deps: d, Servers: &Servers{Prompter: &Prompter{Streams: streams, ctx: context.Background()}}}
}

// Env is the surroundings of the command.
func (s *Streams) Env() *Env { return s.env }

// Flags are the flags that every command has.
func (s *Streams) Flags() *Flags { return s.flags }

// Deps returns the dependencies that main passed to the commands.
func (sh *Shell) Deps() Deps { return sh.deps }

// SetInstall sets what makes a local server for somebody who has none.
func (v *Servers) SetInstall(install func(ctx context.Context) error) { v.install = install }

// Execute runs one command line of the tree that root makes and returns the exit code: 0, problem.CodeOf of the error, the
// command's own, or the one that names the signal that ended it (130, 143, 129). atEnd is called before the error is
// shown.
func (sh *Shell) Execute(ctx context.Context, root func() *cobra.Command, args []string, atEnd func()) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sh.ctx = ctx
	sh.env.In = inputReader{ctx: ctx, from: sh.deps.Env.In}
	sh.env.Out = OutputWriter{Writer: sh.deps.Env.Out, Broken: func() {
		sh.pipeBroke.Store(true)
		cancel(errBrokenPipe)
	}}
	tree := root()
	tree.SetArgs(RewriteArgs(tree, args))
	ended, watcher := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watcher)
		sh.watchInterrupts(ended, cancel)
	}()
	cmd, err := tree.ExecuteContextC(ctx)
	sh.jsonErrors = wantsJSON(cmd, args)
	sh.guard.Close()
	close(ended)
	<-watcher
	if err == nil {
		err = sh.writeErr
	}
	atEnd()
	return sh.exitCodeOf(err)
}

// wantsJSON reports whether the command line asks for JSON. Where the flags could not be read, their text says so.
func wantsJSON(cmd *cobra.Command, args []string) bool {
	f := cmd.Flags().Lookup("json")
	if f == nil {
		return false
	}
	return f.Value.String() == "true" || slices.ContainsFunc(args, func(a string) bool { return a == "-json" || a == "--json" })
}

// Flags are the flags of every command.
type Flags struct {
	Project, App, Workspace string
	Plain, Cost             bool
	Verbose                 int
}

// Group is a command that only holds others.
func Group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: UnknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(subs...)
	return c
}

// UnknownCommand rejects an argument that is not a subcommand, and suggests similar names.
func UnknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "Run `" + cmd.CommandPath() + " --help` for the list."
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "Did you mean `" + cmd.CommandPath() + " " + near[0] + "`? " + hint
	}
	return problem.New("USAGE", "there is no command `%s %s`", cmd.CommandPath(), args[0]).WithHint("%s", hint)
}

// ArgCount requires between least and most arguments (most < 0: any number).
func ArgCount(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		for _, a := range args {
			if p, app, ok := strings.Cut(a, "/"); ok && most == 0 && p != "" && app != "" {
				return problem.New("USAGE", "the argument form PROJECT/APP is no longer supported").
					WithHint("Use: %s -project %s -app %s", cmd.CommandPath(), p, app)
			}
		}
		var wrong string
		switch {
		case len(args) < least:
			wrong = fmt.Sprintf("`%s` requires at least %d argument(s), got %d", cmd.CommandPath(), least, len(args))
		case most >= 0 && len(args) > most:
			wrong = fmt.Sprintf("`%s` does not accept the argument %q", cmd.CommandPath(), args[most])
		default:
			return nil
		}
		return problem.New("USAGE", "%s", wrong).WithHint("Usage: %s", cmd.UseLine())
	}
}

// NewGuard makes the guard, which ends and reports the work of a runner in this process if the process is killed.
// Run closes it.
func (sh *Shell) NewGuard(token string, logger *slog.Logger) *guard.Guard {
	sh.guardOnce.Do(func() {
		sh.guard = guard.New(guard.Options{
			Command: []string{sh.env.Executable, guard.Argument}, Outer: sh.env.CommandMark, Logger: logger,
			Server: guard.Server{Address: sh.server.Address, Token: token},
		})
	})
	return sh.guard
}
