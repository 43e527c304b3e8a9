package shell

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"
)

// watched runs the watcher over signals and waits for it; it returns the code that the process quit with, and why the
// command was cancelled.
func watched(t *testing.T, signals ...os.Signal) (quit int, cause error) {
	t.Helper()
	env := &Env{Err: io.Discard, Lookup: func(string) (string, bool) { return "", false }}
	in := make(chan os.Signal)
	env.Interrupts, env.Quit = in, func(code int) { quit = code }
	sh := New(Deps{Env: env})
	ctx, cancel := context.WithCancelCause(t.Context())
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		sh.watchInterrupts(ended, cancel)
	}()
	for _, s := range signals {
		select {
		case in <- s:
		case <-done:
		}
	}
	if len(signals) < 2 {
		close(ended)
	}
	<-done
	return quit, context.Cause(ctx)
}

func TestTheFirstSignalCancelsTheSecondQuits(t *testing.T) {
	for signal, code := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		var why *interruption
		if quit, cause := watched(t, signal); !errors.As(cause, &why) || why.code() != code || quit != 0 {
			t.Errorf("%s: cancelled by %v, quit %d", signal, cause, quit)
		}
		// The one that ends the process is the one that the exit code names.
		if quit, _ := watched(t, os.Interrupt, signal); quit != code {
			t.Errorf("%s after an interrupt: quit %d", signal, quit)
		}
	}
}

func TestAnInterruptedReadKeepsItsBufferToItself(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	from, to := io.Pipe()
	in := inputReader{ctx: ctx, from: from}
	p := make([]byte, 4)
	cancel()
	if _, err := in.Read(p); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _, _ = to.Write([]byte("late")) }()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		t.Fatal("the read is not there any more")
	}
	if string(p) != "\x00\x00\x00\x00" {
		t.Errorf("the caller's buffer became %q", p)
	}
}
