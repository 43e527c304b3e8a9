package terminal

import "strings"

// MostColumns is how wide prose is on a terminal, however wide that is: longer lines are hard to read.
const MostColumns = 100

// ProseColumns is how wide prose is on a terminal of so many columns; 0 (not a terminal, or unknown): not limited.
func ProseColumns(columns int) int { return min(columns, MostColumns) }

// Wrap breaks a line of prose at spaces into lines of at most so many columns (0: any number). Further lines are indented
// as the first is, and by hang more. A command between backquotes is not broken, and neither is a word: what is longer
// than a line stands alone on one, and can be copied. Spaces at the end stay.
func Wrap(text string, columns, hang int) []string {
	if columns <= 0 || Width(text) <= columns {
		return []string{text}
	}
	body := strings.TrimLeft(text, " ")
	first := strings.Repeat(" ", len(text)-len(body))
	next := first + strings.Repeat(" ", hang)
	if Width(next) > columns/2 { // a terminal so narrow has no room for that
		next = ""
	}
	trimmed := strings.TrimRight(body, " ")
	end := body[len(trimmed):]
	var out []string
	line, empty := first, true
	for _, part := range unbreakable(trimmed, columns-len(next)) {
		word := strings.TrimLeft(part, " ")
		switch {
		case empty:
			line += word
		case Width(line)+Width(part) <= columns:
			line += part
		default:
			out = append(out, line)
			line = next + word
		}
		empty = false
	}
	return append(out, line+end)
}

// unbreakable cuts text before each run of spaces where a line may be broken: not within backquotes, unless what they
// enclose is wider than a line.
func unbreakable(text string, columns int) (parts []string) {
	from, quoted := 0, false
	for i := range len(text) {
		switch {
		case text[i] == '`':
			quoted = !quoted && closesWithin(text[i:], columns)
		case text[i] == ' ' && !quoted && i > 0 && text[i-1] != ' ':
			parts = append(parts, text[from:i])
			from = i
		}
	}
	return append(parts, text[from:])
}

// closesWithin reports whether the backquote at the start of text has a partner that fits on the same line.
func closesWithin(text string, columns int) bool {
	n := strings.IndexByte(text[1:], '`')
	return n >= 0 && Width(text[:n+2]) <= columns
}

// WrapLines does as Wrap with text of several lines.
func WrapLines(text string, columns, hang int) string {
	if columns <= 0 {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(Wrap(line, columns, hang), "\n")
	}
	return strings.Join(lines, "\n")
}

// truncateWords is truncate, cutting between two words where little is lost by it.
func truncateWords(text string, columns int) string {
	cut := truncate(text, columns)
	if cut == text || strings.Contains(text, "\x1b") {
		return cut
	}
	kept := strings.TrimSuffix(cut, "…")
	at := strings.LastIndexByte(kept, ' ')
	if at < len(kept)*2/3 || strings.HasPrefix(text[len(kept):], " ") {
		return cut
	}
	return strings.TrimRight(kept[:at], " ") + "…"
}
