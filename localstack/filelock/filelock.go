// Package filelock is an exclusive lock on a file, held by a process. The system drops it when the process
// dies, however it dies, so there is never a stale lock to clean up. It imports nothing of ours.
package filelock

import (
	"errors"
	"fmt"
	"os"
)

// ErrHeld says that another process, or another Lock of this one, holds the lock.
var ErrHeld = errors.New("the lock is held by another process")

// Lock is a held lock.
type Lock struct{ f *os.File }

// Acquire takes the lock on a file, which it creates (0600) if need be. It never waits: ErrHeld if it is taken.
func Acquire(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	if err := lock(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return &Lock{f}, nil
}

// Held says whether somebody holds the lock.
func Held(path string) (bool, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	l, err := Acquire(path)
	if errors.Is(err, ErrHeld) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, l.Release()
}

// Release unlocks by closing. The file stays: removing it would let two processes hold locks on two files
// of one name.
func (l *Lock) Release() error { return l.f.Close() }
