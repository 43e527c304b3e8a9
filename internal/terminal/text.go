package terminal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Width is the number of columns that text takes: wide East Asian characters take two, combining marks none,
// colour sequences none.
func Width(text string) int {
	n := 0
	for len(text) > 0 {
		if seq := escape(text); seq > 0 {
			text = text[seq:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		n += runeWidth(r)
		text = text[size:]
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case r < 0x20 || r == 0x7f:
		return 0
	case r < 0x7f:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// truncate shortens text to at most columns columns, ending in "…" if something was cut. Colour sequences are
// kept, so that a cut text still resets its colour.
func truncate(text string, columns int) string {
	if Width(text) <= columns {
		return text
	}
	if columns <= 0 {
		return ""
	}
	var b strings.Builder
	used, cut := 0, false
	for len(text) > 0 {
		if seq := escape(text); seq > 0 {
			b.WriteString(text[:seq])
			text = text[seq:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		w := runeWidth(r)
		if !cut && used+w > columns-1 {
			b.WriteString("…")
			cut = true
		}
		if !cut {
			b.WriteString(text[:size])
			used += w
		}
		text = text[size:]
	}
	return b.String()
}

// pad fills text with spaces to columns.
func pad(text string, columns int) string {
	if missing := columns - Width(text); missing > 0 {
		return text + strings.Repeat(" ", missing)
	}
	return text
}

// Clean makes text that others wrote safe for a terminal: it drops control characters, marks that change the direction of
// text, and every escape sequence but colours, and colours too if color is not set. Tabs stay. Carriage returns are the caller's.
func Clean(text string, color bool) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return hidden(r) && r != '\t' || r == utf8.RuneError }) {
		return text
	}
	var b strings.Builder
	colored := false
	for len(text) > 0 {
		if seq := escape(text); seq > 0 {
			if color && text[seq-1] == 'm' && text[1] == '[' {
				b.WriteString(text[:seq])
				colored = text[:seq] != reset && text[:seq] != "\x1b[m"
			}
			text = text[seq:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteRune(utf8.RuneError) // a byte that is no text; JSON output keeps it
		case r == '\t' || !hidden(r):
			b.WriteString(text[:size])
		}
		text = text[size:]
	}
	if colored {
		b.WriteString(reset)
	}
	return b.String()
}

// CleanLines does as Clean with text of several lines, and keeps them apart.
func CleanLines(text string, color bool) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return hidden(r) && r != '\t' && r != '\n' || r == utf8.RuneError }) {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = Clean(line, color)
	}
	return strings.Join(lines, "\n")
}

// hidden reports whether a character shows nothing and changes how what is around it shows: a control character, a mark
// or an embedding of the bidirectional algorithm (with which a text reads as another), or a line separator.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// escape gives the length of the escape sequence at the start of text, 0 if there is none: CSI, OSC and the
// two-byte forms of ECMA-48. An unfinished sequence reaches to the end.
func escape(text string) int {
	if text == "" || text[0] != 0x1b {
		return 0
	}
	if len(text) == 1 {
		return 1
	}
	switch text[1] {
	case '[':
		for i := 2; i < len(text); i++ {
			if text[i] >= 0x40 && text[i] <= 0x7e {
				return i + 1
			}
		}
		return len(text)
	case ']', 'P', '^', '_', 'X':
		for i := 2; i < len(text); i++ {
			if text[i] == 0x07 {
				return i + 1
			}
			if text[i] == 0x1b && i+1 < len(text) && text[i+1] == '\\' {
				return i + 2
			}
		}
		return len(text)
	}
	return 2
}

// maxPartial bounds a line that does not end: what is longer is shown in pieces.
const maxPartial = 64 << 10

// lines splits a stream into whole lines. "\r\n" ends a line, and so does a lone "\r", with which progress bars
// draw over themselves: nothing that was written is lost.
type lines struct {
	partial []byte
	// sawCR: the last byte was "\r"; a "\n" that follows belongs to it.
	sawCR bool
}

// write gives the lines that data ends, without their ends.
func (l *lines) write(data []byte) (done []string) {
	for _, c := range data {
		switch {
		case c == '\n' && l.sawCR:
			l.sawCR = false
			continue
		case c == '\n' || c == '\r':
			done = append(done, l.take())
		default:
			l.partial = append(l.partial, c)
			// A piece ends between two characters; four more bytes settle it even where the bytes are no text.
			if n := len(l.partial); n >= maxPartial && (utf8.Valid(l.partial) || n >= maxPartial+utf8.UTFMax) {
				done = append(done, l.take())
			}
		}
		l.sawCR = c == '\r'
	}
	return done
}

// flush gives what is left.
func (l *lines) flush() (done []string) {
	if len(l.partial) > 0 {
		done = append(done, l.take())
	}
	return done
}

func (l *lines) take() string {
	s := string(l.partial)
	l.partial = l.partial[:0]
	return s
}
