//go:build unix

package localstack

import (
	"os"
	"os/exec"
	"syscall"
)

// detach gives the process a session of its own, so that no terminal's Ctrl-C or hang-up reaches it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func terminate(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Signal(syscall.SIGTERM)
}
