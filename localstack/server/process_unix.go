//go:build unix

package server

import (
	"os/exec"
	"syscall"
)

const executableSuffix = ""

// detach gives the process a session of its own, so that no terminal's Ctrl-C or hang-up reaches it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// terminate asks a process to end; one that was stopped by a signal is continued, so that it can.
func terminate(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return ended(err)
	}
	return ended(syscall.Kill(pid, syscall.SIGCONT))
}

func ended(err error) error {
	if err == syscall.ESRCH { //nolint:errorlint // a system call returns this very value
		return nil
	}
	return err
}
