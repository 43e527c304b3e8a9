//go:build unix

package supervise

import (
	"os"
	"syscall"
)

// exitCode is the process's own, or 128 + n if signal n ended it.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
