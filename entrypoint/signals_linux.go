package entrypoint

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// lastSignal is the greatest number of a signal, SIGRTMAX.
const lastSignal = 64

// keptBack reports whether a signal is not passed on. KILL and STOP cannot be caught. CHLD is about our own children.
// URG and PROF belong to the Go runtime, and 32 and 33 to it and to C libraries. PIPE and XFSZ come from our own writes
// to a closed output or beyond a size limit, and cannot be told from those that somebody sent.
func keptBack(n syscall.Signal) bool {
	switch n {
	case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPROF, unix.SIGPIPE, unix.SIGXFSZ, 32, 33:
		return true
	}
	return false
}

// Signals are those that the entrypoint passes on to the app: all that a process can catch, but those that are its own
// affair. Signals like SEGV, which the processor raises, are among them: from another process they are ordinary.
func Signals() []os.Signal {
	var all []os.Signal
	for n := syscall.Signal(1); n <= lastSignal; n++ {
		if !keptBack(n) {
			all = append(all, n)
		}
	}
	return all
}

// Notify sends to c what Signals names, from now on.
func Notify(c chan<- os.Signal) {
	signal.Notify(c, Signals()...)
	// Caught and dropped: otherwise a closed output would end us, and with us the app. Ignored signals would be ignored by
	// the app, too.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE, unix.SIGXFSZ)
	notifyFirstRealtime(c)
}
