package shell

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Streams are what a command prints to: data to stdout, progress and remarks to stderr.
type Streams struct {
	env   *Env
	flags *Flags
	// live draws on stderr, or did: what else is written there stands above its live part.
	live atomic.Pointer[terminal.Renderer]
	// writeErr is the first error of writing to stdout; it ends the command with 1.
	writeErr error
}

// RecordWriteError remembers the first error of writing to stdout.
func (s *Streams) RecordWriteError(err error) {
	if s.writeErr == nil {
		s.writeErr = err
	}
}

// WriteError returns the first error of writing to stdout.
func (s *Streams) WriteError() error { return s.writeErr }

// OutSetting returns how stdout is rendered.
func (s *Streams) OutSetting() terminal.Setting {
	return terminal.Setting{TTY: s.env.OutTTY, Plain: s.plain(), Whole: s.flags.Verbose > 0, Lookup: s.env.Lookup}
}

// ErrSetting returns how stderr is rendered.
func (s *Streams) ErrSetting() terminal.Setting {
	return terminal.Setting{TTY: s.env.ErrTTY, Plain: s.plain(), Whole: s.flags.Verbose > 0, Lookup: s.env.Lookup}
}

func (s *Streams) plain() bool { return s.flags.Plain || s.env.IsSet("WAYPOINT_PLAIN") }

// Printf writes data to stdout. An error of writing is kept and ends the command with 1.
func (s *Streams) Printf(format string, args ...any) {
	s.Write(terminal.CleanLines(fmt.Sprintf(format, args...), s.OutSetting().Color()))
}

// Prosef is Printf for sentences: on a terminal they are wrapped at words, and further lines are indented by hang more.
func (s *Streams) Prosef(hang int, format string, args ...any) {
	text := terminal.CleanLines(fmt.Sprintf(format, args...), s.OutSetting().Color())
	s.Write(terminal.WrapLines(text, s.proseColumns(s.env.OutTTY), hang))
}

// NamedValues prints the facts about one thing, a line for each.
func (s *Streams) NamedValues(pairs [][2]string) {
	for _, line := range terminal.NamedValues(pairs, s.proseColumns(s.env.OutTTY), s.OutSetting().Color()) {
		s.Printf("%s\n", line)
	}
}

// Write writes data to stdout unchanged, for programs that read it.
func (s *Streams) Write(data string) {
	if _, err := io.WriteString(s.env.Out, data); err != nil && s.writeErr == nil {
		s.writeErr = fmt.Errorf("writing the output: %w", err)
	}
}

// Progressf writes progress to stderr, wrapped at words on a terminal. Errors of writing are ignored.
func (s *Streams) Progressf(format string, args ...any) {
	text := terminal.CleanLines(fmt.Sprintf(format, args...), s.ErrSetting().Color())
	_, _ = io.WriteString(stderr{s}, terminal.WrapLines(text, s.proseColumns(s.env.ErrTTY), 2))
}

// proseColumns is how wide prose is on a stream; 0: as long as it is.
func (s *Streams) proseColumns(tty bool) int {
	if !tty {
		return 0
	}
	columns := s.env.Columns
	if s.env.Size != nil {
		columns, _ = s.env.Size()
	}
	return terminal.ProseColumns(columns)
}

// stderr is where remarks and logs go: above what is being drawn there.
type stderr struct{ s *Streams }

func (w stderr) Write(p []byte) (int, error) {
	if r := w.s.live.Load(); r != nil {
		return r.Write(p)
	}
	return w.s.env.Err.Write(p)
}

// Warnf writes a warning to stderr.
func (s *Streams) Warnf(format string, args ...any) {
	text := "Warning: " + fmt.Sprintf(format, args...)
	s.Progressf("%s\n", terminal.Paint(text, terminal.Warning, s.ErrSetting().Color()))
}

// Table prints a list to stdout, as wide as the terminal, or without a limit in a pipe.
func (s *Streams) Table(t terminal.Table) {
	columns := 0
	if s.env.OutTTY {
		columns = s.env.Columns
	}
	if err := t.Write(s.env.Out, columns, s.OutSetting().Color()); err != nil && s.writeErr == nil {
		s.writeErr = fmt.Errorf("writing the output: %w", err)
	}
}

// Logger writes to stderr what -v, -vv or WAYPOINT_LOG_LEVEL ask for.
func (s *Streams) Logger(least slog.Level) *slog.Logger {
	level, on := least, least < slog.LevelError
	var l slog.Level
	if err := l.UnmarshalText([]byte(s.env.Get("WAYPOINT_LOG_LEVEL"))); err == nil {
		level, on = l, true
	} else if strings.EqualFold(s.env.Get("WAYPOINT_LOG_LEVEL"), "trace") {
		level, on = slog.LevelDebug, true
	}
	switch {
	case s.flags.Verbose == 1:
		level, on = min(level, slog.LevelInfo), true
	case s.flags.Verbose > 1:
		level, on = slog.LevelDebug, true
	}
	if !on {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(stderr{s}, &slog.HandlerOptions{Level: level}))
}

// PrintJSON prints data as indented JSON.
func (s *Streams) PrintJSON(v any) error {
	data, err := terminal.JSON(v, "  ")
	if err != nil {
		return err
	}
	s.Write(string(data))
	return nil
}

// Ago renders a time relative to now.
func (s *Streams) Ago(t time.Time) string { return terminal.Relative(t, s.env.Now()) }

// When renders a time of the contract relative to now; "" for 0.
func (s *Streams) When(ms int64) string {
	if ms == 0 {
		return ""
	}
	return s.Ago(render.UnixMS(ms))
}

// Renderer draws the progress of a job. One that draws on the terminal's stderr makes room for remarks and logs.
func (s *Streams) Renderer(out io.Writer, set terminal.Setting) *terminal.Renderer {
	r := terminal.NewRenderer(terminal.Options{
		Out: out, Color: set.Color(), Animated: set.Animated(), Whole: set.Whole, Size: s.env.Size, Now: s.env.Now,
	})
	if set.Animated() {
		s.live.Store(r)
	}
	return r
}
