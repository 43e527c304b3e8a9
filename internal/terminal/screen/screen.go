// Package screen shows what stands on a terminal after a program has written to it. It is for tests alone: it knows the
// control sequences that our programs use, and reports every other one. It imports internal/terminal for the width of
// characters and nothing else of ours.
package screen

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

var _ io.Writer = (*Screen)(nil)

// Screen is a terminal of a size, with all that scrolled out at its top. It is not safe for concurrent use.
type Screen struct {
	columns, rows int
	// reflow: a resize rewraps long lines, as most terminals do; otherwise it cuts them, as xterm does.
	reflow bool

	lines []line // all, from the first that was ever written
	top   int    // index of the first line that is on the screen
	row   int    // of the cursor, in lines
	col   int    // of the cursor; columns: a character was written at the margin, and the next one wraps
	wraps bool   // automatic wrapping is on
	rest  []byte // an unfinished character or sequence
	// Unknown are the sequences that were not understood.
	Unknown []string
}

type line struct {
	cells []string // a wide character has an empty cell behind it
	// continues: the line was broken at the margin, and the next one is its rest.
	continues bool
}

// New makes an empty one.
func New(columns, rows int, reflow bool) *Screen {
	return &Screen{columns: columns, rows: rows, reflow: reflow, lines: make([]line, 1), wraps: true}
}

// Write interprets output. "\n" begins a line, as where the kernel's terminal makes "\r\n" of it.
func (s *Screen) Write(p []byte) (int, error) {
	data := append(s.rest, p...)
	s.rest = nil
	for len(data) > 0 {
		n := s.one(data)
		if n == 0 {
			s.rest = append([]byte(nil), data...)
			break
		}
		data = data[n:]
	}
	return len(p), nil
}

// one interprets what stands at the start of data and returns its length; 0: there is more to come.
func (s *Screen) one(data []byte) int {
	switch c := data[0]; {
	case c == '\n':
		s.down()
		s.col = 0
	case c == '\r':
		s.col = 0
	case c == '\t':
		s.col = min((s.column()/8+1)*8, s.columns-1)
	case c == '\b':
		s.col = max(0, s.column()-1)
	case c == 0x1b:
		return s.escape(data)
	case c < 0x20 || c == 0x7f:
	case !utf8.FullRune(data):
		return 0
	default:
		r, n := utf8.DecodeRune(data)
		s.put(r)
		return n
	}
	return 1
}

// column is the cursor's column on the screen.
func (s *Screen) column() int { return min(s.col, s.columns-1) }

func (s *Screen) down() {
	s.row++
	if s.row == len(s.lines) {
		s.lines = append(s.lines, line{})
	}
	s.top = max(s.top, s.row-s.rows+1)
}

func (s *Screen) put(r rune) {
	w := terminal.Width(string(r))
	if w == 0 { // a mark on the character before
		if l := &s.lines[s.row]; s.col > 0 && s.col <= len(l.cells) {
			l.cells[s.col-1] += string(r)
		}
		return
	}
	if s.col+w > s.columns {
		if s.wraps {
			s.lines[s.row].continues = true
			s.down()
			s.col = 0
		} else {
			s.col = max(0, s.columns-w)
		}
	}
	l := &s.lines[s.row]
	for len(l.cells) < s.col+w {
		l.cells = append(l.cells, " ")
	}
	l.cells[s.col] = string(r)
	for i := 1; i < w; i++ {
		l.cells[s.col+i] = ""
	}
	s.col += w
	if !s.wraps {
		s.col = s.column()
	}
}

func (s *Screen) escape(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	switch data[1] {
	case '[':
		for i := 2; i < len(data); i++ {
			if data[i] >= 0x40 && data[i] <= 0x7e {
				s.control(string(data[2:i]), data[i])
				return i + 1
			}
		}
		return 0
	case ']':
		for i := 2; i < len(data); i++ {
			if data[i] == 0x07 {
				return i + 1
			}
		}
		return 0
	}
	s.Unknown = append(s.Unknown, fmt.Sprintf("%q", data[:2]))
	return 2
}

func (s *Screen) control(arg string, final byte) {
	n, err := strconv.Atoi(arg)
	if err != nil {
		n = 1
	}
	switch {
	case final == 'm':
	case final == 'A':
		s.row, s.col = max(s.top, s.row-n), s.column()
	case final == 'J' && (arg == "" || arg == "0"):
		s.eraseLine()
		s.lines = s.lines[:s.row+1]
	case final == 'K' && (arg == "" || arg == "0"):
		s.eraseLine()
	case arg == "?7" && (final == 'h' || final == 'l'):
		s.wraps = final == 'h'
	default:
		s.Unknown = append(s.Unknown, fmt.Sprintf("%q", "\x1b["+arg+string(final)))
	}
}

// eraseLine erases from the cursor to the end of its line.
func (s *Screen) eraseLine() {
	l := &s.lines[s.row]
	l.cells, l.continues = l.cells[:min(s.column(), len(l.cells))], false
}

// String is all that stands on the screen and above it, without spaces and empty lines at the ends.
func (s *Screen) String() string { return text(s.lines) }

// Visible is what stands on the screen.
func (s *Screen) Visible() string { return text(s.lines[s.top:]) }

func text(lines []line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.TrimRight(strings.Join(l.cells, ""), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
