// Package retry decides how long to wait before something that failed is tried again. Every component waits by its
// rules, so that a server that comes back after an incident is not met by all of its clients in the same instant, and
// so that a server that says when to come back (Retry-After) is obeyed.
//
// The package decides about time alone: whether an error may be tried again, and for how long in all, is the caller's
// decision. It imports nothing of ours.
package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
)

// headerAfter is the HTTP header in which a server says how long to stay away: seconds, or a date.
const headerAfter = "Retry-After"

// maxAfter is the longest wait that an answer can ask for. A wrong clock or a hostile answer must not stop a client
// for hours; two minutes are longer than any throttle of ours needs.
const maxAfter = 2 * time.Minute

// Policy is how waits grow: the first failure is followed by a wait of about First, each further one by twice the wait
// before it, up to Most.
type Policy struct {
	First, Most time.Duration
}

// Backoff counts the failures of one call or loop. It belongs to one goroutine.
type Backoff struct {
	policy Policy
	wait   time.Duration
}

// Start returns a Backoff before its first failure.
func (p Policy) Start() *Backoff { return &Backoff{policy: p, wait: p.First} }

// Reset forgets the failures: call it after a success in a loop that goes on.
func (b *Backoff) Reset() { b.wait = b.policy.First }

// Next returns how long to wait after a failure with err (nil: a failure without an error). The wait is random between
// half and all of what the policy gives, and never shorter than what the server asked for with Retry-After.
func (b *Backoff) Next(err error) time.Duration {
	wait := jitter(b.wait)
	b.wait = min(2*b.wait, b.policy.Most)
	if after, ok := After(err); ok && after > wait {
		// A little later than asked for, each client at its own time.
		return after + rand.N(after/10+time.Millisecond)
	}
	return wait
}

// Wait waits as long as Next says and reports whether the time passed before ctx ended.
func (b *Backoff) Wait(ctx context.Context, err error) bool { return Sleep(ctx, b.Next(err)) }

// jitter returns a random duration between half of d and d.
func jitter(d time.Duration) time.Duration {
	if d < 2 {
		return d
	}
	return d/2 + rand.N(d/2) + 1
}

// Spread moves d by up to 10 % either way. Loops that call at an interval use it, so that a thousand of them that were
// started at once do not stay together.
func Spread(d time.Duration) time.Duration {
	if d < 10 {
		return d
	}
	return d - d/10 + rand.N(d/5)
}

// Sleep waits for d and reports whether it passed before ctx ended.
func Sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// After returns how long the server asked to be left alone, from the header Retry-After of a failed Connect call. It
// reports false where the error carries no such header, or one that cannot be read. The answer is at most two minutes.
func After(err error) (time.Duration, bool) {
	var c *connect.Error
	if !errors.As(err, &c) {
		return 0, false
	}
	return ParseAfter(c.Meta().Get(headerAfter), time.Now())
}

// ParseAfter reads a Retry-After header: a number of seconds, or an HTTP date. A date in the past means at once.
func ParseAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxAfter), true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(date.Sub(now), 0), maxAfter), true
}
