package entrypoint

import (
	"syscall"
	"testing"
)

func TestSignalNames(t *testing.T) {
	for name, want := range map[string]syscall.Signal{"HUP": syscall.SIGHUP, "SIGHUP": syscall.SIGHUP, " sigusr1 ": syscall.SIGUSR1} {
		if got := signalNamed(name); got != want {
			t.Errorf("%q is %v", name, got)
		}
	}
	if signalNamed("SIGNOTHING") != nil || signalNamed("") != nil {
		t.Error("a signal that does not exist")
	}
}
