package cli

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// Streams are what a command prints to: data to stdout, progress and remarks to stderr.
type Streams struct {
	env   *Env
	flags *globals
	// writeErr is the first error of writing to stdout; it ends the command with 1.
	writeErr error
}

// keepWriteErr remembers the first error of writing to stdout.
func (s *Streams) keepWriteErr(err error) {
	if s.writeErr == nil {
		s.writeErr = err
	}
}

// writeError returns the first error of writing to stdout.
func (s *Streams) writeError() error { return s.writeErr }

// outSetting and errSetting say how the two streams are shown.
func (s *Streams) outSetting() terminal.Setting {
	return terminal.Setting{TTY: s.env.OutTTY, Plain: s.plain(), Lookup: s.env.Lookup}
}

func (s *Streams) errSetting() terminal.Setting {
	return terminal.Setting{TTY: s.env.ErrTTY, Plain: s.plain(), Lookup: s.env.Lookup}
}

func (s *Streams) plain() bool { return s.flags.plain || s.env.isSet("WAYPOINT_PLAIN") }

// printf writes data to stdout. An error of writing is kept and ends the command with 1.
func (s *Streams) printf(format string, args ...any) {
	s.write(terminal.CleanLines(fmt.Sprintf(format, args...), s.outSetting().Color()))
}

// write writes data to stdout exactly as it is: what a program reads, not what a person looks at.
func (s *Streams) write(data string) {
	if _, err := io.WriteString(s.env.Out, data); err != nil && s.writeErr == nil {
		s.writeErr = fmt.Errorf("writing the output: %w", err)
	}
}

// sayf writes progress to stderr. Where that cannot be written, there is nobody to tell.
func (s *Streams) sayf(format string, args ...any) {
	_, _ = io.WriteString(s.env.Err, terminal.CleanLines(fmt.Sprintf(format, args...), s.errSetting().Color()))
}

// warnf writes a warning to stderr.
func (s *Streams) warnf(format string, args ...any) {
	text := "Warning: " + fmt.Sprintf(format, args...)
	s.sayf("%s\n", terminal.Paint(text, terminal.Warning, s.errSetting().Color()))
}

// table prints a list to stdout, as wide as the terminal, or as wide as need be in a pipe.
func (s *Streams) table(t terminal.Table) {
	columns := 0
	if s.env.OutTTY {
		columns = s.env.Columns
	}
	if err := t.Write(s.env.Out, columns, s.outSetting().Color()); err != nil && s.writeErr == nil {
		s.writeErr = fmt.Errorf("writing the output: %w", err)
	}
}

// logger writes to stderr what -v, -vv or WAYPOINT_LOG_LEVEL ask for.
func (s *Streams) logger(least slog.Level) *slog.Logger {
	level, on := least, least < slog.LevelError
	var l slog.Level
	if err := l.UnmarshalText([]byte(s.env.get("WAYPOINT_LOG_LEVEL"))); err == nil {
		level, on = l, true
	} else if strings.EqualFold(s.env.get("WAYPOINT_LOG_LEVEL"), "trace") {
		level, on = slog.LevelDebug, true
	}
	switch {
	case s.flags.verbose == 1:
		level, on = min(level, slog.LevelInfo), true
	case s.flags.verbose > 1:
		level, on = slog.LevelDebug, true
	}
	if !on {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(s.env.Err, &slog.HandlerOptions{Level: level}))
}

// printJSON prints data as indented JSON.
func (s *Streams) printJSON(v any) error {
	data, err := terminal.JSON(v, "  ")
	if err != nil {
		return err
	}
	s.write(string(data))
	return nil
}

// ago is a time for people.
func (s *Streams) ago(t time.Time) string { return terminal.Relative(t, s.env.Now()) }

func (s *Streams) when(ms int64) string {
	if ms == 0 {
		return ""
	}
	return s.ago(unixMS(ms))
}

func (s *Streams) renderer(out io.Writer, set terminal.Setting) *terminal.Renderer {
	return terminal.NewRenderer(terminal.Options{
		Out: out, Color: set.Color(), Animated: set.Animated(), Columns: s.env.Columns, Now: s.env.Now,
	})
}
