package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/git"
	"github.com/waypoint-serverless/waypoint/runner/command"
)

// Limits bound what a source may cost; 0 is the default. A repository is foreign input, and a fetch that never ends or
// fills the disk would take the runner from everybody.
type Limits struct {
	// Time is for the whole fetch; by default an hour, in which 10 GB arrive at 3 MB/s.
	Time time.Duration
	// Bytes and Files are for what is written: history, checkout and submodules.
	Bytes, Files int64
}

const (
	defaultTime  = time.Hour
	defaultBytes = 10 << 30
	defaultFiles = 2_000_000
)

func (l Limits) orDefault() Limits {
	if l.Time <= 0 {
		l.Time = defaultTime
	}
	if l.Bytes <= 0 {
		l.Bytes = defaultBytes
	}
	if l.Files <= 0 {
		l.Files = defaultFiles
	}
	return l
}

// bounded is ctx that ends when the fetch into dir has taken too long or written too much. stop must be called.
func (l Limits) bounded(ctx context.Context, dir string) (bound context.Context, stop func()) {
	late := &Error{
		Message: fmt.Sprintf("fetching the source did not end within %s", l.Time),
		Hint:    "Raise the bound with WAYPOINT_SOURCE_TIMEOUT in the runner's environment.",
	}
	timed, cancelTimer := context.WithTimeoutCause(ctx, l.Time, late)
	bound, cancel := context.WithCancelCause(timed)
	var watching sync.WaitGroup
	watching.Go(func() { l.watch(bound, dir, cancel) })
	return bound, func() {
		cancel(nil)
		cancelTimer()
		watching.Wait()
	}
}

// watchPause is how long the watch sleeps at least; fetches of ordinary repositories end before its first look.
const watchPause = time.Second

// watch looks from time to time how much dir holds, and takes a twentieth of the time for it at most.
func (l Limits) watch(ctx context.Context, dir string, cancel context.CancelCauseFunc) {
	pause := watchPause
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		began := time.Now()
		if err := l.check(ctx, dir); err != nil {
			cancel(err)
			return
		}
		pause = max(watchPause, 20*time.Since(began))
	}
}

// check reports whether dir holds more than it may.
func (l Limits) check(ctx context.Context, dir string) error {
	var size, files int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // git removes files while we look
		}
		files++
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		if size > l.Bytes || files > l.Files {
			return fs.SkipAll
		}
		return ctx.Err()
	})
	switch {
	case err != nil:
		return nil //nolint:nilerr // the fetch ended
	case size > l.Bytes:
		return &Error{
			Message: fmt.Sprintf("the source is larger than %d MB", l.Bytes>>20),
			Hint:    "Raise the bound with WAYPOINT_SOURCE_MAX_MB in the runner's environment.",
		}
	case files > l.Files:
		return &Error{Message: fmt.Sprintf("the source has more than %d files", l.Files)}
	}
	return nil
}

// fetch is one fetch of a source: its submodules are fetched with the same settings and bounds.
type fetch struct {
	program string
	control *control
	// fetched counts the submodules.
	fetched int
}

// failed is a git command that did not end well.
type failed struct {
	what, stderr string
	err          error
}

func (f *failed) Error() string { return git.Reason(f.stderr, fmt.Errorf("git %s: %w", f.what, f.err)) }
func (f *failed) Unwrap() error { return f.err }

// stderrMost is how much of git's messages is kept: the end, where the reason stands.
const stderrMost = 64 << 10

// run runs git in a process group of its own, which is killed when ctx ends. allow are the transports that it may use.
func (f *fetch) run(ctx context.Context, dir, allow string, args ...string) (string, error) {
	var out bytes.Buffer
	errs := &tail{most: stderrMost}
	err := command.Run(ctx, command.Spec{
		Args: append([]string{f.program}, args...), Dir: dir,
		Env:    append(append([]string(nil), f.control.env...), "GIT_ALLOW_PROTOCOL="+allow),
		Stdout: &out, Stderr: errs, Grace: time.Second,
	})
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return "", cause
	}
	if err != nil {
		return "", &failed{what: args[0], stderr: f.control.clean(errs.String()), err: err}
	}
	return out.String(), nil
}

// tail keeps the end of what is written to it.
type tail struct {
	bytes.Buffer
	most int
}

func (t *tail) Write(p []byte) (int, error) {
	t.Buffer.Write(p)
	if extra := t.Len() - t.most; extra > t.most { // shifting it seldom
		t.Next(extra)
	}
	return len(p), nil
}

func asError[T error](err error, target *T) bool { return errors.As(err, target) }

// emptyDir reports whether dir is a directory without entries.
func emptyDir(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) == 0
}
