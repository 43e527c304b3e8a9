//go:build unix

package git

import (
	"os/exec"
	"syscall"
)

// ownGroup makes a command the leader of a process group, which is killed with it: filters and monitors that git starts
// do not outlive the question.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
