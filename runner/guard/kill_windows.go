package guard

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP}
}

func ignoreSignals() { signal.Ignore(os.Interrupt, syscall.SIGTERM) }

// killAll has nothing to do: each command belongs to a job object, which the system ends with the runner.
func killAll(map[string]commandState, time.Duration) bool { return true }
