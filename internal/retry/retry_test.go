package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/internal/retry"
)

var policy = retry.Policy{First: 100 * time.Millisecond, Most: time.Second}

func TestWaitsDoubleUpToTheLongest(t *testing.T) {
	for range 100 {
		b := policy.Start()
		for _, full := range []time.Duration{100, 200, 400, 800, 1000, 1000, 1000} {
			full *= time.Millisecond
			if got := b.Next(nil); got < full/2 || got > full {
				t.Fatalf("a wait of %s, between %s and %s is right", got, full/2, full)
			}
		}
		b.Reset()
		if got := b.Next(nil); got > policy.First {
			t.Fatalf("a wait of %s after a success", got)
		}
	}
}

// Clients that fail together must not come back together.
func TestWaitsDiffer(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		seen[policy.Start().Next(nil)] = true
		seen[retry.Spread(time.Minute)] = true
	}
	if len(seen) < 150 {
		t.Errorf("only %d different waits among 200", len(seen))
	}
}

func TestSpreadStaysNearItsInterval(t *testing.T) {
	for range 1000 {
		if got := retry.Spread(time.Minute); got < 54*time.Second || got > 66*time.Second {
			t.Fatalf("%s", got)
		}
	}
	for d := range time.Duration(20) {
		if got := retry.Spread(d); got < 0 || got > d+2 {
			t.Fatalf("Spread(%d) = %d", d, got)
		}
	}
}

func refusal(after string) error {
	err := connect.NewError(connect.CodeResourceExhausted, errors.New("slow down"))
	if after != "" {
		err.Meta().Set("Retry-After", after)
	}
	return fmt.Errorf("renewing: %w", err)
}

func TestTheServersWordIsObeyed(t *testing.T) {
	for range 100 {
		if got := policy.Start().Next(refusal("7")); got < 7*time.Second || got > 8*time.Second {
			t.Fatalf("a wait of %s, the server asked for 7 s", got)
		}
	}
	b := policy.Start()
	for range 5 {
		b.Next(nil)
	}
	if got := b.Next(refusal("0")); got < policy.Most/2 {
		t.Errorf("a wait of %s: a server that asks for less than the policy gives is met by the policy", got)
	}
}

func TestParseAfter(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"3": 3 * time.Second, " 3 ": 3 * time.Second, "0": 0, "86400": 2 * time.Minute,
		"Sun, 29 Nov 2026 12:00:30 GMT": 30 * time.Second, "Sun, 29 Nov 2026 11:00:00 GMT": 0,
		"Sun, 29 Nov 2037 12:00:30 GMT": 2 * time.Minute,
	} {
		if got, ok := retry.ParseAfter(value, now); !ok || got != want {
			t.Errorf("%q: %s %v, want %s", value, got, ok, want)
		}
	}
	for _, value := range []string{"", "-1", "soon", "1.5", "99999999999999999999", "1e9"} {
		if got, ok := retry.ParseAfter(value, now); ok {
			t.Errorf("%q was read as %s", value, got)
		}
	}
	if _, ok := retry.After(errors.New("no answer")); ok {
		t.Error("an error without an answer asks for a wait")
	}
	if _, ok := retry.After(refusal("")); ok {
		t.Error("an answer without the header asks for a wait")
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if (retry.Policy{First: time.Hour, Most: time.Hour}).Start().Wait(ctx, nil) {
			t.Error("the wait passed")
		}
		if since := time.Since(start); since != time.Second {
			t.Errorf("it ended after %s", since)
		}
		if retry.Sleep(ctx, 0) {
			t.Error("a context that has ended lets nobody go on")
		}
		start = time.Now()
		if !policy.Start().Wait(t.Context(), refusal("10")) || time.Since(start) < 10*time.Second {
			t.Errorf("waited %s of 10 s", time.Since(start))
		}
	})
}
