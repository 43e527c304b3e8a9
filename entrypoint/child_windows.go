package entrypoint

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func (s *starter) run() {
	for job := range s.jobs {
		job()
	}
}

func setAttributes(cmd *exec.Cmd, _ *os.File) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// Windows has no signals and no process groups to speak of: an app is ended, not asked to end.
func (c *child) terminate()        { c.kill() }
func (c *child) kill()             { _ = c.cmd.Process.Kill() }
func (c *child) forward(os.Signal) { c.kill() }
func ends(os.Signal) bool          { return true }
func signalNamed(string) os.Signal { return nil }

// Signals are those that end the app.
func Signals() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

// Notify sends to c what Signals names, from now on.
func Notify(c chan<- os.Signal) { signal.Notify(c, Signals()...) }

func signalExit(os.Signal) int { return exitSignalBase + int(syscall.SIGTERM) }

func exitCode(state *os.ProcessState) int { return state.ExitCode() }
