package operation

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestOrderOf(t *testing.T) {
	for name, c := range map[string]struct {
		side        Side
		given, apps int
		remote      bool
		processors  int
		want        order
	}{
		"one app":                              {side: BuildsAtOnce, apps: 1, processors: 8, want: order{most: 1}},
		"one app, with -parallel":              {side: BuildsAtOnce, given: 4, apps: 1, processors: 8, want: order{most: 1}},
		"an up builds at once":                 {side: BuildsAtOnce, apps: 9, processors: 8, want: order{most: 8, turns: true}},
		"an up on one processor":               {side: BuildsAtOnce, apps: 9, processors: 1, want: order{most: 2, turns: true}},
		"an up with -parallel":                 {side: BuildsAtOnce, given: 4, apps: 9, processors: 8, want: order{most: 4}},
		"an up with -parallel 1":               {side: BuildsAtOnce, given: 1, apps: 9, processors: 8, want: order{most: 1}},
		"an up on remote runners":              {side: BuildsAtOnce, apps: 9, remote: true, processors: 2, want: order{most: remoteMost, turns: true}},
		"builds":                               {side: AtOnce, apps: 9, processors: 4, want: order{most: 4}},
		"deploys":                              {side: InTurn, apps: 9, processors: 4, want: order{most: 1}},
		"deploys with -parallel":               {side: InTurn, given: 3, apps: 9, processors: 4, want: order{most: 3}},
		"more than there are apps is harmless": {side: InTurn, given: 30, apps: 2, processors: 4, want: order{most: 30}},
	} {
		if got := orderOf(c.side, c.given, c.apps, c.remote, c.processors); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Apps begin side by side and are changed in the order of the file, whoever is ready first.
func TestQueue_TurnsComeInOrder(t *testing.T) {
	apps := []string{"a", "b", "c", "d"}
	q := newQueue(2, apps)
	var (
		group   sync.WaitGroup
		mu      sync.Mutex
		changed []string
	)
	ready := make(chan struct{}) // the first app is ready only when all others wait for it
	var waiting sync.WaitGroup
	waiting.Add(len(apps) - 1)
	for n, app := range apps {
		p := q.enter(t.Context(), n)
		group.Go(func() {
			defer p.exit()
			if n == 0 {
				p.giveSlot()
				<-ready
			}
			first := true
			err := p.awaitTurn(t.Context(), func(string) {
				if first {
					first = false
					waiting.Done()
				}
			})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			changed = append(changed, app)
		})
	}
	waiting.Wait()
	close(ready)
	group.Wait()
	if !slices.Equal(changed, apps) {
		t.Errorf("changed in the order %q", changed)
	}
}

func TestQueue_EndsWithItsContext(t *testing.T) {
	q := newQueue(1, []string{"a", "b"})
	p := q.enter(t.Context(), 0)
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	time.AfterFunc(10*time.Millisecond, func() { cancel(stopped) })
	if q.enter(ctx, 1) != nil {
		t.Error("there was a second slot")
	}
	p.giveSlot()
	second := q.enter(t.Context(), 1)
	if err := second.awaitTurn(ctx, func(string) {}); !errors.Is(err, stopped) {
		t.Errorf("it waited until %v", err)
	}
	p.exit()
	p.exit() // again is harmless
	if err := second.awaitTurn(t.Context(), func(before string) { t.Errorf("it waits for %s", before) }); err != nil {
		t.Error(err)
	}
}
