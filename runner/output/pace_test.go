package output

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// TestTheServerTellsHowOftenToAppend prints 50 lines a second for 10 s, on a server that tells an interval and on one that
// tells none: a line waits for the interval at most, and the appends are as many as it allows.
func TestTheServerTellsHowOftenToAppend(t *testing.T) {
	for name, c := range map[string]struct {
		told        time.Duration
		least, most int
		longest     time.Duration
	}{
		"none":   {0, 35, 50, interval},
		"20 ms":  {20 * time.Millisecond, 480, 510, 25 * time.Millisecond},
		"100 ms": {100 * time.Millisecond, 90, 115, 105 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &log{}
				var w *Writer
				var mu sync.Mutex
				var longest time.Duration
				printed := map[string]time.Time{}
				w = New(t.Context(), Options{Append: func(ctx context.Context, position int64, events []*waypointv1.OutputEvent) (int64, error) {
					w.SetInterval(c.told)
					mu.Lock()
					for _, e := range events {
						if at, ok := printed[e.GetLine().GetText()]; ok {
							longest = max(longest, time.Since(at))
						}
					}
					mu.Unlock()
					return l.append(ctx, position, events)
				}})
				for i := range 500 {
					text := time.Duration(i).String()
					mu.Lock()
					printed[text] = time.Now()
					mu.Unlock()
					w.Line(0, "%s", text)
					time.Sleep(20 * time.Millisecond)
				}
				if err := w.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := len(l.batches); n < c.least || n > c.most {
					t.Errorf("%d appends, want %d to %d", n, c.least, c.most)
				}
				if longest > c.longest {
					t.Errorf("a line waited %s, want %s at most", longest, c.longest)
				}
			})
		})
	}
}
