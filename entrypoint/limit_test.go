package entrypoint

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLinesAboveTheRateAreLeftOutAndCounted(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	b := newBuffer(1 << 30)
	b.allow = newAllowance(100 << 10) // 100 KB a second, 2 MB at once
	s := &splitter{to: b, now: func() time.Time { return now }}
	const wide = 1024
	sent, dropped, bytes := 0, int64(0), int64(0)
	collect := func() {
		for !b.empty() {
			lines, d, n := b.take()
			sent, dropped, bytes = sent+len(lines), dropped+d, bytes+n
		}
	}
	write := func(lines int) {
		for n := range lines {
			fmt.Fprintf(s, "%08d%s\n", n, strings.Repeat("x", wide-8-lineOverhead))
		}
		collect()
	}
	write(5_000)
	if sent != 2_000 || dropped != 3_000 || bytes != 3_000*(wide-lineOverhead) {
		t.Errorf("%d lines are sent, %d (%d bytes) dropped", sent, dropped, bytes)
	}
	now = now.Add(10 * time.Second)
	write(5_000)
	if sent != 3_000 || dropped != 7_000 {
		t.Errorf("10 s later %d lines are sent, %d dropped", sent, dropped)
	}
}

func TestNoRateLetsEverythingPass(t *testing.T) {
	if a := newAllowance(-1); !a.take(1<<40, time.Now()) {
		t.Error("no limit bounds")
	}
	if a := newAllowance(0); a.perSecond != 1<<20 || a.most != 20<<20 {
		t.Errorf("the default: %v", a)
	}
}
