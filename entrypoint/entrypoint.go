// Package entrypoint is the supervisor around a deployed app: it gets the app's configuration from the
// server, starts the app with it, restarts it when its environment changes, passes signals on, ships its
// output and ends with its exit code.
//
// Only the end of the app ends the entrypoint. TERM, INT and QUIT go to the app's process group, because a shell around
// the app would keep them for itself; every other signal goes to the app alone. An app that keeps running after one of
// the three keeps getting its configuration. Before a restart everything that the app left behind is ended, also what
// has a session of its own.
//
// It is linked into a small static binary that lives inside other people's images, so it imports only the
// client, the contract and the standard library. It opens no listening socket, and nothing that the server
// does or fails to do stops the app.
package entrypoint

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/proctree"
	"github.com/waypoint-serverless/waypoint/internal/startfail"
)

// Options of a run.
type Options struct {
	Settings Settings
	// Args is the app's command line.
	Args []string
	// Environ is the entrypoint's environment ("NAME=value").
	Environ []string
	Stdin   *os.File
	// Stdout and Stderr get what the app prints, unchanged.
	Stdout, Stderr io.Writer
	// Signals that the entrypoint received.
	Signals <-chan os.Signal
	// Client reaches the server; nil if Settings.Disabled.
	Client entrypointClient
	// InstanceID is a ULID made for this start.
	InstanceID string
	Version    string
	Now        func() time.Time
	Logger     *slog.Logger
	// StopGrace is what a restarted app has between SIGTERM and SIGKILL; 0: 30 s.
	StopGrace time.Duration
	// FirstWait bounds how long the first start waits for the server; 0: 5 s.
	FirstWait time.Duration
	// EndWait is how long after a signal that asks the app to end no restart comes in the way of its end; 0: 10 s.
	EndWait time.Duration
}

// Run runs the app to its end and returns the exit code for the entrypoint: the app's own, 128 + n if a
// signal ended it, 126 or 127 if it could not be started.
func Run(ctx context.Context, o Options) int {
	if len(o.Args) == 0 {
		_, _ = fmt.Fprintln(o.Stderr, "usage: waypoint-entrypoint COMMAND [ARGUMENTS…]")
		return exitUsage
	}
	if o.StopGrace == 0 {
		o.StopGrace = defaultStopGrace
	}
	if o.FirstWait == 0 {
		o.FirstWait = firstConfigWait
	}
	if o.EndWait == 0 {
		o.EndWait = defaultEndWait
	}
	if err := proctree.Adopt(); err != nil {
		o.Logger.Debug("cannot find the processes that the app leaves behind in their own sessions", "error", err)
	}
	s := &supervisor{
		o: o, starter: newStarter(), stdout: o.Stdout, stderr: o.Stderr,
		files: files{mode: o.Settings.FileMode}, reports: newReports(), note: func(string) {},
		config: &waypointv1.AppConfig{}, configs: make(chan *waypointv1.AppConfig, 1), refusals: make(chan error, 1),
		cache: &cache{path: o.Settings.CachePath, token: o.Settings.Token, deploymentID: o.Settings.DeploymentID},
	}
	defer s.starter.close()
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	background.Go(func() { s.starter.reap(ctx, o.Logger) })

	if o.Settings.Disabled || o.Client == nil {
		return s.supervise(ctx)
	}
	ship := s.connect(ctx, &background)
	code := s.supervise(ctx)
	cancel()
	background.Wait()
	ship.flush(context.WithoutCancel(ctx), exitFlush, exitIdle)
	return code
}

// connect starts what talks to the server.
func (s *supervisor) connect(ctx context.Context, background *sync.WaitGroup) *shipper {
	o := s.o
	logs := newBuffer(bufferBytes)
	logs.allow = newAllowance(o.Settings.LogRate)
	out := &splitter{to: logs, now: o.Now}
	errOut := &splitter{to: logs, now: o.Now, stderr: true}
	s.note = func(text string) {
		logs.add(&waypointv1.LogLine{TimeUnixMs: o.Now().UnixMilli(), Text: text, Entrypoint: true})
	}
	failed := func(err error) {
		s.note(fmt.Sprintf("The entrypoint cannot write the app's output to its own output: %v. It is still shipped to these logs.", bare(err)))
	}
	s.stdout = &outlet{lines: out, to: o.Stdout, failed: failed}
	s.stderr = &outlet{lines: errOut, to: o.Stderr, failed: failed}
	told := newIntervals()
	ship := &shipper{
		client: o.Client, buffer: logs, splitters: []*splitter{out, errOut}, intervals: told, log: o.Logger,
		deploymentID: o.Settings.DeploymentID, instanceID: o.InstanceID,
	}
	remote := &remote{
		client: o.Client, intervals: told, log: o.Logger, version: o.Version,
		deploymentID: o.Settings.DeploymentID, instanceID: o.InstanceID,
		configs: s.configs, refusals: s.refusals, reports: s.reports,
	}
	background.Go(func() { remote.run(ctx) })
	background.Go(func() { ship.run(ctx) })
	s.connected = true
	return ship
}

// supervisor owns the app; one goroutine decides everything about it.
type supervisor struct {
	o              Options
	starter        *starter
	stdout, stderr io.Writer
	// note adds a line of our own to the app's logs.
	note      func(text string)
	cache     *cache
	files     files
	reports   *reports
	configs   chan *waypointv1.AppConfig
	refusals  chan error
	connected bool

	config *waypointv1.AppConfig
	env    []string
	child  *child
	// asked is when a signal asked the app to end; zero: none did, or the app lived on.
	asked time.Time
	// restarting: we asked the app to end so that it can start again with a new environment.
	restarting bool

	// kill fires when the grace of a restart is over; lived when an app that was asked to end has lived on; cleared when
	// what the app left behind has ended; again when files are to be tried again. nil: not waited for.
	kill, lived, again <-chan time.Time
	cleared            chan struct{}
	// code of the app's last end.
	code int
}

// supervise starts the app and stays with it.
func (s *supervisor) supervise(ctx context.Context) int {
	if s.connected {
		if code, over := s.awaitConfig(ctx); over {
			return code
		}
	}
	if err := s.start(); err != nil {
		return s.startFailed(err)
	}
	for {
		select {
		case config := <-s.configs:
			s.apply(config)
			s.restartIfNeeded()
		case sig := <-s.o.Signals:
			s.pass(sig)
		case <-s.lived:
			s.lived = nil
			s.restartIfNeeded()
		case <-s.again:
			s.applyFiles()
		case <-ctx.Done():
			s.child.kill()
			if s.child.hasEnded() {
				return s.code
			}
			return <-s.child.done
		case <-s.kill:
			s.kill = nil
			s.o.Logger.Warn("the app did not stop within its grace period; killing it", "grace", s.o.StopGrace)
			s.child.kill()
		case s.code = <-s.child.done:
			s.kill = nil
			if !s.restarting || !s.asked.IsZero() {
				return s.finish(ctx)
			}
			s.clear(ctx)
		case <-s.cleared:
			s.cleared, s.restarting = nil, false
			if !s.asked.IsZero() {
				return s.code
			}
			if err := s.start(); err != nil {
				return s.startFailed(err)
			}
		}
	}
}

// pass passes a signal on to the app.
func (s *supervisor) pass(sig os.Signal) {
	if ends(sig) {
		s.asked = s.o.Now()
		if s.lived != nil {
			s.lived = time.After(s.o.EndWait)
		}
	}
	s.child.forward(sig)
}

// restartIfNeeded asks the app to end if its environment is not what it should be. An app that has just been asked to
// end by somebody else is left alone until it has lived on for a while: it would be asked twice, and started again by
// us when it should be gone.
func (s *supervisor) restartIfNeeded() {
	if s.restarting || slices.Equal(childEnv(s.o.Environ, s.config.GetEnv()), s.env) {
		return
	}
	if !s.asked.IsZero() {
		if left := s.o.EndWait - s.o.Now().Sub(s.asked); left > 0 {
			if s.lived == nil {
				s.lived = time.After(left)
			}
			return
		}
	}
	s.o.Logger.Info("the app's environment changed; restarting the app")
	s.asked, s.restarting = time.Time{}, true
	s.kill = time.After(s.o.StopGrace)
	s.child.terminate()
}

// clear ends what the app left behind, beside everything else that goes on.
func (s *supervisor) clear(ctx context.Context) {
	group, cleared := s.child.group(), make(chan struct{})
	s.cleared = cleared
	s.starter.wg.Go(func() {
		defer close(cleared)
		if n := proctree.End(ctx, group, leftGrace); n > 0 {
			s.o.Logger.Info("ended processes that the app had left behind", "count", n)
		}
	})
}

// finish is what is done when the app has ended for good. It returns the exit code.
func (s *supervisor) finish(ctx context.Context) int {
	if s.code == exitNotFound {
		if text, ok := startfail.WindowsLineEnds(s.child.cmd.Path); ok {
			_, _ = fmt.Fprintf(s.stderr, "waypoint-entrypoint: %s ended with exit code %d: %s\n", s.o.Args[0], s.code, text)
		}
	}
	proctree.End(ctx, s.child.group(), exitGrace)
	return s.code
}

// awaitConfig waits for the first configuration, for a bounded time unless the server is required. over: a
// signal came instead, and the app shall not start.
func (s *supervisor) awaitConfig(ctx context.Context) (code int, over bool) {
	var late <-chan time.Time
	if !s.o.Settings.Required {
		timer := time.NewTimer(s.o.FirstWait)
		defer timer.Stop()
		late = timer.C
	}
	for {
		select {
		case config := <-s.configs:
			s.apply(config)
			return 0, false
		case sig := <-s.o.Signals:
			if ends(sig) {
				return signalExit(sig), true
			}
		case <-ctx.Done():
			return exitSignalBase, true
		case <-late:
			s.startWithout("the Waypoint server has not answered yet")
			return 0, false
		case no := <-s.refusals:
			s.o.Logger.Debug("refused", "error", no)
			if !s.o.Settings.Required {
				s.startWithout("the Waypoint server refused this instance")
				return 0, false
			}
		}
	}
}

func (s *supervisor) startWithout(why string) {
	if last := s.cache.load(); last != nil {
		s.o.Logger.Warn("starting the app with its last known configuration", "because", why)
		s.adopt(last)
		return
	}
	s.o.Logger.Warn("starting the app without configuration; it restarts when the configuration arrives", "because", why)
}

func (s *supervisor) start() error {
	s.env = childEnv(s.o.Environ, s.config.GetEnv())
	c, err := s.starter.start(childSpec{
		args: s.o.Args, env: s.env, stdin: s.o.Stdin, stdout: s.stdout, stderr: s.stderr,
	})
	s.child = c
	return err
}

func (s *supervisor) startFailed(err error) int {
	// It stands in the app's own output, because that is where people look for it.
	_, _ = fmt.Fprintf(s.stderr, "waypoint-entrypoint: %v\n", err)
	return startFailure(err)
}

// apply takes a new configuration over. If only files changed, the app is told by the signal that it chose for that.
func (s *supervisor) apply(config *waypointv1.AppConfig) {
	filesChanged := s.adopt(config)
	if err := s.cache.store(config); err != nil {
		s.o.Logger.Warn("cannot cache the configuration for a start without the server", "error", err)
	}
	if s.child == nil || !filesChanged || !slices.Equal(childEnv(s.o.Environ, config.GetEnv()), s.env) {
		return
	}
	s.tellFilesChanged()
}

func (s *supervisor) tellFilesChanged() {
	name := s.config.GetFileChangeSignal()
	if name == "" {
		return
	}
	if sig := signalNamed(name); sig != nil {
		s.child.forward(sig)
		return
	}
	s.o.Logger.Warn("unknown file_change_signal", "signal", name)
}

// adopt makes a configuration the current one and writes its files.
func (s *supervisor) adopt(config *waypointv1.AppConfig) (filesChanged bool) {
	s.config = config
	return s.writeFiles()
}

// applyFiles tries files again that could not be written.
func (s *supervisor) applyFiles() {
	if s.writeFiles() && s.child != nil {
		s.tellFilesChanged()
	}
}

// writeFiles brings the files up to date. What cannot be done is logged, shown in the app's logs, reported to the
// server and tried again.
func (s *supervisor) writeFiles() (changed bool) {
	changed, problems := s.files.apply(s.config.GetFiles())
	s.again = nil
	if len(problems) > 0 {
		s.again = time.After(fileRetry)
	}
	if s.reports.set(problems) {
		for _, p := range problems {
			s.o.Logger.Error("configuration files", "error", p)
			s.note("Problem: " + p + ". The entrypoint tries again.")
		}
	}
	return changed
}
