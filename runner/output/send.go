package output

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/retry"
)

// failing is how an append that was not accepted waits before it is made again.
var failing = retry.Policy{First: 100 * time.Millisecond, Most: 5 * time.Second}

// run is the sender: the one goroutine that appends.
func (w *Writer) run(ctx context.Context) {
	defer close(w.done)
	for {
		batch, position, wait, more := w.take()
		if !more {
			return
		}
		if batch == nil {
			if !w.sleep(ctx, wait) {
				w.giveUp(context.Cause(ctx))
				return
			}
			continue
		}
		next, err := w.deliver(ctx, position, batch)
		if err != nil {
			w.giveUp(err)
			return
		}
		w.mu.Lock()
		w.next = next
		w.mu.Unlock()
	}
}

func (w *Writer) giveUp(err error) {
	w.mu.Lock()
	first := w.failed == nil
	w.fail(err)
	w.mu.Unlock()
	if first && w.o.Failed != nil {
		w.o.Failed(err)
	}
}

// sleep waits for a nudge, for the time (negative: no limit) or for the end of ctx, and says whether to go on.
func (w *Writer) sleep(ctx context.Context, wait time.Duration) bool {
	var due <-chan time.Time
	if wait >= 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-w.wake:
	case <-due:
	case <-ctx.Done():
		return false
	}
	return true
}

// take decides what to do now: send a batch, wait, or end.
func (w *Writer) take() (batch []*waypointv1.OutputEvent, position int64, wait time.Duration, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return nil, 0, 0, false
	}
	now, urgent := w.o.Now(), w.urgent > 0 || w.closed
	wait = -1
	for _, s := range w.streams {
		if left := s.heldFor(now); urgent {
			s.release(ended)
		} else if left <= 0 {
			s.release(lapsed)
		} else if wait < 0 || left < wait {
			wait = left
		}
	}
	switch due := w.noteDue(now, urgent); {
	case due == 0:
		w.noteDropped()
	case due > 0 && (wait < 0 || due < wait):
		wait = due
	}
	if len(w.pending) == 0 {
		w.releaseFlushers()
		return nil, 0, wait, !w.closed
	}
	turn := w.pace.ReserveN(now, 1)
	if left := turn.DelayFrom(now); left > 0 && !urgent && w.size < batchSoft {
		turn.CancelAt(now)
		if wait < 0 || left < wait {
			wait = left
		}
		return nil, 0, wait, true
	}
	return w.cut(), w.next, 0, true
}

// cut takes as much of the pending events as one append may carry; the caller holds mu.
func (w *Writer) cut() []*waypointv1.OutputEvent {
	n, size := 0, 0
	for n < len(w.pending) && n < batchEvents {
		more := proto.Size(w.pending[n]) + eventOverhead
		if n > 0 && size+more > batchHard {
			break
		}
		size += more
		n++
	}
	batch := w.pending[:n:n]
	w.pending = w.pending[n:]
	w.size -= size
	if len(w.pending) == 0 {
		w.pending, w.size = nil, 0
		// The batch is on its way and must never change again.
		w.lastFrom = nil
	}
	w.room.Broadcast()
	return batch
}

// deliver appends one batch until it is accepted, refused for good, or ctx ends.
func (w *Writer) deliver(ctx context.Context, position int64, batch []*waypointv1.OutputEvent) (int64, error) {
	for waits := failing.Start(); ; {
		next, err := w.o.Append(ctx, position, batch)
		if err == nil {
			return next, nil
		}
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if w.o.Permanent != nil && w.o.Permanent(err) {
			return 0, err
		}
		if !waits.Wait(ctx, err) {
			return 0, context.Cause(ctx)
		}
	}
}
