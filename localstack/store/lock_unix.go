//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// fileLock is an exclusive lock on PATH.lock. The kernel drops it when the
// process dies, however it dies, so there is never a stale lock to clean up.
type fileLock struct{ f *os.File }

func acquireLock(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err == nil {
		return &fileLock{f}, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w (lock file %s)", ErrInUse, path)
	}
	return nil, fmt.Errorf("locking %s: %w", path, err)
}

// release unlocks by closing. The file stays: removing it would let two
// processes hold locks on two files of one name.
func (l *fileLock) release() error { return l.f.Close() }
