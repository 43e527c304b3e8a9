//go:build !windows

package shell

import (
	"os"
	"os/signal"
	"syscall"
)

// interruptSignals end a command. SIGHUP (the terminal was closed, the SSH connection was lost) counts as SIGTERM,
// unless the command was started with it ignored: nohup means that it is to go on.
func interruptSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// CatchBrokenPipes makes a write to a closed stdout or stderr an error. By default it ends the process in the middle,
// and what the command has yet to remove stays. The signal is caught, not ignored: commands that are started would
// inherit that it is ignored.
func CatchBrokenPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
