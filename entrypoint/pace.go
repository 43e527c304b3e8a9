package entrypoint

import "time"

// The first lines after a silence are sent together after firstGap, so that what an app says when it starts, or when
// something happens, can be read at once. While it goes on printing, each gap is gapGrowth times the one before, until
// it is the server's interval: a call costs money on AWS. A silence is quietIntervals intervals without a send.
const (
	firstGap       = 250 * time.Millisecond
	gapGrowth      = 4
	quietIntervals = 4
)

// pace says when log lines may be sent. Its zero value has sent nothing.
type pace struct {
	last time.Time // of the last send
	gap  time.Duration
}

// wait returns how long lines that came now wait before they are sent.
func (p *pace) wait(now time.Time, interval time.Duration) time.Duration {
	if p.quiet(now, interval) {
		return min(firstGap, interval)
	}
	return max(p.last.Add(min(p.gap, interval)).Sub(now), min(firstGap, interval))
}

// sent notes a send: the next one comes after a longer gap.
func (p *pace) sent(now time.Time, interval time.Duration) {
	if p.quiet(now, interval) {
		p.gap = firstGap
	}
	p.gap = min(p.gap*gapGrowth, max(interval, firstGap))
	p.last = now
}

func (p *pace) quiet(now time.Time, interval time.Duration) bool {
	return p.last.IsZero() || now.Sub(p.last) > quietIntervals*interval
}
