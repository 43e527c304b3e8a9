//go:build unix

package guard

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// process is one process of this machine.
type process struct {
	pid, parent, group int
	// marks is the value of EnvMark that it was started with.
	marks string
}

// killPause is how long killed processes get before it is looked again who is left.
const killPause = 5 * time.Millisecond

// apart is a session of its own, so that neither the terminal's signals nor its end reach the guard.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func ignoreSignals() { signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE) }

// killAll kills all processes of commands and reports whether they are gone. It looks again until it finds nobody: a
// process that was about to start another may have done so.
func killAll(commands map[string]commandState, bound time.Duration) (gone bool) {
	if len(commands) == 0 {
		return true
	}
	for deadline := time.Now().Add(bound); ; time.Sleep(killPause) {
		found := members(commands, processes(), os.Getpid())
		for _, pid := range found {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(found) == 0 {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// members are the processes of commands: in the group that a command leads, started with its mark (also after a daemon has
// left group and session), or descended from such a process. self is never one.
func members(commands map[string]commandState, all []process, self int) []int {
	groups := map[int]bool{}
	for _, c := range commands {
		if c.PID > 0 {
			groups[c.PID] = true
		}
	}
	children := map[int][]int{}
	var queue, found []int
	seen := map[int]bool{self: true, 0: true, 1: true}
	add := func(pid int) {
		if !seen[pid] {
			seen[pid] = true
			queue, found = append(queue, pid), append(found, pid)
		}
	}
	for _, p := range all {
		children[p.parent] = append(children[p.parent], p.pid)
	}
	for _, p := range all {
		if groups[p.group] || groups[p.pid] || marked(p.marks, commands) {
			add(p.pid)
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		for _, child := range children[queue[0]] {
			add(child)
		}
	}
	return found
}
