// Package output carries what a job shows to the server: it implements the plugins' UI, turns what they print
// into typed events, and appends those in batches, each once, in order.
//
// One append is in flight at a time. An append whose fate is unknown is repeated with the same events at the same
// position, which the server answers as accepted; so nothing is lost or doubled. The buffer is bounded: while the
// server is away, writers block. The package knows the event messages and nothing else of the API.
//
// What is sensitive is taken out of everything before it becomes an event, so no plugin has to think of it.
package output

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// Sizes and times of batching. The server accepts 256 KB and 5,000 events in one append.
const (
	batchSoft   = 32 << 10
	batchHard   = 128 << 10
	batchEvents = 4000
	bufferMost  = 1 << 20
	pieceMost   = 16 << 10
	// An append costs money on AWS: small ones go at most four times a second in the long run, unless the server tells
	// another interval, but some at once, so that what is printed now and then arrives now.
	interval = 250 * time.Millisecond
	burst    = 6
	// leastInterval bounds what a server may ask for.
	leastInterval = time.Millisecond

	// eventOverhead is what an event takes in a batch besides its own bytes.
	eventOverhead = 8
)

// Append sends one batch to one position and returns the position after it. The same batch may be sent again.
type Append func(ctx context.Context, position int64, events []*waypointv1.OutputEvent) (next int64, err error)

// Options of a Writer.
type Options struct {
	Append Append
	// Permanent reports whether an error of Append will not go away; then the writer fails and drops the rest.
	Permanent func(error) bool
	// Failed is told the error, once, when the writer fails. It must not call the writer.
	Failed func(error)
	// Next is the position that the first append takes.
	Next int64
	// Prefix makes ids of steps unique in the job: the attempt, say.
	Prefix string
	// Secrets are the values that must not be shown; nil: there are none.
	Secrets *redact.Secrets
	// Rate is how many bytes a second may be printed in the long run; 0: any number.
	Rate int
	Now  func() time.Time
}

// Writer is a job's output. It is safe for concurrent use.
type Writer struct {
	o      Options
	stdout *stream
	stderr *stream

	mu      sync.Mutex
	room    *sync.Cond
	pending []*waypointv1.OutputEvent
	size    int
	// lastFrom is the stream that the last pending event came from; more of it is added to that event.
	lastFrom *stream
	streams  []*stream
	next     int64
	pace     *rate.Limiter
	limit    *limiter
	urgent   int
	flushed  []chan struct{}
	failed   error
	closed   bool
	ids      int

	wake chan struct{}
	done chan struct{}
}

// ErrClosed is what Flush and Close return after the writer was closed.
var ErrClosed = errors.New("the job's output is closed")

// New starts a writer. It sends until Close; when ctx ends first, it fails with the cause of ctx.
func New(ctx context.Context, o Options) *Writer {
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &Writer{o: o, next: o.Next, pace: rate.NewLimiter(rate.Every(interval), burst), limit: newLimiter(o.Rate), wake: make(chan struct{}, 1), done: make(chan struct{})}
	w.room = sync.NewCond(&w.mu)
	w.stdout = w.newStream(func(data []byte) *waypointv1.OutputEvent { return rawEvent(data, false) })
	w.stderr = w.newStream(func(data []byte) *waypointv1.OutputEvent { return rawEvent(data, true) })
	w.streams = []*stream{w.stdout, w.stderr}
	go w.run(ctx)
	return w
}

// SetInterval sets how long to wait in the long run between two small appends, as the server tells it; 0 changes nothing.
func (w *Writer) SetInterval(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d > 0 && rate.Every(d) != w.pace.Limit() {
		w.pace.SetLimitAt(w.o.Now(), rate.Every(min(max(d, leastInterval), time.Minute)))
	}
}

// Next is the position that the next append takes: the number of positions written by all attempts, once flushed.
func (w *Writer) Next() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next
}

// Flush returns when everything written before it has been accepted, the writer has failed, or ctx has ended.
func (w *Writer) Flush(ctx context.Context) error {
	w.mu.Lock()
	if w.failed != nil || w.closed {
		defer w.mu.Unlock()
		if w.failed != nil {
			return w.failed
		}
		return ErrClosed
	}
	ready := make(chan struct{})
	w.flushed = append(w.flushed, ready)
	w.urgent++
	w.mu.Unlock()
	w.nudge()

	var err error
	select {
	case <-ready:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.urgent--
	if w.failed != nil {
		return w.failed
	}
	return err
}

// Close flushes and ends the writer, waiting no longer than ctx. What is written later is dropped.
func (w *Writer) Close(ctx context.Context) error {
	err := w.Flush(ctx)
	if errors.Is(err, ErrClosed) {
		return nil
	}
	w.mu.Lock()
	w.closed = true
	if err != nil && w.failed == nil {
		w.fail(err)
	}
	w.room.Broadcast()
	w.mu.Unlock()
	w.nudge()
	<-w.done
	return err
}

func (w *Writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// add appends an event, waiting for room. from is nil for events that are no stream's.
func (w *Writer) add(e *waypointv1.OutputEvent, from *stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.size >= bufferMost && w.failed == nil && !w.closed {
		w.room.Wait()
	}
	if w.failed != nil || w.closed {
		return
	}
	if n := proto.Size(e); limited(e) && !w.limit.admits(w.o.Now(), n) {
		w.limit.drop(1, n)
		w.nudge()
		return
	}
	w.noteDropped()
	for _, s := range w.streams {
		s.release(whole) // what was printed before comes before
	}
	w.push(e, from)
	w.nudge()
}

// push adds to the pending events; the caller holds mu.
func (w *Writer) push(e *waypointv1.OutputEvent, from *stream) {
	e.TimeUnixMs = w.o.Now().UnixMilli()
	w.pending = append(w.pending, e)
	w.size += proto.Size(e) + eventOverhead
	w.lastFrom = from
}

// fail drops everything; the caller holds mu.
func (w *Writer) fail(err error) {
	w.failed = err
	w.pending, w.size, w.lastFrom = nil, 0, nil
	w.room.Broadcast()
	w.releaseFlushers()
}

func (w *Writer) releaseFlushers() {
	for _, ready := range w.flushed {
		close(ready)
	}
	w.flushed = nil
}
