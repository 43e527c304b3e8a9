//go:build unix && !linux

package proctree

import "golang.org/x/sys/unix"

// process is a process group, by its negative number.
type process struct{ pid int }

func (p process) terminate() {
	_ = unix.Kill(p.pid, unix.SIGTERM)
	_ = unix.Kill(p.pid, unix.SIGCONT)
}

func (p process) kill() { _ = unix.Kill(p.pid, unix.SIGKILL) }

// Adopt does nothing: only Linux gives orphans to another process than the first.
func Adopt() error { return nil }

func remaining(group int) []process {
	if group <= 1 || unix.Kill(-group, 0) != nil {
		return nil
	}
	return []process{{pid: -group}}
}
