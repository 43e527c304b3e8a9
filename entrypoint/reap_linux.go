package entrypoint

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waypoint-serverless/waypoint/internal/retry"
)

// settle lets the wait for our own child come first and collects bursts of deaths into one look.
const settle = 50 * time.Millisecond

// reap buries the orphans that PID 1 inherits, until ctx ends. It looks for zombies by name instead of
// waiting for any process, because that would take the app's own exit code away.
func (s *starter) reap(ctx context.Context, log *slog.Logger) {
	if os.Getpid() != 1 {
		return
	}
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
		if n := s.buryOrphans("/proc"); n > 0 {
			log.Debug("reaped orphans", "count", n)
		}
	}
}

func (s *starter) buryOrphans(proc string) (n int) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return 0
	}
	self := os.Getpid()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || s.pids[pid] {
			continue
		}
		stat, err := os.ReadFile(proc + "/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		state, parent, ok := parseStat(stat)
		if !ok || state != 'Z' || parent != self {
			continue
		}
		if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err == nil && got == pid {
			n++
		}
	}
	return n
}

// parseStat reads state and parent from /proc/PID/stat. The name before them is in parentheses and may hold
// anything, parentheses too.
func parseStat(stat []byte) (state byte, parent int, ok bool) {
	i := bytes.LastIndexByte(stat, ')')
	if i < 0 {
		return 0, 0, false
	}
	fields := bytes.Fields(stat[i+1:])
	if len(fields) < 2 || len(fields[0]) != 1 {
		return 0, 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return fields[0][0], parent, err == nil
}
