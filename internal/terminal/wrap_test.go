package terminal

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		name    string
		in      string
		columns int
		hang    int
		want    string
	}{
		{"short", "one two", 20, 2, "one two"},
		{"at words", "one two three four", 9, 0, "one two\nthree\nfour"},
		{"further lines hang", "Error: one two three", 12, 2, "Error: one\n  two three"},
		{"and keep the indent", "  one two three", 9, 0, "  one two\n  three"},
		{"a command stays whole", "Run `waypoint job list` now", 22, 0, "Run\n`waypoint job list`\nnow"},
		{"with what clings to it", "Run (`waypoint up`), or", 16, 0, "Run\n(`waypoint up`),\nor"},
		{"unless it is wider than the line", "Run `waypoint job list -json` now", 20, 0, "Run `waypoint job\nlist -json` now"},
		{"a word that is too long stands alone", "at https://example.com/a/b now", 10, 0, "at\nhttps://example.com/a/b\nnow"},
		{"a lone backquote", "a ` b c d e f", 5, 0, "a ` b\nc d e\nf"},
		{"wide characters", "日本 日本 日本", 9, 0, "日本 日本\n日本"},
		{"colours take no room", "\x1b[31mone two\x1b[0m", 7, 0, "\x1b[31mone two\x1b[0m"},
		{"columns of spaces stay on a line", "a    b    c", 7, 0, "a    b\nc"},
		{"a question keeps its end", "Remove all of it? [y/N] ", 14, 0, "Remove all of\nit? [y/N] "},
		{"no limit", "one two", 0, 0, "one two"},
		{"very narrow", "  one two", 1, 2, "  one\ntwo"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(Wrap(c.in, c.columns, c.hang), "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// Wrapping changes spaces only, and a line is too wide only if it is one word or one command.
func TestWrappedTextIsTheSameText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab `日 "))).Draw(t, "text")
		columns := rapid.IntRange(1, 30).Draw(t, "columns")
		lines := Wrap(text, columns, rapid.IntRange(0, 4).Draw(t, "hang"))
		if got, want := strings.Join(strings.Fields(strings.Join(lines, " ")), " "), strings.Join(strings.Fields(text), " "); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		for _, line := range lines {
			word := strings.TrimSpace(line)
			if Width(strings.TrimRight(line, " ")) > columns && strings.Contains(word, " ") && !strings.Contains(word, "`") {
				t.Fatalf("%q is wider than %d", line, columns)
			}
		}
	})
}

func TestCellsAreCutBetweenWords(t *testing.T) {
	for _, c := range []struct {
		in      string
		columns int
		want    string
	}{
		{"build and deploy it", 14, "build and…"},
		{"build and deploy it", 11, "build and…"},
		{"build and deploy it", 10, "build and…"},
		{"a-long-name of it", 12, "a-long-name…"},
		{"a hyphenated-name", 10, "a hyphena…"},
		{"short", 10, "short"},
	} {
		if got := truncateWords(c.in, c.columns); got != c.want {
			t.Errorf("truncateWords(%q, %d) = %q, want %q", c.in, c.columns, got, c.want)
		}
	}
}
