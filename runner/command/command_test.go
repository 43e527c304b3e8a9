//go:build unix

package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestRunDeliversEveryLineOfAFastCommand(t *testing.T) {
	for range 20 {
		var out bytes.Buffer
		err := Run(t.Context(), Spec{Args: []string{"sh", "-c", "seq 1 2000"}, Stdout: &out})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(out.String(), "\n"); got != 2000 {
			t.Fatalf("got %d lines", got)
		}
	}
}

// slow is a writer that takes its time, as a server that is away makes it.
type slow struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *slow) Write(p []byte) (int, error) {
	time.Sleep(30 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func TestRunWaitsForASlowReader(t *testing.T) {
	var out slow
	if err := Run(t.Context(), Spec{Args: []string{"sh", "-c", "seq 1 40000"}, Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.buf.String(), "\n40000\n") {
		t.Fatalf("the last line is missing: …%q", out.buf.String()[max(0, out.buf.Len()-20):])
	}
}

func TestRunTellsExitCodes(t *testing.T) {
	err := Run(t.Context(), Spec{Args: []string{"sh", "-c", "exit 3"}})
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 3 {
		t.Fatalf("got %v", err)
	}
	if err := Run(t.Context(), Spec{Args: []string{"no-such-program-here"}}); err == nil {
		t.Fatal("a missing program must be an error")
	}
	if err := Run(t.Context(), Spec{}); err == nil {
		t.Fatal("an empty command must be an error")
	}
}

// patience bounds every wait for what must happen: the machine may be busy.
const patience = 2 * time.Minute

func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(state), ") Z ")
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if !alive(pid) {
			return
		}
	}
	t.Fatalf("process %d is still there", pid)
}

func readPID(t *testing.T, file string) int {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if b, err := os.ReadFile(file); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
				return pid
			}
		}
	}
	t.Fatal("the command never wrote its pid")
	return 0
}

func TestCancelEndsTheWholeGroupEvenIfItIgnoresTheSignal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	stop := errors.New("stopped by the test")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Spec{
			Args:  []string{"sh", "-c", `trap "" TERM; sh -c 'trap "" TERM; echo $$ > "$0.tmp"; mv "$0.tmp" "$0"; while :; do sleep 1; done' "$0" & wait; while :; do sleep 1; done`, file},
			Grace: 50 * time.Millisecond,
		})
	}()
	pid := readPID(t, file)
	cancel(stop)
	if err := <-done; !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
	waitGone(t, pid)
}

func TestWhatACommandLeavesBehind(t *testing.T) {
	script := `sleep 600 & echo $! > "$0"; echo done`
	for name, keep := range map[string]bool{"is killed": false, "stays if the caller wants it": true} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			var out bytes.Buffer
			if err := Run(t.Context(), Spec{Args: []string{"sh", "-c", script, file}, Stdout: &out, KeepBackground: keep}); err != nil {
				t.Fatal(err)
			}
			if out.String() != "done\n" {
				t.Fatalf("got %q", out.String())
			}
			pid := readPID(t, file)
			if !keep {
				waitGone(t, pid)
				return
			}
			if !alive(pid) {
				t.Fatal("the background process was killed")
			}
			_ = syscall.Kill(pid, syscall.SIGKILL)
		})
	}
}
