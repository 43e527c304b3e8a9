// Package filelock is an exclusive lock on a file, held by a process. The system drops it when the process
// dies, however it dies, so there is never a stale lock to clean up. It imports nothing of ours.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrHeld is returned if another process, or another Lock of this one, holds the lock.
var ErrHeld = errors.New("the lock is held by another process")

// Lock is a held lock.
type Lock struct {
	f    *os.File
	path string
}

// Acquire takes the lock on a file, which it creates (0600) if it does not exist. It never waits: ErrHeld if it is taken.
func Acquire(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	return take(f, path)
}

// AcquireExisting takes a lock on a directory, or a file, that is there for another reason, so that nobody removes it by the
// way. Where the system or the file system has no such locks it does nothing, and the Lock holds nothing.
func AcquireExisting(path string) (*Lock, error) {
	f, err := openExisting(path)
	if err != nil || f == nil {
		return &Lock{path: path}, err
	}
	l, err := take(f, path)
	if err != nil && !errors.Is(err, ErrHeld) {
		return &Lock{path: path}, nil //nolint:nilerr // network file systems lock no directories; the lock file counts there
	}
	return l, err
}

func take(f *os.File, path string) (*Lock, error) {
	if err := lock(f, true); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return &Lock{f, path}, nil
}

// poll is the pause between two tries of Await.
const poll = 10 * time.Millisecond

// Await calls acquire until it gets the lock, and as long as its file is the one of that name. When ctx ends first the error
// is ErrHeld.
func Await(ctx context.Context, acquire func() (*Lock, error)) (*Lock, error) {
	for {
		l, err := acquire()
		switch {
		case err == nil && l.StillNamed():
			return l, nil
		case err == nil: // whoever had it removed the file
			_ = l.Release()
		case !errors.Is(err, ErrHeld):
			return nil, err
		}
		timer := time.NewTimer(poll)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w: %w", ErrHeld, context.Cause(ctx))
		case <-timer.C:
		}
	}
}

// Held reports whether somebody holds the lock. It looks with a shared lock, so that two who look do not see each other.
func Held(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("opening the lock file: %w", err)
	}
	defer func() { _ = f.Close() }()
	return held(f)
}

// ExistingHeld reports whether somebody holds the lock that AcquireExisting takes.
func ExistingHeld(path string) (bool, error) {
	f, err := openExisting(path)
	if errors.Is(err, os.ErrNotExist) || f == nil && err == nil {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	is, err := held(f)
	if err != nil {
		return false, nil //nolint:nilerr // see AcquireExisting
	}
	return is, nil
}

func held(f *os.File) (bool, error) {
	err := lock(f, false)
	if errors.Is(err, ErrHeld) {
		return true, nil
	}
	return false, err
}

// Path names the lock's file.
func (l *Lock) Path() string { return l.path }

// StillNamed reports whether the lock's file is still the one of that name: somebody may have removed or replaced it.
func (l *Lock) StillNamed() bool {
	if l.f == nil {
		return true
	}
	mine, err := l.f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(l.path)
	return err == nil && os.SameFile(mine, named)
}

// Release unlocks by closing. The file stays: removing it would let two processes hold locks on two files
// of one name.
func (l *Lock) Release() error {
	if l == nil || l.f == nil {
		return nil
	}
	return l.f.Close()
}
