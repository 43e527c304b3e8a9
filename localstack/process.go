package localstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/localstack/filelock"
)

// spawn starts a process that outlives this one, its output appended to a log file. The channel is closed
// if it ends while this process lives.
func spawn(ctx context.Context, executable string, args, env []string, logPath string) (exited <-chan struct{}, err error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log file: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), executable, args...)
	// The server outlives this command. Values of input variables are for a job, which the server does not run.
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "WP_VAR_") }), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = os.TempDir() // no project's directory is kept busy
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() { // ends with the child, or with this process
		_ = cmd.Wait()
		close(done)
	}()
	return done, nil
}

// waitFor asks ready every few milliseconds. A process that ends before is reported with its last words.
func waitFor(ctx context.Context, limit time.Duration, exited <-chan struct{}, logPath, what string, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		if ready() {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("%s ended at once: %s (log: %s)", what, lastLine(logPath), logPath)
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer within %s; its log is %s", what, limit, logPath)
		case <-time.After(pause):
		}
	}
}

// stop asks the process in the pid file to end, kills it if it does not within killAfter, and waits until its lock is free. A free lock means that
// nothing runs, whatever the pid file says: the pid may be somebody else's by now.
func stop(ctx context.Context, pidPath, lockPath string) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	began := time.Now()
	for asked, killed := false, false; ; {
		held, err := filelock.Held(lockPath)
		if err != nil || !held {
			return err
		}
		if late := time.Since(began) > killAfter; !asked || late && !killed {
			pid, err := readPID(pidPath)
			if err != nil {
				return err
			}
			end := terminate
			if late {
				end, killed = kill, true
			}
			if err := end(pid); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return err
			}
			asked = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the process did not end within %s", stopTimeout)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// kill is for a process that does not end when asked: everything of ours survives it.
func kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}

func readPID(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading the pid file: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("the pid file %s is damaged", path)
	}
	return pid, nil
}

// lastLine is the last line of a log, at most 500 bytes of it.
func lastLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "no log"
	}
	defer func() { _ = f.Close() }()
	const most = 4096
	if info, err := f.Stat(); err == nil && info.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd)
	}
	data, _ := io.ReadAll(io.LimitReader(f, most))
	data = bytes.TrimRight(data, "\n")
	line := data[bytes.LastIndexByte(data, '\n')+1:]
	if len(line) > 500 {
		line = line[:500]
	}
	return string(line)
}
