//go:build unix

package runtimeapi

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the process and its children into a process group, to be killed together.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills what is left of the group; ESRCH says that nothing is.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
