package sqs

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Faults are what SQS permits itself with a message of a standard queue. Each is the
// probability, per sent message, between 0 and 1.
type Faults struct {
	// Seed makes runs repeatable.
	Seed uint64
	// Drop loses the message although its send is acknowledged (SQS all but never does;
	// wake-up messages must tolerate it).
	Drop float64
	// Duplicate delivers a second copy.
	Duplicate float64
	// Delay makes it visible late, by up to MaxDelay.
	Delay    float64
	MaxDelay time.Duration
	// Reorder puts it before messages that were sent earlier.
	Reorder float64
}

// faultPlan draws faults in order of the sends.
type faultPlan struct {
	mu     sync.Mutex
	rng    *rand.Rand
	faults Faults
}

func newFaultPlan(f *Faults) *faultPlan {
	if f == nil {
		return nil
	}
	return &faultPlan{rng: rand.New(rand.NewPCG(f.Seed, 0)), faults: *f} //nolint:gosec // repeatable by design
}

// copies says when the copies of a message become visible, relative to when they should:
// none for a lost message.
func (p *faultPlan) copies() []time.Duration {
	if p == nil {
		return []time.Duration{0}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rng.Float64() < p.faults.Drop {
		return nil
	}
	n := 1
	if p.rng.Float64() < p.faults.Duplicate {
		n = 2
	}
	out := make([]time.Duration, n)
	for i := range out {
		switch {
		case p.rng.Float64() < p.faults.Delay:
			out[i] = time.Duration(p.rng.Int64N(int64(max(p.faults.MaxDelay, time.Millisecond))))
		case p.rng.Float64() < p.faults.Reorder:
			out[i] = -time.Duration(p.rng.Int64N(int64(time.Hour)))
		}
	}
	return out
}
