//go:build unix

package pluginpipe

import (
	"os"
	"syscall"
)

func ignored() []os.Signal {
	return []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE}
}

// apart is a process group of its own, so that the terminal's signals do not reach the process.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
