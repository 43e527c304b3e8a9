package cli

import (
	"context"
	"os"
	"testing"
)

// interrupts runs the watcher over n interrupts and waits for it; it gives what happened.
func interrupts(t *testing.T, n int, handler func()) (canceled bool, quit int) {
	t.Helper()
	env := testEnv(t)
	signals := make(chan os.Signal)
	env.Interrupts, env.Quit = signals, func(code int) { quit = code }
	sh := &shell{env: env}
	if handler != nil {
		defer sh.onInterrupt(handler)()
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		sh.watchInterrupts(ctx, func() { canceled = true; cancel() })
	}()
	for range n {
		select {
		case signals <- os.Interrupt:
		case <-done:
		}
	}
	if n < 2 && handler != nil {
		cancel()
	}
	<-done
	return canceled, quit
}

func TestTheFirstInterruptEndsTheCommand(t *testing.T) {
	if canceled, quit := interrupts(t, 1, nil); !canceled || quit != 0 {
		t.Errorf("canceled %t, quit %d", canceled, quit)
	}
}

func TestAnOperationDecidesWhatTheFirstInterruptDoes(t *testing.T) {
	called := 0
	if canceled, quit := interrupts(t, 1, func() { called++ }); canceled || quit != 0 || called != 1 {
		t.Errorf("canceled %t, quit %d, called %d", canceled, quit, called)
	}
}

func TestTheSecondInterruptQuitsAtOnce(t *testing.T) {
	called := 0
	if _, quit := interrupts(t, 2, func() { called++ }); quit != 130 || called != 1 {
		t.Errorf("quit %d, called %d", quit, called)
	}
}
