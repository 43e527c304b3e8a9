//go:build unix && !linux

package entrypoint

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Signals are those that the entrypoint passes on to the app.
func Signals() []os.Signal {
	return []os.Signal{
		unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGALRM,
		unix.SIGVTALRM, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT, unix.SIGABRT, unix.SIGIO, unix.SIGXCPU,
	}
}

// Notify sends to c what Signals names, from now on.
func Notify(c chan<- os.Signal) {
	signal.Notify(c, Signals()...)
	// Caught and dropped: otherwise a closed output would end us, and with us the app.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE, unix.SIGXFSZ)
}
