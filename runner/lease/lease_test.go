package lease

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errAway, errTaken = errors.New("server away"), errors.New("stale lease")

// server answers renewals as it is told.
type server struct {
	away, taken, cancel atomic.Bool
	renewals            atomic.Int64
}

func (s *server) renewer(ctx context.Context) *Renewer {
	return Start(ctx, Options{
		Lease: 30 * time.Second, SentAt: time.Now(),
		Renew: func(context.Context) (Renewal, error) {
			switch {
			case s.taken.Load():
				return Renewal{}, errTaken
			case s.away.Load():
				return Renewal{}, errAway
			}
			s.renewals.Add(1)
			return Renewal{Lease: 30 * time.Second, CancelRequested: s.cancel.Load()}, nil
		},
		Stale: func(err error) bool { return errors.Is(err, errTaken) },
	})
}

func TestALiveLeaseIsRenewedEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		k := s.renewer(t.Context())
		defer k.Stop()
		work, end := k.Work(t.Context())
		defer end()
		time.Sleep(time.Hour)
		if work.Err() != nil || k.Ready(t.Context()) != nil {
			t.Fatal("work under a live lease was stopped")
		}
		if n := s.renewals.Load(); n < 355 || n > 361 || !k.Fresh() {
			t.Fatalf("%d renewals in an hour", n)
		}
	})
}

func TestARequestToCancelStopsTheWorkButNotTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		k := s.renewer(t.Context())
		defer k.Stop()
		work, end := k.Work(t.Context())
		defer end()
		s.cancel.Store(true)
		<-work.Done()
		if !errors.Is(context.Cause(work), ErrCanceled) || !errors.Is(k.Ready(t.Context()), ErrCanceled) {
			t.Fatal(context.Cause(work))
		}
		before := s.renewals.Load()
		time.Sleep(time.Minute)
		if s.renewals.Load() <= before {
			t.Fatal("the lease must live until the end is written")
		}
	})
}

func TestAStaleLeaseStopsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		k := s.renewer(t.Context())
		defer k.Stop()
		work, end := k.Work(t.Context())
		defer end()
		s.taken.Store(true)
		<-k.Lost()
		if !errors.Is(context.Cause(work), ErrStale) || !errors.Is(k.Ready(t.Context()), ErrStale) {
			t.Fatal(context.Cause(work))
		}
		late, endLate := k.Work(t.Context())
		defer endLate()
		if !errors.Is(context.Cause(late), ErrStale) {
			t.Fatal("work began under a lost lease")
		}
	})
}

func TestAnAbsentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		start := time.Now()
		k := s.renewer(t.Context())
		defer k.Stop()
		work, end := k.Work(t.Context())
		defer end()
		s.away.Store(true)

		time.Sleep(19 * time.Second)
		if k.Ready(t.Context()) != nil {
			t.Fatal("within 20 s steps may begin")
		}
		time.Sleep(2 * time.Second)
		bounded, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := k.Ready(bounded); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("after 20 s no step may begin: %v", err)
		}
		<-work.Done()
		if since := time.Since(start); !errors.Is(context.Cause(work), ErrLapsed) || since != 25*time.Second {
			t.Fatalf("stopped after %s: %v", since, context.Cause(work))
		}

		time.Sleep(time.Hour)
		s.away.Store(false)
		if err := k.Ready(t.Context()); err != nil {
			t.Fatalf("a lapsed lease that nobody claimed is renewed: %v", err)
		}
		again, endAgain := k.Work(t.Context())
		defer endAgain()
		time.Sleep(time.Minute)
		if again.Err() != nil {
			t.Fatal(context.Cause(again))
		}
	})
}

func TestOtherCallsKeepTheLeaseFreshButDoNotSilenceTheKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		k := s.renewer(t.Context())
		defer k.Stop()
		s.away.Store(true) // for renewals alone
		work, end := k.Work(t.Context())
		defer end()
		for range 20 {
			time.Sleep(5 * time.Second)
			k.Observe(time.Now(), Renewal{Lease: 30 * time.Second})
		}
		if work.Err() != nil || k.Ready(t.Context()) != nil {
			t.Fatal("calls that renewed did not count")
		}
		s.away.Store(false)
		s.cancel.Store(true)
		for range 4 {
			time.Sleep(4 * time.Second)
			k.Observe(time.Now(), Renewal{Lease: 30 * time.Second})
		}
		if !errors.Is(context.Cause(work), ErrCanceled) {
			t.Fatal("busy output kept a request to cancel from being heard")
		}
	})
}
