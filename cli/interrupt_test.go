package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// watched runs the watcher over signals and waits for it; it returns the code that the process quit with, and why the
// command was cancelled.
func watched(t *testing.T, signals ...os.Signal) (quit int, cause error) {
	t.Helper()
	env := testEnv(t)
	in := make(chan os.Signal)
	env.Interrupts, env.Quit = in, func(code int) { quit = code }
	sh := newShell(Deps{Env: env})
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

// blocked is a terminal at which nobody types.
type blocked struct{ reading chan struct{} }

func (b blocked) Read([]byte) (int, error) {
	close(b.reading)
	select {}
}

// buffer is a stderr that is read while it is written.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestASignalEndsWhateverReadsTheTerminal runs commands that wait for an answer, shown or not, or for stdin.
func TestASignalEndsWhateverReadsTheTerminal(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		secret bool
	}{
		"a question":        {args: []string{"job", "list", "-project", "p"}}, // no server is configured: it offers to install one
		"a hidden answer":   {args: []string{"login", "https://waypoint.example.com"}, secret: true},
		"a token on stdin":  {args: []string{"login", "https://waypoint.example.com", "-"}},
		"a file on stdin":   {args: []string{"fmt", "-"}},
		"settings on stdin": {args: []string{"config", "set", "-project", "p"}},
	} {
		t.Run(name, func(t *testing.T) {
			env := testEnv(t)
			home := t.TempDir()
			env.Lookup = func(name string) (string, bool) { return map[string]string{"HOME": home}[name], name == "HOME" }
			reading, restored := make(chan struct{}), false
			var out buffer
			env.In, env.Err, env.InTTY, env.ErrTTY = blocked{reading}, &out, c.args[0] != "config", true
			if c.secret {
				env.In = strings.NewReader("")
				env.ReadSecret = func() (string, error) { close(reading); select {} }
			}
			env.RestoreTerminal = func() { restored = true }
			signals := make(chan os.Signal, 1)
			env.Interrupts = signals
			code := make(chan int, 1)
			go func() { code <- Run(t.Context(), Deps{Env: env}, c.args) }()
			select {
			case <-reading:
			case got := <-code:
				t.Fatalf("it ended with %d before it read: %s", got, out.String())
			}
			signals <- syscall.SIGHUP
			if got := <-code; got != 129 {
				t.Errorf("exit code %d, %s", got, out.String())
			}
			if c.secret && !restored {
				t.Error("the terminal was not restored")
			}
		})
	}
}

func TestAReaderThatIsGoneCancelsTheCommand(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	defer func() { _ = w.Close() }()
	env := testEnv(t)
	env.Out = w
	if code := Run(t.Context(), Deps{Env: env}, []string{"version"}); code != brokenPipeCode {
		t.Errorf("exit code %d", code)
	}
	if text := env.Err.(*bytes.Buffer).String(); text != "" {
		t.Errorf("it said %q", text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := outputWriter{Writer: w, broken: cancel}
	if _, err := io.WriteString(out, "x"); !errors.Is(err, syscall.EPIPE) || ctx.Err() == nil {
		t.Errorf("the write ended with %v, the context with %v", err, ctx.Err())
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
