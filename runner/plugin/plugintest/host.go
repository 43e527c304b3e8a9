// Package plugintest is the conformance suite of the plugin contract: Run holds a plugin to what the comments of package
// plugin say, in process or over a pipe, and Sample is a small plugin that has every kind and every optional interface.
// Host is a runner's services for tests. It is imported by tests alone.
package plugintest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// Screen is a plugin.UI that remembers what was shown, with sensitive values taken out as the runner does.
type Screen struct {
	Secrets *redact.Secrets

	mu  sync.Mutex
	buf bytes.Buffer
}

// Write adds text.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

// String returns what was shown.
func (s *Screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Secrets.Hide(s.buf.String())
}

// Line adds a line.
func (s *Screen) Line(_ plugin.Style, format string, args ...any) {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	_, _ = io.WriteString(s, format+"\n")
}

// Step adds a line for each change of the step.
func (s *Screen) Step(format string, args ...any) plugin.Step {
	s.Line(plugin.Plain, format, args...)
	return step{s}
}

// Table adds a line for each row.
func (s *Screen) Table(headers []string, rows [][]string) {
	s.Line(plugin.Plain, "%s", fmt.Sprint(headers, rows))
}

// NamedValues adds a line for each pair.
func (s *Screen) NamedValues(pairs ...[2]string) { s.Line(plugin.Plain, "%s", fmt.Sprint(pairs)) }

// Stdout and Stderr add what commands print.
func (s *Screen) Stdout() io.Writer { return s }

// Stderr is Stdout.
func (s *Screen) Stderr() io.Writer { return s }

type step struct{ s *Screen }

func (s step) Update(format string, args ...any) { s.s.Line(plugin.Plain, format, args...) }
func (s step) Output() io.Writer                 { return s.s }
func (s step) Done(format string, args ...any)   { s.s.Line(plugin.Plain, format, args...) }
func (s step) Fail(format string, args ...any)   { s.s.Line(plugin.Plain, format, args...) }

// NewCall makes a call whose directories are temporary and whose host has a screen. The caller adds what its plugin uses.
func NewCall(t testing.TB) (*plugin.Call, *Screen) {
	secrets := redact.New()
	secrets.Add(Sensitive)
	screen := &Screen{Secrets: secrets}
	logs := slog.New(slog.NewTextHandler(screen, nil))
	return &plugin.Call{
		Env: plugin.Env{
			Project: "contract", App: "web", Workspace: "default", JobID: "01JB0000000000000000000000", Attempt: 1, LaneFence: 1,
			Sensitive: secrets.Values(), Dir: t.TempDir(), ProjectDir: t.TempDir(), TempDir: t.TempDir(), StateDir: t.TempDir(),
		},
		Host: plugin.Host{
			UI: screen, Logger: logs, Secrets: secrets,
			ServerID: func(context.Context) (string, error) { return "server-of-the-suite", nil },
		},
	}, screen
}

// Sensitive is a value that the suite's calls mark as sensitive, and Token the entrypoint's token in its deploys: neither may
// be in a state or in what is shown.
const (
	Sensitive = "the-suite's-sensitive-value"
	Token     = "wp_entry_the-suite's-token"
)
