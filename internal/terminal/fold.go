package terminal

import (
	"strings"
	"unicode/utf8"
)

// fold keeps the output of a running step, whose last lines stand in a window. A lone "\r" begins the line again, as on a
// terminal: of a progress bar its last state is one line.
type fold struct {
	kept    []string
	bytes   int // of kept
	dropped int // lines before the kept ones
	// partial has no line end yet.
	partial []byte
	// bar is what "\r" ended: the next text takes its place, a "\n" makes it a line.
	bar   string
	isBar bool
}

const (
	// shortOutput is how many lines of a step that succeeded stay: as many as a fold would save nothing of.
	shortOutput = 3
	// mostKept and mostKeptBytes bound what is kept for the case that the step fails. The server keeps all of it.
	mostKept      = 5000
	mostKeptBytes = 2 << 20
)

func (f *fold) write(data []byte) {
	for _, c := range data {
		switch c {
		case '\n':
			f.endLine()
		case '\r':
			if len(f.partial) > 0 || !f.isBar {
				f.bar, f.isBar = string(f.partial), true
				f.partial = f.partial[:0]
			}
		default:
			f.partial = append(f.partial, c)
			if n := len(f.partial); n >= maxPartial && (utf8.Valid(f.partial) || n >= maxPartial+utf8.UTFMax) {
				f.endLine()
			}
		}
	}
}

// endLine makes a line of what stands there.
func (f *fold) endLine() {
	text := string(f.partial)
	if f.isBar && text == "" {
		text = f.bar
	}
	f.partial, f.bar, f.isBar = f.partial[:0], "", false
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

// flush makes a line of what has no end.
func (f *fold) flush() {
	if len(f.partial) > 0 || f.isBar && f.bar != "" {
		f.endLine()
	}
}

// total is how many lines there were.
func (f *fold) total() int { return f.dropped + len(f.kept) }

// tail are the last lines, at most n, as a terminal shows them now: with the one that has no end yet.
func (f *fold) tail(n int) []string {
	var last []string
	if len(f.partial) > 0 {
		last = []string{string(f.partial)}
	} else if f.isBar && f.bar != "" {
		last = []string{f.bar}
	}
	if n <= 0 {
		return nil
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
