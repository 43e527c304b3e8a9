package terminal

import (
	"strings"
	"unicode/utf8"
)

// fold keeps the output of a running step, whose last lines stand in a window: what the step itself shows, and what
// commands print meanwhile.
type fold struct {
	kept    []string
	bytes   int // of kept
	dropped int // lines before the kept ones
	// streams have unfinished lines of their own.
	streams [streamCount]unfinished
}

// The streams of a fold.
const (
	stepOutput = iota
	rawStdout
	rawStderr
	streamCount
)

// unfinished is the line of a stream that has no end yet. A lone "\r" begins it again, as on a terminal: of a progress bar
// its last state is one line.
type unfinished struct {
	partial []byte
	// bar is what "\r" ended: the next text takes its place, a "\n" makes it a line.
	bar   string
	isBar bool
}

// text is the line as a terminal shows it now.
func (u *unfinished) text() string {
	if len(u.partial) > 0 {
		return string(u.partial)
	}
	return u.bar
}

// take ends the line and returns it.
func (u *unfinished) take() string {
	text := u.text()
	u.partial, u.bar, u.isBar = u.partial[:0], "", false
	return text
}

const (
	// shortOutput is how many lines of a step that succeeded stay: as many as a fold would save nothing of.
	shortOutput = 3
	// mostKept and mostKeptBytes bound what is kept for the case that the step fails. The server keeps all of it.
	mostKept      = 5000
	mostKeptBytes = 2 << 20
)

func (f *fold) write(stream int, data []byte) {
	u := &f.streams[stream]
	for _, c := range data {
		switch c {
		case '\n':
			f.keep(u.take())
		case '\r':
			if len(u.partial) > 0 || !u.isBar {
				u.bar, u.isBar = string(u.partial), true
				u.partial = u.partial[:0]
			}
		default:
			u.partial = append(u.partial, c)
			if n := len(u.partial); n >= maxPartial && (utf8.Valid(u.partial) || n >= maxPartial+utf8.UTFMax) {
				f.keep(u.take())
			}
		}
	}
}

// keep adds a line, and drops the first ones where there are too many.
func (f *fold) keep(text string) {
	f.kept = append(f.kept, text)
	f.bytes += len(text)
	drop := 0
	for len(f.kept)-drop > 1 && (len(f.kept)-drop > mostKept || f.bytes > mostKeptBytes) {
		f.bytes -= len(f.kept[drop])
		drop++
	}
	f.dropped += drop
	f.kept = f.kept[drop:]
}

// flush makes lines of what has no end.
func (f *fold) flush() {
	for i := range f.streams {
		if u := &f.streams[i]; u.text() != "" {
			f.keep(u.take())
		}
	}
}

// total is how many lines there were.
func (f *fold) total() int { return f.dropped + len(f.kept) }

// tail are the last lines, at most n, as a terminal shows them now: with those that have no end yet.
func (f *fold) tail(n int) []string {
	var last []string
	for i := range f.streams {
		if text := f.streams[i].text(); text != "" {
			last = append(last, text)
		}
	}
	if n <= len(last) {
		return last[len(last)-max(0, n):]
	}
	before := min(len(f.kept), n-len(last))
	return append(append([]string(nil), f.kept[len(f.kept)-before:]...), last...)
}

// last returns at most n of the kept lines, the first of them a remark if there were more; n < 0: all that are kept.
func (f *fold) last(n int) []string {
	lines := f.kept
	if n >= 0 && len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	if before := f.total() - len(lines); before > 0 {
		return append([]string{"(… " + count(before, "line") + " before these)"}, lines...)
	}
	return lines
}

// windowLine makes a line of output fit for the window: without tabs, whose width depends on where they stand.
func windowLine(text string, color bool) string {
	text = Clean(text, color)
	if !strings.Contains(text, "\t") {
		return text
	}
	var b strings.Builder
	column := 0
	for len(text) > 0 {
		if seq := escape(text); seq > 0 {
			b.WriteString(text[:seq])
			text = text[seq:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		if r == '\t' {
			n := 8 - column%8
			b.WriteString(strings.Repeat(" ", n))
			column += n
		} else {
			b.WriteString(text[:size])
			column += runeWidth(r)
		}
		text = text[size:]
	}
	return b.String()
}

// windowHeight is how many lines of output each of so many running steps shows, on a screen of so many rows of which
// heads are taken: together with them at most half the screen, and at most 8 lines a step.
func windowHeight(rows, heads, steps int) int {
	if steps == 0 {
		return 0
	}
	return max(0, min(8, rows/4, (rows/2-heads)/steps))
}
