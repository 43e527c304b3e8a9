package screen

import "testing"

func TestScreen(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"lines", "a\nb\r\nc", "a\nb\nc\n"},
		{"a long line wraps", "abcdefghijkl", "abcdefghij\nkl\n"},
		{"a line as wide as the terminal does not", "abcdefghij\nk", "abcdefghij\nk\n"},
		{"wide characters are not cut", "123456789日本", "123456789\n日本\n"},
		{"marks take no room", "e\u0301x", "e\u0301x\n"},
		{"carriage return", "abc\rx", "xbc\n"},
		{"tabs", "a\tb", "a       b\n"},
		{"up, erase", "a\nb\nc\r\x1b[1A\x1b[Jd", "a\nd\n"},
		{"erase the line", "abc\r\x1b[Kd", "d\n"},
		{"without wrapping the margin is overwritten", "\x1b[?7labcdefghijkl\x1b[?7h\nx", "abcdefghil\nx\n"},
		{"what scrolls out stays above", "1\n2\n3\n4\n5\x1b[9A\rx", "1\nx\n3\n4\n5\n"},
		{"colours and titles show nothing", "\x1b[31mred\x1b]0;t\x07\x1b[0m", "red\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for size := 1; size <= len(c.in); size += len(c.in) - 1 { // in pieces and whole
				s := New(10, 4, true)
				for i := 0; i < len(c.in); i += size {
					_, _ = s.Write([]byte(c.in[i:min(len(c.in), i+size)]))
				}
				if got := s.String(); got != c.want || len(s.Unknown) > 0 {
					t.Errorf("got %q, want %q; unknown: %v", got, c.want, s.Unknown)
				}
			}
		})
	}
}

func TestResize(t *testing.T) {
	for _, c := range []struct {
		name          string
		reflow        bool
		in            string
		columns, rows int
		then, want    string
	}{
		{"lines are rewrapped, and the cursor stays at its character", true, "abcdefgh\nx", 4, 4, "y", "abcd\nefgh\nxy\n"},
		{"and joined again", true, "abcdefghijkl\nx", 20, 4, "y", "abcdefghijkl\nxy\n"},
		{"the cursor is above the last line", true, "a\nbbbbbbbb\ncccccccc\r\x1b[1A", 4, 4, "\x1b[Jx", "a\nx\n"},
		{"xterm cuts them", false, "abcdefgh\nx", 4, 4, "y", "abcd\nxy\n"},
		{"a lower terminal", true, "1\n2\n3\n4", 10, 2, "\x1b[9A\rx", "1\n2\nx\n4\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := New(10, 4, c.reflow)
			_, _ = s.Write([]byte(c.in))
			s.Resize(c.columns, c.rows)
			_, _ = s.Write([]byte(c.then))
			if got := s.String(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestUnknownSequencesAreReported(t *testing.T) {
	s := New(10, 4, true)
	_, _ = s.Write([]byte("\x1b[2J\x1b7"))
	if len(s.Unknown) != 2 {
		t.Errorf("got %v", s.Unknown)
	}
}
