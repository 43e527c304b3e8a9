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

	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/cli/shelltest"
)

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
			env := shelltest.Env(t)
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
			go func() { code <- Run(t.Context(), shell.Deps{Env: env}, c.args) }()
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
	env := shelltest.Env(t)
	env.Out = w
	if code := Run(t.Context(), shell.Deps{Env: env}, []string{"version"}); code != shell.BrokenPipeCode {
		t.Errorf("exit code %d", code)
	}
	if text := env.Err.(*bytes.Buffer).String(); text != "" {
		t.Errorf("it said %q", text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := shell.OutputWriter{Writer: w, Broken: cancel}
	if _, err := io.WriteString(out, "x"); !errors.Is(err, syscall.EPIPE) || ctx.Err() == nil {
		t.Errorf("the write ended with %v, the context with %v", err, ctx.Err())
	}
}
