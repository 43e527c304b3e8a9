package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/waypoint-serverless/waypoint/localstack/filelock"
)

// guardEvery is how often a daemon looks whether the files that it is found by are still there.
const guardEvery = time.Second

// guard keeps the files by which a daemon is found: its lock, its pid file, its sockets, and its log within bounds.
// Somebody who tidies up may remove them while it runs; without them a second one would be started, or nobody would
// reach this one.
type guard struct {
	// whole is the lock on something that cannot be removed by the way.
	whole   *filelock.Lock
	lock    *filelock.Lock
	pid     *pidFile
	sockets []*socket
	log     *slog.Logger
}

func (g *guard) loop(ctx context.Context) {
	tick := time.NewTicker(guardEvery)
	defer tick.Stop()
	for {
		boundLog(os.Getenv(envLog))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := g.look(ctx); err != nil {
			g.log.WarnContext(ctx, "could not restore the files that identify this process", "error", err)
		}
	}
}

func (g *guard) look(ctx context.Context) error {
	var failed []error
	if !g.lock.StillNamed() {
		if again, err := filelock.Acquire(g.lock.Path()); err == nil {
			_ = g.lock.Release()
			g.lock = again
			g.log.WarnContext(ctx, "the lock file was removed, and has been restored", "file", g.lock.Path())
		} else if !errors.Is(err, filelock.ErrHeld) { // held: somebody looks just now
			failed = append(failed, err)
		}
	}
	if !g.pid.inPlace() {
		if again, err := takePIDFile(g.pid.path); err == nil {
			_ = g.pid.f.Close()
			g.pid = again
		} else {
			failed = append(failed, err)
		}
	}
	for _, s := range g.sockets {
		if s.inPlace() {
			continue
		}
		err := s.open(ctx)
		if err == nil {
			g.log.WarnContext(ctx, "the socket was removed, and has been restored", "socket", s.path)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// release gives up what the daemon is found by.
func (g *guard) release() {
	g.pid.release()
	_ = g.lock.Release()
	_ = g.whole.Release()
}

// maxLog is the size at which a daemon's log begins a new file. The one before is kept, so that no more than twice as
// much, and what a second brings, is on disk.
const maxLog = 8 << 20

// boundLog begins a new log file if the current one is large. path is empty for a process in the foreground.
func boundLog(path string) {
	if path == "" || logSize(path) < maxLog {
		return
	}
	if os.Rename(path, path+".1") != nil {
		return
	}
	fresh, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return // what follows goes to the former file, and the next look tries again
	}
	defer func() { _ = fresh.Close() }()
	redirectOutput(fresh)
}
