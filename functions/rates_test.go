package functions_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions"
)

// A runner that bounds nothing gets no further than the server lets it, however it claims, and an append costs what it did.
func TestOutputIsTakenAtARateWhateverTheRunnerDoes(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	w.Clock.Pass(24 * time.Hour)
	fence := c.claimed(t, noop())
	position, sent := int64(0), 0
	chunk := []byte(strings.Repeat("output of a job\n", 15_000)) // 240 KB
	send := func() error {
		_, err := c.agent.AppendOutput(ctx, ask(&waypointv1.AppendOutputRequest{Fence: fence, Position: position, Events: []*waypointv1.OutputEvent{
			{Event: &waypointv1.OutputEvent_Raw_{Raw: &waypointv1.OutputEvent_Raw{Data: chunk}}}}}))
		if err == nil {
			position++
			sent += len(chunk)
		}
		return err
	}
	var err error
	for n := 0; err == nil && n < 1_000; n++ {
		err = send()
	}
	wantFault(t, err, fault.Throttled)
	if connect.CodeOf(err) != connect.CodeResourceExhausted || sent < 40<<20 || sent > 41<<20 {
		t.Errorf("%d bytes were taken: %v", sent, err)
	}
	// A repeat of what was taken is answered as taken, and takes nothing.
	position--
	if err := send(); err != nil {
		t.Errorf("a repeat: %v", err)
	}
	sent -= len(chunk)
	w.Clock.Pass(10 * time.Second)
	must[waypointv1.RenewLeaseResponse](t)(c.agent.RenewLease(ctx, ask(&waypointv1.RenewLeaseRequest{Fence: fence})))
	before := sent
	for err = nil; err == nil; {
		err = send()
	}
	wantFault(t, err, fault.Throttled)
	if got := sent - before; got < 20<<20-len(chunk) || got > 21<<20 {
		t.Errorf("%d bytes were taken in 10 s", got)
	}
	// The job ends as it did.
	must[waypointv1.CompleteJobResponse](t)(c.agent.CompleteJob(ctx, ask(&waypointv1.CompleteJobRequest{Fence: fence, NextOutput: position})))
}

// sends sends a batch and returns for how long the server asks the instance to hold.
func (i *logInstance) sends(t *testing.T, text string, lines int) time.Duration {
	t.Helper()
	in := &waypointv1.PutLogsRequest{DeploymentId: i.deployment, InstanceId: i.id, Sequence: i.sequence}
	for range lines {
		in.Lines = append(in.Lines, &waypointv1.LogLine{TimeUnixMs: i.Clock.Now().UnixMilli(), Text: text})
	}
	i.sequence++
	res := must[waypointv1.PutLogsResponse](t)(i.entrypoint.PutLogs(t.Context(), ask(in)))
	return time.Duration(res.GetHoldMs()) * time.Millisecond
}

func TestLogsAreKeptUpToABoundOfTheDayWhateverAnAppSends(t *testing.T) {
	const perDay = 4 << 20
	w := newWorldFor(t, install(t), func(s *functions.Settings) { s.AppLogsPerDay = perDay })
	c := w.as(w.admin)
	c.project(t, "shop")
	d, e, _ := c.deployed(t)
	instances := []*logInstance{w.starts(t, e, d), w.starts(t, e, d)}
	const wide, lines = 1_000, 200 // a batch of 200 KB
	kept, writes := 0, 0.0
	for n := range 60 {
		w.Clock.Pass(time.Second)
		i := instances[n%2]
		hold := i.sends(t, strings.Repeat("x", wide), lines)
		if hold == 0 {
			kept += lines * (wide + 1)
		} else if hold > 5*time.Minute {
			t.Errorf("a hold of %s", hold)
		}
		if n >= 40 { // both were told: who sends all the same costs no write
			writes += i.used(t, "w")
		}
	}
	if kept > perDay+1<<20 || kept < perDay/2 {
		t.Errorf("%d bytes are kept of one day", kept)
	}
	if writes != 0 {
		t.Errorf("batches of instances that do not hold cost %.1f write units", writes)
	}
	if !strings.Contains(w.log.String(), "an app has logged too much today") {
		t.Error("the server's log does not tell")
	}
	// What was left out is shown; after the hold, and on the next day, with its number.
	w.Clock.Pass(6 * time.Minute)
	if hold := instances[0].sends(t, "after the hold", 1); hold == 0 {
		t.Error("the day's bound does not hold after the first hold")
	}
	w.Clock.Pass(25 * time.Hour)
	must[waypointv1.GetAppConfigResponse](t)(e.entrypoint.GetAppConfig(t.Context(), ask(&waypointv1.GetAppConfigRequest{DeploymentId: d, InstanceId: instances[1].id})))
	if hold := instances[1].sends(t, "the next day", 1); hold != 0 {
		t.Errorf("the next day: a hold of %s", hold)
	}
	left := 0
	for _, l := range c.logs(t, "", 10_000).GetLines() {
		var n, bytes int
		if _, err := fmt.Sscanf(l.GetText(), "%d lines (%d bytes) were left out", &n, &bytes); err == nil {
			left += n
		}
	}
	if want := 60*lines - kept/(wide+1) + 1; left != want { // one came after the first hold
		t.Errorf("%d lines are said to be left out, %d were", left, want)
	}
}

// An instance that sends faster than an entrypoint does is held for moments, and told how much that cost it.
func TestLogsAreTakenAtARate(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	d, e, _ := c.deployed(t)
	i := w.starts(t, e, d)
	taken, held := 0, time.Duration(0)
	for range 400 {
		if hold := i.sends(t, strings.Repeat("x", 10_000), 20); hold > 0 {
			held = hold
			break
		}
		taken += 20 * 10_001
	}
	if taken < 39<<20 || taken > 41<<20 || held == 0 || held > 10*time.Second {
		t.Fatalf("%d bytes were taken at once; a hold of %s", taken, held)
	}
	w.Clock.Pass(held + time.Second)
	if hold := i.sends(t, "and on", 1); hold != 0 {
		t.Errorf("a hold of %s after the first", hold)
	}
	got := texts(c.logs(t, "", 2))
	if got != "20 lines (200020 bytes) were left out: more than the app may log (1 MB a second in the long run), or than could be sent,and on" {
		t.Error(got)
	}
}
