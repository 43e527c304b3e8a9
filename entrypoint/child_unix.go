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

// killGroup ends what is left of the app's group; nothing left is fine.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// terminate asks the whole group to end.
func (c *child) terminate() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGTERM) }

func (c *child) kill() { killGroup(c.cmd) }

// forward passes a signal on. Those that end an app go to its whole group (a shell around it would keep them
// for itself); the others only to the app, which knows what its own children shall do.
func (c *child) forward(sig os.Signal) {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return
	}
	if ends(sig) {
		_ = syscall.Kill(-c.cmd.Process.Pid, number)
		return
	}
	_ = syscall.Kill(c.cmd.Process.Pid, number)
}

// ends says whether an app that gets this signal is meant to end for good.
func ends(sig os.Signal) bool {
	return sig == syscall.SIGTERM || sig == syscall.SIGINT || sig == syscall.SIGQUIT
}

// Signals are those that the entrypoint passes on to the app.
func Signals() []os.Signal {
	return []os.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH,
	}
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
