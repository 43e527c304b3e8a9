package terminal

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	running = waypointv1.OutputEvent_STEP_STATE_RUNNING
	done    = waypointv1.OutputEvent_STEP_STATE_DONE
	failed  = waypointv1.OutputEvent_STEP_STATE_FAILED
)

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// script makes events one second apart.
type script struct{ events []*waypointv1.OutputEvent }

func (s *script) at() int64 {
	return start.Add(time.Duration(len(s.events)) * time.Second).UnixMilli()
}

func (s *script) line(style Style, text string) {
	s.events = append(s.events, &waypointv1.OutputEvent{TimeUnixMs: s.at(), Event: &waypointv1.OutputEvent_Line_{
		Line: &waypointv1.OutputEvent_Line{Text: text, Style: style},
	}})
}

func (s *script) step(id, text string, state waypointv1.OutputEvent_StepState, output string) {
	s.events = append(s.events, &waypointv1.OutputEvent{TimeUnixMs: s.at(), Event: &waypointv1.OutputEvent_Step_{
		Step: &waypointv1.OutputEvent_Step{Id: id, GroupId: "g", Text: text, State: state, Output: []byte(output)},
	}})
}

func (s *script) raw(data string, stderr bool) {
	s.events = append(s.events, &waypointv1.OutputEvent{TimeUnixMs: s.at(), Event: &waypointv1.OutputEvent_Raw_{
		Raw: &waypointv1.OutputEvent_Raw{Data: []byte(data), Stderr: stderr},
	}})
}

func (s *script) status(text string, ended bool) {
	s.events = append(s.events, &waypointv1.OutputEvent{TimeUnixMs: s.at(), Event: &waypointv1.OutputEvent_Status_{
		Status: &waypointv1.OutputEvent_Status{Text: text, Done: ended},
	}})
}

// deployment is a job's output with everything in it.
func deployment() []*waypointv1.OutputEvent {
	s := &script{}
	s.line(Header, "Building")
	s.step("1", "Running make", running, "")
	s.step("1", "", running, "compiling 100%\nlin")
	s.step("1", "", running, "king\n")
	s.step("1", "Built in 3 steps", done, "no newline at the end")
	s.line(Warning, "the image has no tag")
	s.step("2", "Pushing a", running, "")
	s.step("3", "Pushing b", running, "")
	s.step("2", "", running, "a: layer 1\n")
	s.step("3", "", running, "b: layer 1\n")
	s.step("2", "", done, "")
	s.step("3", "", failed, "b: denied\n")
	s.status("Waiting for the health check", false)
	s.status("Waiting for the health check", false)
	s.status("Healthy", true)
	s.raw("from the command\r\nprogress 10%\rprogress 100%\n", false)
	s.raw("\x1b[31mred\x1b[0m \x1b]0;title\x07and \x1b[2Jclear\n", true)
	s.raw("%s %d no verbs", false)
	s.events = append(s.events,
		&waypointv1.OutputEvent{TimeUnixMs: s.at(), Event: &waypointv1.OutputEvent_NamedValues_{NamedValues: &waypointv1.OutputEvent_NamedValues{
			Values: []*waypointv1.OutputEvent_NamedValue{{Name: "Image", Value: "web:1"}, {Name: "Digest", Value: "sha256:00"}},
		}}},
		&waypointv1.OutputEvent{TimeUnixMs: s.at(), Event: &waypointv1.OutputEvent_Table_{Table: &waypointv1.OutputEvent_Table{
			Headers: []string{"NAME", "STATE"},
			Rows:    []*waypointv1.OutputEvent_Table_Row{{Cells: []string{"pod-1", "ready"}}, {Cells: []string{"pod-22", "down"}}},
		}}},
	)
	s.step("4", "Never ends", running, "last words")
	return s.events
}

func size(columns, rows int) func() (int, int) { return func() (int, int) { return columns, rows } }

func render(o Options, events []*waypointv1.OutputEvent) string {
	var out bytes.Buffer
	o.Out = &out
	if o.Now == nil {
		o.Now = func() time.Time { return start }
	}
	r := NewRenderer(o)
	for _, ev := range events {
		r.Event(ev)
	}
	if err := r.Close(); err != nil {
		return "error: " + err.Error()
	}
	return out.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update if it should.\ngot:\n%s\nwant:\n%s", name, got, want)
	}
}

func TestPlainOutputIsOneLineForEachThing(t *testing.T) {
	golden(t, "plain.txt", render(Options{}, deployment()))
}

func TestPlainOutputWithForcedColour(t *testing.T) {
	golden(t, "color.txt", render(Options{Color: true}, deployment()))
}

func TestWhatStaysOnATerminalIsWhatWasWritten(t *testing.T) {
	golden(t, "live.txt", screen(render(Options{Animated: true, Size: size(60, 24)}, deployment())))
}

func TestJSONOutputIsOneEventALine(t *testing.T) {
	var out bytes.Buffer
	j := NewJSONLines(&out)
	for _, ev := range deployment() {
		j.Write(EventObject(ev))
	}
	if j.Err() != nil {
		t.Fatal(j.Err())
	}
	golden(t, "events.jsonl", out.String())
}

// screen interprets the few sequences that a Renderer uses, and gives what an endless terminal shows in the end.
func screen(out string) string {
	var rows [][]rune
	row, col := 0, 0
	text := []rune(out)
	for i := 0; i < len(text); i++ {
		for len(rows) <= row {
			rows = append(rows, nil)
		}
		switch c := text[i]; c {
		case '\n':
			row, col = row+1, 0
		case '\r':
			col = 0
		case 0x1b:
			seq := escape(string(text[i:]))
			arg := string(text[i+2 : i+seq-1])
			switch text[i+seq-1] {
			case 'A':
				n := 0
				for _, d := range arg {
					n = n*10 + int(d-'0')
				}
				row -= n
			case 'J':
				rows[row] = rows[row][:min(col, len(rows[row]))]
				rows = rows[:row+1]
			}
			i += seq - 1
		default:
			for len(rows[row]) <= col {
				rows[row] = append(rows[row], ' ')
			}
			rows[row][col] = c
			col++
		}
	}
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(string(r) + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// However output is cut into events and whatever runs beside it, each line arrives whole and in order.
func TestNothingWrittenIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		animated := rapid.Bool().Draw(t, "animated")
		whole := rapid.Bool().Draw(t, "whole") // otherwise it is folded, and the step fails
		end := done
		if animated && !whole {
			end = failed
		}
		text := rapid.StringMatching(`([a-z%\\ ]{0,20}\n){0,30}[a-z]{0,5}`).Draw(t, "text")
		s := &script{}
		s.step("a", "A", running, "")
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			s.step("a", "", running, rest[:n])
			rest = rest[n:]
			if rapid.Bool().Draw(t, "other") {
				s.step("b", "B", running, "X\n")
			}
		}
		s.step("a", "", end, "")
		out := render(Options{Animated: animated, Whole: whole, Size: size(40, 24)}, s.events)
		if animated {
			out = screen(out)
		}
		bar := "   " + signsFor(animated).bar
		var got []string
		for _, line := range strings.Split(out, "\n") {
			if body, ok := strings.CutPrefix(line, bar); ok && body != " X" {
				got = append(got, strings.TrimPrefix(body, " "))
			}
		}
		want := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if text == "" {
			want = nil
		}
		if animated { // the screen has no trailing spaces to compare
			for i := range want {
				want[i] = strings.TrimRight(want[i], " ")
			}
			for i := range got {
				got[i] = strings.TrimRight(got[i], " ")
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") || len(got) != len(want) {
			t.Fatalf("got %q\nwant %q\noutput:\n%s", got, want, out)
		}
	})
}

func TestEveryByteIsKeptInJSON(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	s := &script{}
	s.raw(string(all), false)
	data, err := json.Marshal(EventObject(s.events[0]))
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Text []byte `json:"text_base64"`
	}
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.Text, all) {
		t.Errorf("got %x", back.Text)
	}
}

// Two jobs' events come mixed, and in pieces of lines.
func TestEachBlockKeepsItsLinesTogether(t *testing.T) {
	for _, c := range []struct {
		animated bool
		name     string
	}{{false, "blocks.txt"}, {true, "blocks_live.txt"}} {
		var out bytes.Buffer
		r := NewRenderer(Options{Out: &out, Animated: c.animated, Size: size(60, 24), Now: func() time.Time { return start }})
		front, back := r.Block("front"), r.Block("backend")
		if r.Block("front") != front {
			t.Error("another block of the same name")
		}
		a, b := &script{}, &script{}
		for _, s := range []*script{a, b} {
			s.line(Header, "Building")
			s.step("1", "Running make", running, "compi")
			s.step("1", "", running, "ling\nlink")
			s.step("1", "", done, "ing\n")
			s.raw("no line end", false)
		}
		for i := range a.events {
			front.Event(a.events[i])
			back.Event(b.events[i])
		}
		back.Note("waiting")
		front.End()
		front.Line(Success, "Up front")
		r.Line(Normal, "of all")
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		if c.animated {
			got = screen(got)
		}
		golden(t, c.name, got)
	}
}

func TestAnotherRemarkTakesTheLastOnesPlace(t *testing.T) {
	for _, c := range []struct {
		name     string
		animated bool
		want     string
	}{
		{"plain: a line for each that differs", false, "waiting\nstill waiting\n"},
		{"terminal: nothing stays", true, "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			r := NewRenderer(Options{Out: &out, Animated: c.animated, Now: func() time.Time { return start }})
			r.Note("waiting")
			r.Note("waiting")
			r.Note("still waiting")
			r.Note("")
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			got := out.String()
			if c.animated {
				got = screen(got)
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestClean(t *testing.T) {
	for _, c := range []struct {
		name, in string
		color    bool
		want     string
	}{
		{"plain text stays", "a % b\tc", false, "a % b\tc"},
		{"colours stay where wanted, and end", "\x1b[31mred", true, "\x1b[31mred\x1b[0m"},
		{"colours go where not wanted", "\x1b[31mred\x1b[0m!", false, "red!"},
		{"titles, clears and moves go", "\x1b]0;x\x07a\x1b[2Jb\x1b[1;1Hc", true, "abc"},
		{"control characters go", "a\x00\x08\x7fb\u009bc", true, "abc"},
		{"marks that change the direction of text go", "a\u202egpj.exe\u2066b\u2069c\u200fd\u061ce", true, "agpj.exebcde"},
		{"line separators go", "a\u2028b\u2029c", false, "abc"},
		{"text from right to left stays", "שלום", false, "שלום"},
		{"an unfinished sequence goes", "a\x1b[31", true, "a"},
		{"bytes that are no text are marked", "a\xffb", true, "a\uFFFDb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Clean(c.in, c.color); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestCleanLinesKeepsLinesApart(t *testing.T) {
	if got, want := CleanLines("a\u202eb\x1b]0;x\x07\n\tc\x1b[2J\n", false), "ab\n\tc\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJSONHasNoCharacterThatMisleadsATerminal(t *testing.T) {
	in := map[string]string{"url": "http://a/\u202egpj\u009b2J\x1b[2J\x7f é"}
	data, err := JSON(in, "")
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"url":"http://a/\u202egpj\u009b2J\u001b[2J\u007f é"}` + "\n"; string(data) != want {
		t.Errorf("got %s, want %s", data, want)
	}
	var out map[string]string
	if err := json.Unmarshal(data, &out); err != nil || out["url"] != in["url"] {
		t.Errorf("it reads back as %q, %v", out["url"], err)
	}
}

func TestWidthAndTruncate(t *testing.T) {
	for _, c := range []struct {
		in      string
		width   int
		columns int
		want    string
	}{
		{"hello", 5, 4, "hel…"},
		{"hello", 5, 5, "hello"},
		{"日本語", 6, 5, "日本…"},
		{"e\u0301te\u0301", 3, 2, "e\u0301…"},
		{"\x1b[31mred alert\x1b[0m", 9, 4, "\x1b[31mred…\x1b[0m"},
		{"x", 1, 0, ""},
	} {
		if got := Width(c.in); got != c.width {
			t.Errorf("Width(%q) = %d, want %d", c.in, got, c.width)
		}
		if got := truncate(c.in, c.columns); got != c.want {
			t.Errorf("Truncate(%q, %d) = %q, want %q", c.in, c.columns, got, c.want)
		}
	}
}

func TestTableDropsColumnsBeforeItShortens(t *testing.T) {
	table := Table{
		Columns: []Column{{Title: "ID"}, {Title: "NAME"}, {Title: "WHEN", Rank: 1}, {Title: "BY", Rank: 2}},
		Rows: [][]string{
			{"01JD2Z6Q0V", "a-rather-long-name", "3 minutes ago", "alice"},
			{"01JD2Z6Q0W", "b", "yesterday"},
		},
	}
	var got strings.Builder
	for _, columns := range []int{0, 60, 48, 35, 24} {
		got.WriteString(strings.Join(table.Layout(columns, false), "\n") + "\n\n")
	}
	golden(t, "table.txt", got.String())
}

func TestTableNeverExceedsTheWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "columns")
		table := Table{}
		for i := range n {
			table.Columns = append(table.Columns, Column{Title: rapid.StringN(0, 8, -1).Draw(t, "title"), Rank: i})
		}
		for range rapid.IntRange(0, 4).Draw(t, "rows") {
			row := make([]string, n)
			for i := range row {
				row[i] = rapid.StringN(0, 30, -1).Draw(t, "cell")
			}
			table.Rows = append(table.Rows, row)
		}
		columns := rapid.IntRange(20, 80).Draw(t, "width")
		lines := table.Layout(columns, false)
		if len(lines) != len(table.Rows)+1 {
			t.Fatalf("%d lines for %d rows", len(lines), len(table.Rows))
		}
		for _, l := range lines[1:] {
			if Width(l) > columns || strings.Contains(l, "\n") {
				t.Fatalf("%d columns in %d: %q", Width(l), columns, l)
			}
		}
	})
}

func TestRelativeTimes(t *testing.T) {
	now := start
	for _, c := range []struct {
		ago  time.Duration
		want string
	}{
		{time.Second, "just now"}, {-time.Second, "just now"}, {5 * time.Second, "5 seconds ago"}, {time.Minute, "1 minute ago"},
		{59 * time.Minute, "59 minutes ago"}, {3 * time.Hour, "3 hours ago"}, {48 * time.Hour, "2 days ago"},
		{90 * 24 * time.Hour, "3 months ago"}, {800 * 24 * time.Hour, "2 years ago"}, {-2 * time.Hour, "in 2 hours"},
	} {
		if got := Relative(now.Add(-c.ago), now); got != c.want {
			t.Errorf("%s: got %q, want %q", c.ago, got, c.want)
		}
	}
	if got := Relative(time.Time{}, now); got != "never" {
		t.Errorf("zero: got %q", got)
	}
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ms", 12 * time.Millisecond: "12ms", 1340 * time.Millisecond: "1.3s", 42 * time.Second: "42s",
		185 * time.Second: "3m05s", 130 * time.Minute: "2h10m", -time.Second: "0ms",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d: got %q, want %q", d, got, want)
		}
	}
}

func TestColourAndAnimation(t *testing.T) {
	for _, c := range []struct {
		name            string
		tty, plain      bool
		env             map[string]string
		color, animated bool
	}{
		{"a terminal has both", true, false, nil, true, true},
		{"a pipe has neither", false, false, nil, false, false},
		{"--plain has neither", true, true, nil, false, false},
		{"NO_COLOR keeps the animation", true, false, map[string]string{"NO_COLOR": "1"}, false, true},
		{"an empty NO_COLOR does not count", true, false, map[string]string{"NO_COLOR": ""}, true, true},
		{"CLICOLOR_FORCE colours a pipe", false, false, map[string]string{"CLICOLOR_FORCE": "1"}, true, false},
		{"CLICOLOR_FORCE=0 does not", false, false, map[string]string{"CLICOLOR_FORCE": "0"}, false, false},
		{"NO_COLOR wins", false, false, map[string]string{"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, false, false},
		{"a dumb terminal has neither", true, false, map[string]string{"TERM": "dumb"}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Setting{TTY: c.tty, Plain: c.plain, Lookup: func(n string) (string, bool) { v, ok := c.env[n]; return v, ok }}
			if s.Color() != c.color || s.Animated() != c.animated {
				t.Errorf("colour %t, animated %t", s.Color(), s.Animated())
			}
		})
	}
}
