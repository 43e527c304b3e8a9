package store

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// fileLock is an exclusive lock on PATH.lock. The system drops it when the
// process dies, however it dies, so there is never a stale lock to clean up.
type fileLock struct{ f *os.File }

func acquireLock(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err = windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{})
	if err == nil {
		return &fileLock{f}, nil
	}
	f.Close()
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return nil, fmt.Errorf("%w (lock file %s)", ErrInUse, path)
	}
	return nil, fmt.Errorf("locking %s: %w", path, err)
}

// release unlocks by closing. The file stays: removing it would let two
// processes hold locks on two files of one name.
func (l *fileLock) release() error { return l.f.Close() }
