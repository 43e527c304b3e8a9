package output

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// handClock is moved by the test alone.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// notes are the lines about what was dropped, and their sums.
func notes(t *testing.T, l *log) (texts []string, lines, bytes int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.batches {
		for _, e := range b {
			var n, size int
			if _, err := fmt.Sscanf(e.GetLine().GetText(), "%d lines (%d bytes) were left out", &n, &size); err == nil {
				texts, lines, bytes = append(texts, e.GetLine().GetText()), lines+n, bytes+size
			}
		}
	}
	return texts, lines, bytes
}

func TestWhatAJobPrintsBeyondItsRateIsDroppedAndCounted(t *testing.T) {
	const rate = 100 << 10
	l, clock := &log{}, &handClock{now: time.Unix(1_700_000_000, 0)}
	w := New(context.Background(), Options{Append: l.append, Rate: rate, Now: clock.Now})
	const wide = 1 << 10
	line := func(n int) string { return fmt.Sprintf("%08d %s\n", n, strings.Repeat("x", wide-10)) }
	printed := 0
	print := func(lines int) {
		for range lines {
			fmt.Fprint(w.Stdout(), line(printed))
			printed++
		}
	}
	// 20 s of the rate at once are kept, what is beyond is not; later the rate goes on.
	print(5_000)
	clock.pass(3 * time.Second)
	print(200)
	w.Step("a step is shown whatever was printed").Done("done")
	print(2_000)
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	shown := strings.Split(strings.TrimSuffix(l.raw(), "\n"), "\n")
	texts, dropped, size := notes(t, l)
	if len(shown)+dropped != printed || len(l.raw())+size != printed*wide {
		t.Errorf("%d lines shown and %d dropped of %d; %d and %d bytes of %d: %v", len(shown), dropped, printed, len(l.raw()), size, printed*wide, texts)
	}
	if len(shown) < 2_000+200 || len(shown) > 2_000+300+1 || len(texts) < 2 || len(texts) > 3 {
		t.Errorf("%d lines are shown, and notes %v", len(shown), texts)
	}
	for _, s := range shown {
		if len(s) != wide-1 {
			t.Fatalf("a line was cut: %q", s)
		}
	}
}

func TestALineThatIsDroppedInPartIsDroppedWhole(t *testing.T) {
	l, clock := &log{}, &handClock{now: time.Unix(1_700_000_000, 0)}
	w := New(context.Background(), Options{Append: l.append, Rate: 16 << 10, Now: clock.Now})
	fmt.Fprint(w.Stdout(), strings.Repeat("y", 400<<10)) // beyond the burst, with no end of line
	clock.pass(time.Minute)
	fmt.Fprint(w.Stdout(), "the rest of it\nnext\n")
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	raw := l.raw()
	texts, _, size := notes(t, l)
	if !strings.HasSuffix(raw, "next\n") || strings.Contains(raw, "the rest") || len(raw)+size != 400<<10+len("the rest of it\nnext\n") {
		t.Errorf("%d bytes are shown, ending in %q; %v", len(raw), raw[max(0, len(raw)-40):], texts)
	}
}

func TestTenThousandLinesAreShownWhole(t *testing.T) {
	l, clock := &log{}, &handClock{now: time.Unix(1_700_000_000, 0)}
	w := New(context.Background(), Options{Append: l.append, Rate: DefaultRate, Now: clock.Now})
	for n := range 10_000 {
		fmt.Fprintf(w.Stdout(), "line %d of a build, with some more words in it\n", n)
		w.Line(plugin.Info, "and what a plugin says")
	}
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if texts, _, _ := notes(t, l); strings.Count(l.raw(), "\n") != 10_000 || texts != nil {
		t.Errorf("%d lines, %v", strings.Count(l.raw(), "\n"), texts)
	}
}
