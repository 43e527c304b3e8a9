package cost

import (
	"testing"

	"github.com/waypoint-serverless/waypoint/internal/client"
)

func TestPriceOfAnUp(t *testing.T) {
	used := client.Cost{Requests: 1_000_000, ReadUnits: 1_000_000, WriteUnits: 1_000_000, QueueCalls: 1_000_000, ServerMS: 4_000_000}
	// 3.50 + 0.20 requests and 0.75 GB of their logs, 0.125 reads, 0.625 writes, 0.40 queue, 1,000 GB-s of functions.
	if got, want := price(used), 3.50+0.20+0.75*0.50+0.125+0.625+0.40+0.0133334; got < want-1e-9 || got > want+1e-9 {
		t.Errorf("got %f, want %f", got, want)
	}
	if got := price(client.Cost{}); got != 0 {
		t.Errorf("nothing costs %f", got)
	}
}

func price(c client.Cost) float64 {
	usd, _ := USD(c)
	return usd
}

func TestLine(t *testing.T) {
	got := Line(client.Cost{Requests: 18, ReadUnits: 24.5, WriteUnits: 20, QueueCalls: 1, ServerMS: 41.4})
	want := "18 requests, 24.5 read units, 20 write units, 1 queue calls, 41 ms of functions: $0.000089 at list prices of 2026-11-23"
	if got != want {
		t.Errorf("got %q", got)
	}
}
