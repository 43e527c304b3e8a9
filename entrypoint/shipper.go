package entrypoint

import (
	"context"
	"log/slog"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/retry"
)

// partialAge is how long a line without an end waits for its end before it is sent as it is.
const partialAge = time.Second

// shipper sends the buffer's lines in batches. A batch keeps its sequence number and its lines until it has
// been answered, so the server can recognise a repeat.
type shipper struct {
	client    entrypointClient
	buffer    *buffer
	splitters []*splitter
	intervals *intervals
	log       *slog.Logger

	deploymentID, instanceID string
	sequence                 int64
	pace                     pace
	pending                  *waypointv1.PutLogsRequest
	// hold is how long the server wants no lines: the app has written too much today. The buffer counts what it drops
	// meanwhile.
	hold time.Duration
}

// run sends until ctx ends; flush sends what is left.
func (s *shipper) run(ctx context.Context) {
	waits := failing.Start()
	for {
		s.pause(ctx)
		if ctx.Err() != nil {
			return
		}
		for s.load() {
			err := s.send(ctx)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				waits.Reset()
				if s.hold > 0 && !retry.Sleep(ctx, retry.Spread(s.hold)) {
					return
				}
				if s.buffer.hasBatch() {
					continue
				}
				break // what came meanwhile waits for its interval
			}
			s.log.Warn("cannot send logs yet", "error", err)
			if !retry.Sleep(ctx, waitAfter(err, waits)) {
				return
			}
		}
	}
}

// pause waits for a line and until it may be sent, for a batch to fill, or for the interval to pass: then a line that
// has no end yet is sent, too.
func (s *shipper) pause(ctx context.Context) {
	interval := time.NewTimer(s.intervals.logs())
	defer interval.Stop()
	var allowed <-chan time.Time
	some := s.buffer.some
	for {
		select {
		case <-ctx.Done():
			return
		case <-interval.C:
			return
		case <-allowed:
			return
		case <-s.buffer.full:
			return
		case <-s.intervals.changed:
			return
		case <-some: // what comes with the first line is sent with it
			timer := time.NewTimer(s.pace.wait(time.Now(), s.intervals.logs()))
			defer timer.Stop()
			some, allowed = nil, timer.C
		}
	}
}

// load fills the pending batch; false: there is nothing to send.
func (s *shipper) load() bool {
	if s.pending != nil {
		return true
	}
	for _, sp := range s.splitters {
		sp.flush(partialAge)
	}
	lines, dropped, droppedBytes := s.buffer.take()
	if len(lines) == 0 && dropped == 0 {
		return false
	}
	for _, l := range lines {
		l.DeploymentId, l.InstanceId = s.deploymentID, s.instanceID
	}
	s.pending = &waypointv1.PutLogsRequest{
		DeploymentId: s.deploymentID, InstanceId: s.instanceID,
		Sequence: s.sequence, Lines: lines, Dropped: dropped, DroppedBytes: droppedBytes,
	}
	s.sequence++
	return true
}

func (s *shipper) send(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := s.client.PutLogs(ctx, connect.NewRequest(s.pending))
	if err != nil {
		if f, typed := fault.From(err); typed && (f.Reason == fault.TooLarge || f.Reason == fault.InvalidArgument) {
			// These lines will never be taken; the next ones may.
			bytes := s.pending.GetDroppedBytes()
			for _, l := range s.pending.GetLines() {
				bytes += int64(len(l.GetText()))
			}
			s.buffer.lost(int64(len(s.pending.GetLines()))+s.pending.GetDropped(), bytes)
			s.pending = nil
		}
		return err
	}
	s.pending = nil
	s.pace.sent(time.Now(), s.intervals.logs())
	s.intervals.set(res.Msg.GetIntervals())
	s.hold = time.Duration(res.Msg.GetHoldMs()) * time.Millisecond
	return nil
}

// flush sends everything that is left, after run has ended: for total at most, and for idle at most without any
// progress, so that a server that is away hardly delays the end and a slow one still gets every line.
func (s *shipper) flush(ctx context.Context, total, idle time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, total)
	defer cancel()
	for _, sp := range s.splitters {
		sp.flush(0)
	}
	for s.load() {
		if !s.insist(ctx, idle) {
			break
		}
	}
	if s.pending != nil || !s.buffer.empty() {
		s.log.Warn("the last log lines could not be sent")
	}
}

// insist sends the pending batch, again and again within idle. false: it could not be sent.
func (s *shipper) insist(ctx context.Context, idle time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, idle)
	defer cancel()
	waits := failing.Start()
	for {
		err := s.send(ctx)
		switch {
		case err == nil:
			return true
		case refused(err):
			return s.pending == nil // these lines were refused; the next ones may be taken
		case !waits.Wait(ctx, err):
			return false
		}
	}
}

// refused says whether the server itself said no, so that trying again soon is of no use.
func refused(err error) bool {
	f, typed := fault.From(err)
	return typed && f.Reason != fault.Throttled && f.Reason != fault.Internal && f.Reason != fault.Conflict
}

// waitAfter returns how long to wait after a failed call: long where the server itself refused, since trying again soon
// is of no use then.
func waitAfter(err error, waits *retry.Backoff) time.Duration {
	if refused(err) {
		return retry.Spread(refusedBackoff)
	}
	return waits.Next(err)
}
