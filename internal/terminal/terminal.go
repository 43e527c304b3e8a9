// Package terminal shows things to people and to programs: job output with steps and spinners on a terminal,
// plain lines elsewhere, one JSON object a line for programs, tables that fit the width, relative times.
//
// What to show is decided by pure functions over values; a Renderer is the thin shell that writes. It reads no
// environment and no clock of its own: colour, width, animation and time come in as arguments. Text is never
// used as a format.
package terminal

import (
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Style is how a line looks: the contract's styles.
type Style = waypointv1.OutputEvent_Style

// Styles by short names.
const (
	Normal  = waypointv1.OutputEvent_STYLE_UNSPECIFIED
	Header  = waypointv1.OutputEvent_STYLE_HEADER
	Info    = waypointv1.OutputEvent_STYLE_INFO
	Warning = waypointv1.OutputEvent_STYLE_WARNING
	Failure = waypointv1.OutputEvent_STYLE_ERROR
	Success = waypointv1.OutputEvent_STYLE_SUCCESS
	Dim     = waypointv1.OutputEvent_STYLE_DIM
)

const reset = "\x1b[0m"

// Paint colours text if color is set. Colour is never the only carrier of meaning: callers put a sign or a
// word beside it.
func Paint(text string, style Style, color bool) string {
	if !color || text == "" {
		return text
	}
	code := map[Style]string{
		Header: "\x1b[1m", Info: "\x1b[36m", Warning: "\x1b[33m", Failure: "\x1b[31m", Success: "\x1b[32m", Dim: "\x1b[2m",
	}[style]
	if code == "" {
		return text
	}
	return code + text + reset
}

// Setting is what decides how a stream is shown.
type Setting struct {
	// TTY reports whether the stream is a terminal.
	TTY bool
	// Plain is asked for with --plain or WAYPOINT_PLAIN.
	Plain bool
	// Whole is asked for with -v: no output is folded.
	Whole bool
	// Lookup reads the environment: NO_COLOR, CLICOLOR_FORCE and TERM count.
	Lookup func(string) (string, bool)
}

// Color reports whether colours are used: NO_COLOR (non-empty) forbids, CLICOLOR_FORCE (not "0") forces, otherwise
// only on a terminal that is not dumb and not asked to be plain.
func (s Setting) Color() bool {
	if v, _ := s.Lookup("NO_COLOR"); v != "" {
		return false
	}
	if v, _ := s.Lookup("CLICOLOR_FORCE"); v != "" && v != "0" {
		return true
	}
	return s.TTY && !s.Plain && !s.dumb()
}

// Animated reports whether lines may be redrawn.
func (s Setting) Animated() bool { return s.TTY && !s.Plain && !s.dumb() }

func (s Setting) dumb() bool {
	v, _ := s.Lookup("TERM")
	return v == "dumb"
}

// signs are the marks before steps; words where the terminal may not have the glyphs.
type signs struct{ running, done, failed, warned, bar string }

func signsFor(animated bool) signs {
	if animated {
		return signs{running: "→", done: "✓", failed: "✗", warned: "!", bar: "│"}
	}
	return signs{running: "->", done: "ok", failed: "failed:", warned: "warning:", bar: "|"}
}
