package entrypoint

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waypoint-serverless/waypoint/internal/proctree"
	"github.com/waypoint-serverless/waypoint/internal/retry"
)

// settle lets the wait for our own child come first and collects bursts of deaths into one look.
const settle = 50 * time.Millisecond

// reap waits for orphans that became our children, until ctx ends: as PID 1 we get all of the container's, elsewhere
// those of the app. It looks for zombies by name instead of waiting for any process, because that would take the app's
// own exit code away.
func (s *starter) reap(ctx context.Context, log *slog.Logger) {
	deaths := make(chan os.Signal, 1)
	signal.Notify(deaths, unix.SIGCHLD)
	defer signal.Stop(deaths)
	for {
		select {
		case <-ctx.Done():
			return
		case <-deaths:
		}
		if !retry.Sleep(ctx, settle) {
			return
		}
		if n := s.reapOrphans(); n > 0 {
			log.Debug("reaped orphans", "count", n)
		}
	}
}

func (s *starter) reapOrphans() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range proctree.Children() {
		if c.State != 'Z' || s.pids[c.PID] {
			continue
		}
		if got, err := unix.Wait4(c.PID, nil, unix.WNOHANG, nil); err == nil && got == c.PID {
			n++
		}
	}
	return n
}
