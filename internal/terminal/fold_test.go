package terminal_test

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/internal/terminal/screen"
)

const (
	running = waypointv1.OutputEvent_STEP_STATE_RUNNING
	done    = waypointv1.OutputEvent_STEP_STATE_DONE
	failed  = waypointv1.OutputEvent_STEP_STATE_FAILED
)

// display is a Renderer on a screen.
type display struct {
	*terminal.Renderer

	mu            sync.Mutex // the spinner draws, too
	screen        *screen.Screen
	columns, rows int
	// asked: the size is known to who draws. raced: it changed before the drawing was written, which cannot be helped.
	asked, raced bool
}

func (d *display) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = false
	return d.screen.Write(p)
}

func (d *display) size() (columns, rows int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = true
	return d.columns, d.rows
}

func (d *display) resize(columns, rows int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.columns, d.rows, d.raced = columns, rows, d.raced || d.asked
	d.screen.Resize(columns, rows)
}

// text is all that stands on the screen now.
func (d *display) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.screen.String()
}

func newDisplay(columns, rows int, reflow bool) *display {
	d := &display{screen: screen.New(columns, rows, reflow), columns: columns, rows: rows}
	start := time.UnixMilli(0)
	d.Renderer = terminal.NewRenderer(terminal.Options{Out: d, Animated: true, Size: d.size, Now: func() time.Time { return start }})
	return d
}

func (d *display) step(id, text string, state waypointv1.OutputEvent_StepState, output string) {
	d.Event(&waypointv1.OutputEvent{Event: &waypointv1.OutputEvent_Step_{
		Step: &waypointv1.OutputEvent_Step{Id: id, Text: text, State: state, Output: []byte(output)},
	}})
}

// end closes the renderer and returns all that stands on the screen, or what is wrong with it.
func (d *display) end() string {
	if err := d.Close(); err != nil {
		return err.Error()
	}
	if len(d.screen.Unknown) > 0 {
		return "unknown sequences: " + strings.Join(d.screen.Unknown, ", ")
	}
	return d.text()
}

// The spinner draws by itself, so a test of what stands on the screen meanwhile replaces its frames.
func steady(text string) string {
	for _, frame := range "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" {
		text = strings.ReplaceAll(text, string(frame), "*")
	}
	return text
}

func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func TestAWindowShowsTheLastLinesOfARunningStep(t *testing.T) {
	for _, c := range []struct {
		name          string
		columns, rows int
		output        string
		want          string
	}{
		{"six lines of 24", 80, 24, numbered(1, 300), " * Building\n   │ line 295\n   │ line 296\n   │ line 297\n   │ line 298\n   │ line 299\n   │ line 300\n"},
		{"eight of 40", 80, 40, numbered(1, 300), " * Building\n   │ " + strings.ReplaceAll(strings.TrimSpace(numbered(293, 300)), "\n", "\n   │ ") + "\n"},
		{"two of 8", 80, 8, numbered(1, 300), " * Building\n   │ line 299\n   │ line 300\n"},
		{"none of 3", 80, 3, numbered(1, 300), " * Building\n"},
		{"an unfinished line", 80, 24, "a\nb", " * Building\n   │ a\n   │ b\n"},
		{"a progress bar is one line", 80, 24, "get\n10%\r20%\r30%", " * Building\n   │ get\n   │ 30%\n"},
		{"also when its next state is not there yet", 80, 24, "get\n10%\r20%\r", " * Building\n   │ get\n   │ 20%\n"},
		{"and when each begins with the return", 80, 24, "get\n\r10%\r20%", " * Building\n   │ get\n   │ 20%\n"},
		{"long lines are cut", 20, 24, strings.Repeat("x", 500), " * Building\n   │ xxxxxxxxxxxxx…\n"},
		{"wide characters are not", 20, 24, strings.Repeat("日本", 50), " * Building\n   │ 日本日本日本…\n"},
		{"tabs", 20, 24, "a\tb\tc", " * Building\n   │ a       b    …\n"},
		{"sequences that would take over the screen", 80, 24, "\x1b[2J\x1b[1;1Hhome\x1b]0;title\x07\x1b[5A\x1b[?1049h\n", " * Building\n   │ home\n"},
		{"a very narrow terminal", 4, 24, "text", " *…\n  …\n"},
		{"one column", 1, 24, "text", "\n"},
		{"an unknown size", 0, 0, numbered(1, 9), " * Building\n   │ line 4\n   │ line 5\n   │ line 6\n   │ line 7\n   │ line 8\n   │ line 9\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDisplay(cmp.Or(c.columns, 80), cmp.Or(c.rows, 24), true)
			d.mu.Lock()
			d.columns, d.rows = c.columns, c.rows
			d.mu.Unlock()
			d.step("1", "Building", running, c.output)
			if got := steady(d.text()); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
			d.step("1", "", done, "")
			if got := d.end(); strings.Contains(got, "*") || strings.Contains(got, "│ line") {
				t.Errorf("left:\n%s", got)
			}
		})
	}
}

func TestASuccessfulStepFoldsAndAFailedOneStays(t *testing.T) {
	for _, c := range []struct {
		name   string
		output string
		state  waypointv1.OutputEvent_StepState
		want   string
		folded int
	}{
		{"success", numbered(1, 300), done, " ✓ Building (300 lines folded)\n", 300},
		{"short output stays", numbered(1, 3), done, " → Building\n   │ line 1\n   │ line 2\n   │ line 3\n ✓ Building\n", 0},
		{"failure", numbered(1, 9) + "no end", failed,
			" → Building\n   │ " + strings.ReplaceAll(numbered(1, 9), "\n", "\n   │ ") + "no end\n ✗ Building\n", 0},
		{"a warning", numbered(1, 4), waypointv1.OutputEvent_STEP_STATE_WARNED,
			" → Building\n   │ line 1\n   │ line 2\n   │ line 3\n   │ line 4\n ! Building\n", 0},
		{"progress bars count as one line", "10%\r20%\r\n30%\r40%", failed, " → Building\n   │ 20%\n   │ 40%\n ✗ Building\n", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDisplay(80, 24, true)
			d.step("1", "Building", running, c.output)
			d.step("1", "", c.state, "")
			folded := d.Folded()
			if got := d.end(); got != c.want || folded != c.folded {
				t.Errorf("got %d folded,\n%swant\n%s", folded, got, c.want)
			}
		})
	}
}

func TestWhatCommandsPrintBelongsToTheRunningStep(t *testing.T) {
	d := newDisplay(80, 24, true)
	raw := func(text string, stderr bool) {
		d.Event(&waypointv1.OutputEvent{Event: &waypointv1.OutputEvent_Raw_{Raw: &waypointv1.OutputEvent_Raw{Data: []byte(text), Stderr: stderr}}})
	}
	raw("before\n", false)
	d.step("1", "Building", running, "own\n")
	raw("a\nb", false)
	raw("error\n", true)
	raw("c\n10%\r20%\r", false)
	if got, want := steady(d.text()), "before\n * Building\n   │ own\n   │ a\n   │ error\n   │ bc\n   │ 20%\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	d.step("1", "", done, "")
	raw("after\n", false)
	if got, want := d.end(), "before\n ✓ Building (5 lines folded)\nafter\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAStepThatWasCutOffKeepsItsLastLines(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*display)
		want string
	}{
		{"by a cancel", func(d *display) { d.End() },
			" → Building\n   │ (… 12 lines before these)\n   │ " + strings.ReplaceAll(strings.TrimSpace(numbered(13, 20)), "\n", "\n   │ ") + "\n"},
		{"by a cancel that its runner reports", func(d *display) { d.Cancel(); d.step("1", "", failed, "") },
			" → Building\n   │ (… 12 lines before these)\n   │ " + strings.ReplaceAll(strings.TrimSpace(numbered(13, 20)), "\n", "\n   │ ") + "\n ✗ Building\n"},
		{"by a failure", func(d *display) { d.Fail() }, " → Building\n   │ " + strings.ReplaceAll(strings.TrimSpace(numbered(1, 20)), "\n", "\n   │ ") + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDisplay(80, 24, true)
			d.step("1", "Building", running, numbered(1, 20))
			c.end(d)
			if got := d.end(); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

func TestWhatIsKeptOfALongOutputIsBounded(t *testing.T) {
	d := newDisplay(80, 24, true)
	d.step("1", "Building", running, numbered(1, 6000))
	d.step("1", "", failed, "")
	if got := d.end(); !strings.HasPrefix(got, " → Building\n   │ (… 1000 lines before these)\n   │ line 1001\n") || !strings.HasSuffix(got, "line 6000\n ✗ Building\n") {
		t.Errorf("got %.200s", got)
	}
	d = newDisplay(200, 24, true)
	d.step("1", "Building", running, strings.Repeat(strings.Repeat("x", 60<<10)+"\n", 100))
	d.step("1", "", failed, "")
	if got := d.end(); len(got) > 3<<20 || !strings.Contains(got, "lines before these") {
		t.Errorf("%d bytes", len(got))
	}
}

func TestWhatOthersWriteStandsAboveTheLivePart(t *testing.T) {
	d := newDisplay(80, 24, true)
	d.step("1", "Building", running, "a\n")
	_, _ = d.Renderer.Write([]byte("level=INFO msg=renewed\n"))
	got := steady(d.text())
	if want := "level=INFO msg=renewed\n * Building\n   │ a\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := d.end(); got != "level=INFO msg=renewed\n → Building\n   │ a\n" {
		t.Errorf("in the end:\n%s", got)
	}
}

// Whatever sizes a terminal takes meanwhile, and whatever it does to lines then, what stays is what was printed.
func TestResizingLeavesNoStaleLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reflow := rapid.Bool().Draw(t, "reflow")
		least := 1
		if !reflow {
			least = 40 // a terminal that cuts lines would cut those that stay
		}
		columns, rows := rapid.IntRange(least, 100), rapid.IntRange(1, 50)
		d := newDisplay(columns.Draw(t, "columns"), rows.Draw(t, "rows"), reflow)
		var want strings.Builder
		line := rapid.StringOfN(rapid.SampledFrom([]rune("abc 日é\tx")), 0, 120, -1)
		for i := range rapid.IntRange(1, 20).Draw(t, "acts") {
			switch rapid.IntRange(0, 3).Draw(t, "act") {
			case 0:
				c, r := columns.Draw(t, "columns"), rows.Draw(t, "rows")
				d.resize(c, r)
			case 1:
				d.step(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "step"), "Step", running, line.Draw(t, "output")+"\n")
			case 2:
				text := fmt.Sprintf("stays%d", i)
				d.Line(terminal.Normal, text)
				want.WriteString(text + "\n")
			case 3:
				d.Note(line.Draw(t, "note"))
			}
		}
		for _, id := range []string{"a", "b", "c"} {
			d.step(id, "Step", done, "1\n2\n3\n4\n")
			want.WriteString(" ✓ Step\n")
		}
		d.resize(300, 50) // joins what narrow screens broke
		var got strings.Builder
		for line := range strings.Lines(d.end()) {
			if text, _, ok := strings.Cut(line, " ("); ok {
				line = text + "\n"
			}
			got.WriteString(line)
		}
		if got.String() != want.String() && !d.raced {
			t.Fatalf("got\n%swant\n%s", got.String(), want.String())
		}
	})
}
