// Package lease keeps a claimed job's lease: it renews, tells a job when it must stop, and says when a new step
// may begin.
//
// Only the runner's own monotonic clock is used, counted from when the last accepted renewal was sent. The package
// knows neither the API nor what a job does.
package lease

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	retryMost = time.Second
	callBound = 8 * time.Second
)

// The protocol's times are parts of the lease: one of 30 s is renewed every 10 s.
func renewEvery(lease time.Duration) time.Duration { return lease / 3 }

// quiet is how long after the last renewal steps may still begin: 20 s.
func quiet(lease time.Duration) time.Duration { return lease * 2 / 3 }

// margin is how long before its end a lease counts as over: 5 s, the slack between two server clocks.
func margin(lease time.Duration) time.Duration { return lease / 6 }

// Why a job's work is stopped; the cause of the contexts that Work makes.
var (
	// ErrStale: the lease is another's, or the job has ended. Nothing may be written any more.
	ErrStale = errors.New("the job was taken from this runner")
	// ErrCanceled: somebody asked for the job's end.
	ErrCanceled = errors.New("the job was canceled")
	// ErrLapsed: the server could not be reached for so long that another runner may have claimed the job. The work
	// may begin again after Ready.
	ErrLapsed = errors.New("the server could not be reached for longer than the lease lasts")
)

// Renewal is what the server answers.
type Renewal struct {
	Lease           time.Duration
	CancelRequested bool
}

// Options of a Renewer.
type Options struct {
	// Renew asks once; its context is bounded.
	Renew func(ctx context.Context) (Renewal, error)
	// Stale reports whether an error means that the lease is lost for good.
	Stale func(error) bool
	// Lease is the claim's, sent at SentAt.
	Lease  time.Duration
	SentAt time.Time
	Logger *slog.Logger
}

// Renewer keeps one lease.
type Renewer struct {
	o     Options
	stop  context.CancelFunc
	done  chan struct{}
	lost  chan struct{}
	asked chan struct{}

	mu sync.Mutex
	// askedAt is when the last renewal of the renewer's own was sent, sentAt when any call was that renewed the lease.
	askedAt time.Time
	sentAt  time.Time
	lease   time.Duration
	stale   bool
	cancel  bool
	changed chan struct{} // closed and replaced when anything above changes
	works   map[*work]struct{}
	lapse   *time.Timer
}

type work struct{ cancel context.CancelCauseFunc }

// Start keeps the lease until Stop, or until it is lost.
func Start(ctx context.Context, o Options) *Renewer {
	ctx, stop := context.WithCancel(ctx)
	k := &Renewer{
		o: o, stop: stop, done: make(chan struct{}), lost: make(chan struct{}), asked: make(chan struct{}),
		askedAt: o.SentAt, sentAt: o.SentAt, lease: o.Lease, changed: make(chan struct{}), works: map[*work]struct{}{},
	}
	k.lapse = time.AfterFunc(untilLapse(time.Since(o.SentAt), o.Lease), k.lapsed)
	go k.run(ctx)
	return k
}

// Stop ends the renewals and waits for the last.
func (k *Renewer) Stop() {
	k.stop()
	<-k.done
	k.lapse.Stop()
}

// Lost is closed when the lease is lost for good.
func (k *Renewer) Lost() <-chan struct{} { return k.lost }

// CancelAsked is closed when the job's end has been asked for.
func (k *Renewer) CancelAsked() <-chan struct{} { return k.asked }

// Lose says that another call of the job was refused as stale.
func (k *Renewer) Lose() { k.end(ErrStale) }

// Cancel stops the work as if the server had asked for it: the CLI's own user interrupted it.
func (k *Renewer) Cancel() { k.end(ErrCanceled) }

// Observe takes the renewal that another fenced call, sent at sentAt, brought. The renewer asks all the same: only its
// own renewals are sure to report that the job is to be canceled.
func (k *Renewer) Observe(sentAt time.Time, r Renewal) {
	k.mu.Lock()
	if r.Lease > 0 && sentAt.After(k.sentAt) {
		k.sentAt, k.lease = sentAt, r.Lease
		k.lapse.Reset(untilLapse(time.Since(sentAt), r.Lease))
		k.signal()
	}
	k.mu.Unlock()
	if r.CancelRequested {
		k.end(ErrCanceled)
	}
}

// Ready waits until a step may begin: the last renewal is recent. It returns ErrStale, ErrCanceled or the cause of ctx.
func (k *Renewer) Ready(ctx context.Context) error {
	for {
		k.mu.Lock()
		stale, cancel, fresh, changed := k.stale, k.cancel, time.Since(k.sentAt) < quiet(k.lease), k.changed
		k.mu.Unlock()
		switch {
		case stale:
			return ErrStale
		case cancel:
			return ErrCanceled
		case fresh:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Fresh reports whether the last accepted renewal is recent and the lease not lost.
func (k *Renewer) Fresh() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.stale && time.Since(k.sentAt) < quiet(k.lease)
}

// Work makes a context for a plugin's call: it ends when the job must stop, with ErrStale, ErrCanceled or ErrLapsed as
// its cause. The function returned must be called.
func (k *Renewer) Work(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &work{cancel: cancel}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.stale:
		cancel(ErrStale)
	case k.cancel:
		cancel(ErrCanceled)
	case untilLapse(time.Since(k.sentAt), k.lease) <= 0:
		cancel(ErrLapsed)
	}
	k.works[w] = struct{}{}
	return ctx, func() {
		cancel(context.Canceled)
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.works, w)
	}
}

// untilLapse is how long work may go on, since the last accepted renewal was sent.
func untilLapse(since, lease time.Duration) time.Duration { return lease - margin(lease) - since }

// lapsed runs when the lease may be over: it stops what is going on.
func (k *Renewer) lapsed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if left := untilLapse(time.Since(k.sentAt), k.lease); left > 0 {
		k.lapse.Reset(left)
		return
	}
	for w := range k.works {
		w.cancel(ErrLapsed)
	}
}

func (k *Renewer) end(why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case errors.Is(why, ErrStale) && !k.stale:
		k.stale = true
		close(k.lost)
	case errors.Is(why, ErrCanceled) && !k.cancel:
		k.cancel = true
		close(k.asked)
	default:
		return
	}
	for w := range k.works {
		w.cancel(why)
	}
	k.signal()
}

// signal wakes those who wait in Ready; the caller holds mu.
func (k *Renewer) signal() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// run renews: every third of the lease after a success, sooner after a failure.
func (k *Renewer) run(ctx context.Context) {
	defer close(k.done)
	for {
		timer := time.NewTimer(k.nextRenewal())
		select {
		case <-timer.C:
		case <-k.lost:
			timer.Stop()
			return
		case <-ctx.Done():
			timer.Stop()
			return
		}
		if !k.renew(ctx) {
			select {
			case <-time.After(k.retryPause()):
			case <-ctx.Done():
				return
			}
		}
	}
}

func (k *Renewer) retryPause() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return min(retryMost, renewEvery(k.lease)/4)
}

func (k *Renewer) nextRenewal() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return renewEvery(k.lease) - time.Since(k.askedAt)
}

func (k *Renewer) renew(ctx context.Context) bool {
	sentAt := time.Now()
	call, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	r, err := k.o.Renew(call)
	if err != nil {
		if k.o.Stale(err) {
			k.end(ErrStale)
		} else if k.o.Logger != nil && ctx.Err() == nil {
			k.o.Logger.WarnContext(ctx, "could not renew the lease", "error", err)
		}
		return false
	}
	k.mu.Lock()
	k.askedAt = sentAt
	k.mu.Unlock()
	k.Observe(sentAt, r)
	return true
}
