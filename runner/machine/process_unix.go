//go:build unix

package machine

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func terminate(pid int) error { return gone(syscall.Kill(pid, syscall.SIGTERM)) }

func terminateGroup(pid int) error { return gone(syscall.Kill(-pid, syscall.SIGTERM)) }

// KillGroup ends what is left of a group whose leader has ended. Nothing left is fine.
func KillGroup(leader int) { _ = syscall.Kill(-leader, syscall.SIGKILL) }

// killTree stops the process first, so that it cannot start more while its descendants are counted.
func killTree(pid int) error {
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	all := append(descendants(pid), pid)
	for _, p := range all {
		// A group that one of them leads goes with it.
		if group, err := syscall.Getpgid(p); err == nil && group == p {
			_ = syscall.Kill(-p, syscall.SIGKILL)
		}
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
	return gone(syscall.Kill(pid, syscall.SIGKILL))
}

func gone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// descendants of a process, from a list of (pid, parent) of all.
func descendants(root int) (found []int) {
	children := map[int][]int{}
	for pid, parent := range Parents() {
		children[parent] = append(children[parent], pid)
	}
	queue := []int{root}
	for len(queue) > 0 {
		found = append(found, children[queue[0]]...)
		queue = append(queue[1:], children[queue[0]]...)
	}
	return found
}

// detached: a session of its own, with no terminal.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

func removeLocked(f *os.File, path string) {
	_ = os.Remove(path)
	_ = f.Close()
}

func replace(from, to string) error { return os.Rename(from, to) }
