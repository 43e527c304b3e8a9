package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/localstack/filelock"
)

// spawn starts a process that outlives this one, its output appended to a log file. The channel is closed
// if it ends while this process lives.
func spawn(ctx context.Context, d dir, executable string, args, env []string, logPath string) (exited <-chan struct{}, err error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log file: %w", err)
	}
	defer func() { _ = log.Close() }()
	if _, err := os.Stat(executable); err != nil {
		return nil, fmt.Errorf("the installed waypoint binary no longer exists (%w): run `waypoint install --platform=local` with the binary to use", err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), executable, args...)
	// The server outlives this command. Values of input variables are for a job, which the server does not run.
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "WP_VAR_") }), env...)
	cmd.Env = append(cmd.Env, EnvDir+"="+string(d), envLog+"="+logPath)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = string(d) // no project's directory is kept busy, and it is there whatever TMPDIR says
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

// errExited says that a process ended before it was ready.
var errExited = errors.New("the process ended")

// waitFor asks ready every few milliseconds. exited, if not nil, is closed when the process that is waited for has
// ended.
func waitFor(ctx context.Context, limit time.Duration, exited <-chan struct{}, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		if ready() {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-exited:
			timer.Stop()
			return errExited
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// daemon is one of the two processes in the background.
type daemon struct {
	// what it is called in sentences.
	what, lock, pidFile, log string
	// pid returns its process, by the system's word; 0 if it cannot be told.
	pid func(context.Context) int
	// runs reports whether it runs, wherever its number may be known.
	runs func(context.Context) (bool, error)
}

func (d dir) server() daemon {
	return daemon{
		what: "server", lock: d.serverLock(), pidFile: d.serverPIDFile(), log: d.serverLog(), pid: d.serverPID,
		runs: func(ctx context.Context) (bool, error) {
			if held, err := filelock.Held(d.serverLock()); err != nil || held {
				return held, err
			}
			if held, err := filelock.ExistingHeld(string(d)); err != nil || held {
				return held, err
			}
			_, listens := d.listener(ctx)
			return listens, nil
		},
	}
}

func (d dir) runner() daemon {
	return daemon{
		what: "runner", lock: d.runnerLock(), pidFile: d.runnerPIDFile(), log: d.runnerLog(), pid: d.runnerPID,
		runs: func(context.Context) (bool, error) {
			if held, err := filelock.Held(d.runnerLock()); err != nil || held {
				return held, err
			}
			return filelock.ExistingHeld(d.keys())
		},
	}
}

// stop asks a daemon to end, kills it if it has not ended after killAfter, and returns when nothing of it runs. Only a
// process that the system names as the daemon is sent a signal.
func (p daemon) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	began := time.Now()
	asked, killed := 0, 0
	for {
		running, err := p.runs(ctx)
		if err != nil || !running {
			return err
		}
		late := time.Since(began) > killAfter
		if pid := p.pid(ctx); pid > 0 && pid != os.Getpid() && (pid != asked || late && pid != killed) {
			end := terminate
			if late {
				end, killed = kill, pid
			}
			asked = pid
			if err := end(pid); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return fmt.Errorf("ending the %s, process %d: %w", p.what, pid, err)
			}
		}
		timer := time.NewTimer(20 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return p.cannotStop(asked)
		case <-timer.C:
		}
	}
}

func (p daemon) cannotStop(asked int) error {
	if asked > 0 {
		return fmt.Errorf("the %s, process %d, did not end within %s", p.what, asked, stopTimeout)
	}
	said := readPIDFile(p.pidFile)
	return fmt.Errorf("a %s runs, but its process cannot be identified (it may be in another container that shares this directory); "+
		"%s contains %d: make sure that this process is the %s, end it there, and try again", p.what, p.pidFile, said, p.what)
}

// kill is for a process that does not end when asked: everything of ours survives it.
func kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}

// logSize is where a log ends now.
func logSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// didNotStart words that a daemon ended before it was ready, by the error and the hint that it printed to its log.
func (p daemon) didNotStart(from int64) error {
	said, hint := lastWords(p.log, from)
	if hint != "" {
		hint += "\n"
	}
	return &Trouble{Message: fmt.Sprintf("the %s did not start: %s", p.what, said), Hint: hint + "Its log is " + p.log + "."}
}

// lastWords returns what a process printed to its log that ended: the error that it gave, without the prefix that the
// command line puts before it, with its hint, or its last line.
func lastWords(path string, from int64) (said, hint string) {
	f, err := os.Open(path)
	if err != nil {
		return "its log is empty", ""
	}
	defer func() { _ = f.Close() }()
	if logSize(path) < from { // it has begun anew since
		from = 0
	}
	const most = 64 << 10
	data, _ := io.ReadAll(io.LimitReader(io.NewSectionReader(f, max(from, logSize(path)-most), most), most))
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if said, ok := strings.CutPrefix(lines[i], "Error: "); ok {
			return lowerFirst(strings.TrimSpace(said)), strings.Join(trimAll(lines[i+1:]), "\n")
		}
	}
	last := lines[len(lines)-1]
	if last == "" {
		return "it printed nothing", ""
	}
	return last[:min(len(last), 500)], ""
}

// lowerFirst undoes that an error was printed as a sentence.
func lowerFirst(s string) string {
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && (s[1] < 'A' || s[1] > 'Z') {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}

func trimAll(lines []string) []string {
	var out []string
	for _, l := range lines {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}
