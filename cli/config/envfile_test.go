package config

import (
	"slices"
	"strings"
	"testing"
)

func TestEnvFile(t *testing.T) {
	text := "\ufeff# a comment\r\n" +
		"PLAIN=value\r\n" +
		"export EXPORTED=yes\n" +
		"  SPACED = a b  # not this\n" +
		"HASH=a#b\n" +
		"URL=postgres://u:p@h/db?x=1#frag\n" +
		"DOUBLE=\"Hello \\\"there\\\"\\nline\" # comment\n" +
		"SINGLE='as \\n it $is'\n" +
		"DOLLAR=$HOME\n" +
		"EMPTY=\n" +
		"QUOTED_EMPTY=\"\"\n" +
		"LINES=\"first\nsecond\"\n" +
		"GOES_ON=one \\\n  two\n" +
		"exported=1\n" +
		"PLAIN=again\n" +
		"LAST=end"
	want := []setting{
		{"PLAIN", "again"}, {"EXPORTED", "yes"}, {"SPACED", "a b"}, {"HASH", "a#b"}, {"URL", "postgres://u:p@h/db?x=1#frag"},
		{"DOUBLE", "Hello \"there\"\nline"}, {"SINGLE", `as \n it $is`}, {"DOLLAR", "$HOME"}, {"EMPTY", ""}, {"QUOTED_EMPTY", ""},
		{"LINES", "first\nsecond"}, {"GOES_ON", "one   two"}, {"exported", "1"}, {"LAST", "end"},
	}
	got, err := readEnvFile(strings.NewReader(text), "-")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got  %q, %v\nwant %q", got, err, want)
	}

	for text, want := range map[string]string{
		"A=1\n\nB\n":             "stdin:3: expected NAME=VALUE",
		"A=1\n2B=secret\n":       `stdin:2: "2B" is not a name`,
		"export A B=secret\n":    `stdin:1: "A B" is not a name`,
		"A=\"secret\nB=1\n":      "stdin:1: the quote \" is not closed",
		"A='secret' more\nB=1\n": "stdin:1: there is text after the closing quote",
		"A=\"x\ny\" z\n":         "stdin:2: there is text after the closing quote",
		"# nothing\n":            "there are no NAME=VALUE lines in stdin",
		"=secret\n":              `stdin:1: "" is not a name`,
	} {
		_, err := readEnvFile(strings.NewReader(text), "-")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
