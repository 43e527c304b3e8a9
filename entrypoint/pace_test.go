package entrypoint

import (
	"slices"
	"testing"
	"time"
)

func TestThePaceOfLogs(t *testing.T) {
	// waits plays an app that prints all the time, or each so often, and returns the gaps between its sends.
	waits := func(p *pace, now *time.Time, interval, every time.Duration, n int) (out []time.Duration) {
		for range n {
			w := p.wait(*now, interval)
			out = append(out, w)
			*now = now.Add(w)
			p.sent(*now, interval)
			*now = now.Add(every)
		}
		return out
	}
	const ms, s = time.Millisecond, time.Second
	for name, c := range map[string]struct {
		interval, every time.Duration
		want            []time.Duration
	}{
		"prints all the time": {15 * s, 0, []time.Duration{250 * ms, s, 4 * s, 15 * s, 15 * s}},
		"somebody reads":      {s, 0, []time.Duration{250 * ms, s, s, s, s}},
		"a short interval":    {100 * ms, 0, []time.Duration{100 * ms, 250 * ms, 250 * ms}[:1]},
		"a line a minute":     {15 * s, 61 * s, []time.Duration{250 * ms, 250 * ms, 250 * ms}},
		"a line each 20 s":    {15 * s, 20 * s, []time.Duration{250 * ms, 250 * ms, 250 * ms}},
	} {
		now := time.Unix(1_700_000_000, 0)
		if got := waits(&pace{}, &now, c.interval, c.every, len(c.want)); !slices.Equal(got, c.want) {
			t.Errorf("%s: waits %v, want %v", name, got, c.want)
		}
	}

	// Whatever an app prints, it costs at most three calls more than one each interval, for each silence of four intervals.
	p, now := &pace{}, time.Unix(1_700_000_000, 0)
	start, sends := now, 0
	for now.Sub(start) < time.Hour {
		now = now.Add(p.wait(now, 15*s))
		p.sent(now, 15*s)
		sends++
		now = now.Add(10 * ms)
	}
	if most := 60*4 + 3; sends > most {
		t.Errorf("%d calls in an hour, want %d at most", sends, most)
	}
}
