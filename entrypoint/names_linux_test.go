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

func TestProcStatIsReadWhateverTheNameIs(t *testing.T) {
	for line, want := range map[string]struct {
		state  byte
		parent int
		ok     bool
	}{
		"7 (sh) Z 1 7 7":         {'Z', 1, true},
		"7 (a) Z 1) b) S 42 7 7": {'S', 42, true},
		"7 sh":                   {0, 0, false},
		"7 (sh) Z":               {0, 0, false},
	} {
		state, parent, ok := parseStat([]byte(line))
		if ok != want.ok || ok && (state != want.state || parent != want.parent) {
			t.Errorf("%q: %c %d %v", line, state, parent, ok)
		}
	}
}
