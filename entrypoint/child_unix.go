//go:build unix

package entrypoint

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// run executes starts on a thread of its own. The thread ends with the goroutine, as it was never unlocked.
func (s *starter) run() {
	runtime.LockOSThread()
	for job := range s.jobs {
		job()
	}
}

// setAttributes puts the app into a group of its own. If our standard input is the terminal in whose
// foreground we run, the app's group takes our place there, so that it can read and gets Ctrl-C.
func setAttributes(cmd *exec.Cmd, stdin *os.File) {
	cmd.SysProcAttr = attributes()
	if stdin == nil {
		return
	}
	fd := int(stdin.Fd())
	foreground, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err == nil && foreground == unix.Getpgrp() {
		cmd.SysProcAttr.Foreground = true
		cmd.SysProcAttr.Ctty = fd
	}
}

// terminate asks the whole group to end. One that was stopped goes on, or it would never see the request.
func (c *child) terminate() {
	c.signalGroup(syscall.SIGTERM)
	c.signalGroup(syscall.SIGCONT)
}

func (c *child) kill() { c.signalGroup(syscall.SIGKILL) }

// signalGroup does nothing once the app has ended: its number may be somebody else's by then.
func (c *child) signalGroup(number syscall.Signal) {
	if !c.hasEnded() {
		_ = syscall.Kill(-c.cmd.Process.Pid, number)
	}
}

// forward passes a signal on. Those that end an app go to its whole group (a shell around it would keep them
// for itself); the others only to the app, which knows what its own children shall do.
func (c *child) forward(sig os.Signal) {
	number, ok := sig.(syscall.Signal)
	switch {
	case !ok || c.hasEnded():
	case ends(sig):
		c.signalGroup(number)
	default:
		_ = c.cmd.Process.Signal(number)
	}
}

// ends reports whether a signal usually asks an app to end. One that lives on has another use for it.
func ends(sig os.Signal) bool {
	return sig == syscall.SIGTERM || sig == syscall.SIGINT || sig == syscall.SIGQUIT
}

// signalNamed reads file_change_signal: "HUP", "SIGHUP" or "sighup". nil: there is no such signal.
func signalNamed(name string) os.Signal {
	name = strings.ToUpper(strings.TrimSpace(name))
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if number := unix.SignalNum(name); number != 0 {
		return number
	}
	return nil
}

func signalExit(sig os.Signal) int {
	if number, ok := sig.(syscall.Signal); ok {
		return exitSignalBase + int(number)
	}
	return exitSignalBase
}

func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignalBase + int(status.Signal())
	}
	return state.ExitCode()
}
