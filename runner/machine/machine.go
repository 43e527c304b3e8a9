// Package machine is what plugins need whose platform is the machine that the runner is on: processes that
// outlive the runner, recognised beyond the reuse of their numbers; locks that end with their holder; files
// that are replaced in one step; ports.
//
// It does not depend on plugins, jobs or the server.
package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a process as it can be recognised later: its number and when it started, in the system's own
// words. The zero Process is never alive.
type Process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"`
}

// Self is this process.
func Self() Process {
	p, _ := Find(os.Getpid())
	return p
}

// Find gives the process that has that number now; ok is false if there is none.
func Find(pid int) (p Process, ok bool) {
	if pid <= 0 {
		return Process{}, false
	}
	start, alive := startOf(pid)
	return Process{PID: pid, Start: start}, alive
}

// Alive reports whether it still runs: not whether a process of that number does. A zombie does not run.
func (p Process) Alive() bool {
	if p.PID <= 0 || p.Start == "" {
		return false
	}
	start, alive := startOf(p.PID)
	return alive && start == p.Start
}

// Terminate asks it to end. Not running is fine.
func (p Process) Terminate() error {
	if !p.Alive() {
		return nil
	}
	return terminate(p.PID)
}

// TerminateGroup asks it and the group that it leads to end. Not running is fine.
func (p Process) TerminateGroup() error {
	if !p.Alive() {
		return nil
	}
	return terminateGroup(p.PID)
}

// KillTree ends it and everything that it started, at once. Not running is fine.
func (p Process) KillTree() error {
	if !p.Alive() {
		return nil
	}
	return killTree(p.PID)
}

// poll is the pause between two looks at something that tells nobody when it changes.
const poll = 20 * time.Millisecond

// AwaitEnd waits until it has ended; ctx bounds it.
func (p Process) AwaitEnd(ctx context.Context) error {
	for p.Alive() {
		if err := pause(ctx, poll); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// ErrLocked says that somebody else holds the lock.
var ErrLocked = errors.New("locked by another process")

// IsLocked reports whether a daemon did not start because of ErrLocked: from Launch comes only its sentence.
func IsLocked(err error) bool {
	return err != nil && strings.Contains(err.Error(), ErrLocked.Error())
}

// Lock is a lock on a file. It ends when it is closed or when its holder dies, however that happens.
type Lock struct {
	file *os.File
	path string
}

// TryLock takes the lock at path, or fails with ErrLocked.
func TryLock(path string) (*Lock, error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := lockFile(f); err != nil {
			_ = f.Close()
			return nil, err
		}
		// A holder may have removed the file between our opening and our locking it.
		mine, err := f.Stat()
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		named, err := os.Stat(path)
		if err == nil && os.SameFile(mine, named) {
			return &Lock{file: f, path: path}, nil
		}
		_ = f.Close()
	}
}

// AwaitLock takes the lock as soon as it is free; ctx bounds it.
func AwaitLock(ctx context.Context, path string) (*Lock, error) {
	for {
		l, err := TryLock(path)
		if !errors.Is(err, ErrLocked) {
			return l, err
		}
		if err := pause(ctx, poll); err != nil {
			return nil, ErrLocked
		}
	}
}

// Close gives the lock back.
func (l *Lock) Close() { _ = l.file.Close() }

// Remove gives the lock back and removes its file.
func (l *Lock) Remove() {
	removeLocked(l.file, l.path)
}

// WriteJSON replaces a file in one step with v as JSON: a reader sees the old content or the new, also after
// a crash.
func WriteJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, append(b, '\n'))
}

// WriteFile replaces a file in one step, mode 0600.
func WriteFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = replace(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// ReadJSON reads what WriteJSON wrote. ok is false if there is no such file.
func ReadJSON(path string, v any) (ok bool, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, fmt.Errorf("reading %s: %w", path, err)
	}
	return true, nil
}

// PortFree reports whether a loopback port can be listened on now, on 127.0.0.1 and on ::1: an app may use either, and
// somebody else's program on the other would be taken for it.
func PortFree(port int) bool {
	for _, addr := range []string{LoopbackAddr(port), net.JoinHostPort("::1", strconv.Itoa(port))} {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
		switch {
		case err == nil:
			_ = l.Close()
		case addr == LoopbackAddr(port) || errors.Is(err, syscall.EADDRINUSE):
			return false
		}
	}
	return true
}

// LoopbackAddr is "127.0.0.1:port".
func LoopbackAddr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
