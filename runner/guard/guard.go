// Package guard ends what a runner leaves behind when it is killed: a small process beside the runner (or the CLI that runs
// a local job) holds the reading end of a pipe. A runner that ends in order says so first. When the pipe ends without that
// word, the guard kills every process of the runner's commands, their descendants in groups and sessions of their own
// included, removes the directories of its jobs, and only then reports the end of its attempts to the server, so that
// nobody waits for a lease to expire.
//
// On the runner's side, New makes a Guard; NewContext gives it to whoever works for a job, and From finds it there:
//
//	c := guard.From(ctx).Command()          // before the start; From may return nil, and all methods accept that
//	cmd.Env = c.Environ(cmd.Env)            // marks the command and what it starts
//	cmd.Start(); c.Started(cmd.Process.Pid) // it must lead a process group
//	cmd.Wait(); c.Ended()
//
// Package command does that for every command it runs, and package internal/git for its questions. The process is started with the first thing to guard, beside the
// caller: no call waits for it. What the guard must know to call the server goes through the pipe, never through arguments
// or the environment.
//
// The package starts nothing but the guard and kills nothing but what it was told of. Deployed apps, stable ports and
// whatever else is meant to outlive its runner are never told to it.
package guard

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/git"
)

// Argument is the hidden command of the waypoint binary that runs Main.
const Argument = "runner-guard"

// EnvMark is set for each guarded command: its own mark, after those of the commands that it runs in.
const EnvMark = "WAYPOINT_COMMAND"

// writeBound is how long a message may wait for a guard that does not read, before it counts as gone.
const writeBound = time.Second

// Server is how the guard reaches the server.
type Server struct {
	Address string `json:"address"`
	Token   string `json:"token"`
}

// Work is one job that is to be reported if the runner is killed.
type Work struct {
	// RunnerID and Project, App, Workspace say where the job can be found while JobID is not known: a local job is
	// announced before it is queued.
	RunnerID  string `json:"runner"`
	Project   string `json:"project,omitempty"`
	App       string `json:"app,omitempty"`
	Workspace string `json:"workspace,omitempty"`
	JobID     string `json:"job,omitempty"`
	// Attempt is the one that this runner makes; 0 while the job waits.
	Attempt int32 `json:"attempt,omitempty"`
	// Canceled: the user has already asked for its end.
	Canceled bool `json:"canceled,omitempty"`
}

// Options of a Guard.
type Options struct {
	// Command is the command line whose main calls Main: the waypoint binary with Argument.
	Command []string
	// Server is told to the guard when it starts.
	Server Server
	// Outer is the value of EnvMark that this process was started with.
	Outer  string
	Logger *slog.Logger
}

// Guard is the runner's side. A nil Guard guards nothing.
type Guard struct {
	o Options

	mu     sync.Mutex
	state  state
	pipe   *os.File // nil: the process has not been started, or is gone
	closed bool
}

// New makes a guard. Its process starts when there is something to guard.
func New(o Options) *Guard {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Guard{o: o, state: newState()}
	g.state.Server = o.Server
	return g
}

type contextKey struct{}

// NewContext gives the guard to whoever works with the context, and has it watch what package git runs.
func NewContext(ctx context.Context, g *Guard) context.Context {
	ctx = git.WithWatcher(ctx, func() git.Watcher { return g.Command() })
	return context.WithValue(ctx, contextKey{}, g)
}

// From finds the guard of a context; nil if it has none.
func From(ctx context.Context) *Guard {
	g, _ := ctx.Value(contextKey{}).(*Guard)
	return g
}

// Close says that the runner ends in order. The guard then ends without doing anything.
func (g *Guard) Close() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	if g.pipe != nil {
		g.write(message{Bye: true})
	}
	if g.pipe != nil {
		_ = g.pipe.Close()
		g.pipe = nil
	}
}

// Report reports the job if the runner is killed, until the returned function is called. A later call for the same key
// replaces what is reported.
func (g *Guard) Report(key string, w Work) (done func()) {
	g.tell(message{Key: key, Work: &w})
	return func() { g.tell(message{Key: key, Done: true}) }
}

// Dir removes a directory if the runner is killed, until the returned function is called.
func (g *Guard) Dir(path string) (done func()) {
	g.tell(message{Key: path, Dir: true})
	return func() { g.tell(message{Key: path, Done: true}) }
}

// Command is one command that is guarded, and everything that it starts. A nil Command is not.
type Command struct {
	g    *Guard
	mark string
	pid  int
}

// Command announces a command before it is started, so that there is no moment at which it is not known.
func (g *Guard) Command() *Command {
	if g == nil {
		return nil
	}
	var random [12]byte
	_, _ = rand.Read(random[:]) // never fails
	c := &Command{g: g, mark: hex.EncodeToString(random[:])}
	g.tell(message{Key: c.mark, Command: &commandState{}})
	return c
}

// Environ is the environment for the command: with its mark. nil stands for this process's environment.
func (c *Command) Environ(env []string) []string {
	if c == nil {
		return env
	}
	if env == nil {
		env = os.Environ()
	}
	value := c.mark
	if c.g.o.Outer != "" {
		value = c.g.o.Outer + "." + c.mark
	}
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, EnvMark+"=") })
	return append(env, EnvMark+"="+value)
}

// Started tells the command's process, which leads a process group of its own.
func (c *Command) Started(pid int) {
	if c != nil {
		c.pid = pid
		c.g.tell(message{Key: c.mark, Command: &commandState{PID: pid}})
	}
}

// Ended says that the command has ended: what it left behind on purpose is left alone from now on.
func (c *Command) Ended() {
	if c != nil {
		c.g.tell(message{Key: c.mark, Done: true})
	}
}

// Kill kills the command and everything that it started, daemons included, and waits for at most 2 s until all is gone.
func (c *Command) Kill() {
	if c != nil && c.pid > 0 {
		killAll(map[string]commandState{c.mark: {PID: c.pid}}, 2*time.Second)
	}
}

// tell notes a message and sends it on. A guard that is gone is replaced, and told everything again.
func (g *Guard) tell(m message) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.state.apply(m)
	if g.pipe != nil && g.write(m) {
		return
	}
	if m.Done && g.state.empty() {
		return // nothing to start it for
	}
	g.start()
}

// write sends one message; false: the guard is gone. The caller holds mu.
func (g *Guard) write(m message) bool {
	line, err := json.Marshal(m)
	if err == nil {
		_ = g.pipe.SetWriteDeadline(time.Now().Add(writeBound)) // not every system can
		_, err = g.pipe.Write(append(line, '\n'))
	}
	if err != nil {
		g.o.Logger.Warn("the guard does not listen any more", "error", err)
		_ = g.pipe.Close()
		g.pipe = nil
		return false
	}
	return true
}

// start starts the process and tells it everything. The caller holds mu, and does not wait: what is written before the
// process reads stays in the pipe.
func (g *Guard) start() {
	read, write, err := os.Pipe()
	if err != nil {
		g.o.Logger.Warn("what a killed runner leaves behind is not guarded", "error", err)
		return
	}
	g.pipe = write
	for _, m := range g.state.messages() {
		if !g.write(m) {
			break
		}
	}
	cmd := exec.Command(g.o.Command[0], g.o.Command[1:]...) //nolint:noctx // it ends when the pipe does
	cmd.Stdin = read
	cmd.Dir = os.TempDir() // no project's directory is kept busy
	cmd.SysProcAttr = apart()
	go func() { // ends with the guard
		err := cmd.Start()
		_ = read.Close()
		if err != nil {
			g.o.Logger.Warn("what a killed runner leaves behind is not guarded", "error", err)
			return
		}
		_ = cmd.Wait()
	}()
}
