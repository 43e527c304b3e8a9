//go:build unix

package server

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// lockOwned takes a lock that names its owner to whoever asks. It ends with the process, and when the process closes
// the file or opens and closes it again.
func lockOwned(f *os.File) error {
	return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart})
}

// owner asks the system who holds the lock that lockOwned takes. A process of another container has no number here.
func owner(path string) (pid int) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil || lock.Type == unix.F_UNLCK {
		return 0
	}
	return int(lock.Pid)
}

func isQueueFull(err error) bool { return errors.Is(err, unix.EAGAIN) }
