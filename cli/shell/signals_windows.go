package shell

import (
	"os"
	"syscall"
)

// interruptSignals end a command: Ctrl-C and Ctrl-Break arrive as os.Interrupt, the closing of the console, logging off
// and shutting down as SIGTERM.
func interruptSignals() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

// CatchBrokenPipes has nothing to do: a write to a closed pipe is an error on Windows anyway.
func CatchBrokenPipes() {}
