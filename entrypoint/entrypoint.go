// Package entrypoint is the supervisor around a deployed app: it gets the app's configuration from the
// server, starts the app with it, restarts it when its environment changes, passes signals on, ships its
// output and ends with its exit code.
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
	s := &supervisor{
		o: o, starter: newStarter(), stdout: o.Stdout, stderr: o.Stderr,
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
	out := &splitter{to: logs, now: o.Now}
	errOut := &splitter{to: logs, now: o.Now, stderr: true}
	s.stdout = io.MultiWriter(o.Stdout, out)
	s.stderr = io.MultiWriter(o.Stderr, errOut)
	told := newIntervals()
	ship := &shipper{
		client: o.Client, buffer: logs, splitters: []*splitter{out, errOut}, intervals: told, log: o.Logger,
		deploymentID: o.Settings.DeploymentID, instanceID: o.InstanceID,
	}
	remote := &remote{
		client: o.Client, intervals: told, log: o.Logger, version: o.Version,
		deploymentID: o.Settings.DeploymentID, instanceID: o.InstanceID,
		configs: s.configs, refusals: s.refusals,
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
	cache          *cache
	configs        chan *waypointv1.AppConfig
	refusals       chan error
	connected      bool

	config *waypointv1.AppConfig
	env    []string
	child  *child
	// restarting: the app was asked to end so that it can start again with a new environment.
	restarting bool
	// ending: somebody asked for the end; nothing is started any more.
	ending bool
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
	var kill <-chan time.Time
	for {
		select {
		case config := <-s.configs:
			if s.apply(config) && !s.restarting && !s.ending {
				s.o.Logger.Info("the app's environment changed; restarting it")
				s.restarting = true
				kill = time.After(s.o.StopGrace)
				s.child.terminate()
			}
		case sig := <-s.o.Signals:
			s.ending = s.ending || ends(sig)
			s.child.forward(sig)
		case <-ctx.Done():
			s.child.kill()
			return <-s.child.done
		case <-kill:
			kill = nil
			s.o.Logger.Warn("the app did not end within its grace; killing it", "grace", s.o.StopGrace)
			s.child.kill()
		case code := <-s.child.done:
			kill = nil
			if !s.restarting || s.ending {
				return code
			}
			s.restarting = false
			if err := s.start(); err != nil {
				return s.startFailed(err)
			}
		}
	}
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
	s.o.Logger.Warn("starting the app without configuration; it restarts when there is one", "because", why)
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
	_, _ = fmt.Fprintf(s.stderr, "waypoint-entrypoint: cannot start %s: %v\n", s.o.Args[0], err)
	return startFailure(err)
}

// apply takes a new configuration over and says whether the app must be restarted for it.
func (s *supervisor) apply(config *waypointv1.AppConfig) (restart bool) {
	filesChanged := s.adopt(config)
	if err := s.cache.store(config); err != nil {
		s.o.Logger.Warn("cannot keep the configuration for a start without the server", "error", err)
	}
	if s.child == nil {
		return false
	}
	if !slices.Equal(childEnv(s.o.Environ, config.GetEnv()), s.env) {
		return true
	}
	if filesChanged && config.GetFileChangeSignal() != "" {
		if sig := signalNamed(config.GetFileChangeSignal()); sig != nil {
			s.child.forward(sig)
		} else {
			s.o.Logger.Warn("unknown file_change_signal", "signal", config.GetFileChangeSignal())
		}
	}
	return false
}

// adopt makes a configuration the current one and writes its files.
func (s *supervisor) adopt(config *waypointv1.AppConfig) (filesChanged bool) {
	changed, err := applyFiles(s.config.GetFiles(), config.GetFiles())
	if err != nil {
		s.o.Logger.Error("configuration files", "error", err)
	}
	s.config = config
	return changed
}
