package dynamodb

import (
	"math/rand/v2"
	"sync"
)

// Fault is something that AWS does now and then and a machine of one's own
// never would.
type Fault int

const (
	// TransactionConflict cancels a TransactWriteItems: one or more of its
	// actions get the reason TransactionConflict. Nothing is written.
	TransactionConflict Fault = iota
	// WriteConflict answers a PutItem, UpdateItem or DeleteItem with
	// TransactionConflictException. Nothing is written.
	WriteConflict
	// Throttle answers any request with ProvisionedThroughputExceededException.
	Throttle
	// Unprocessed leaves a part of a batch unprocessed.
	Unprocessed
	faultKinds
)

// Faults decides which requests fail. The decisions of one seed are the same
// for the same sequence of requests. A nil *Faults injects nothing.
type Faults struct {
	mu    sync.Mutex
	rng   *rand.Rand
	rates [faultKinds]float64
	hooks [faultKinds]func(operation string) bool
}

// NewFaults makes Faults that inject nothing yet.
func NewFaults(seed uint64) *Faults {
	return &Faults{rng: rand.New(rand.NewPCG(seed, 0x6661756c74))} //nolint:gosec // reproducible on purpose
}

// Rate sets how often, between 0 and 1, a request that the fault applies to
// is struck.
func (f *Faults) Rate(fault Fault, rate float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rates[fault] = rate
}

// Hook sets a function that is asked for each request that the fault applies
// to, with the operation's name ("PutItem"); true injects it. It is called
// under a lock and must not call the engine. Nil removes it.
func (f *Faults) Hook(fault Fault, hook func(operation string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hooks[fault] = hook
}

func (f *Faults) strikes(fault Fault, operation string) bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if hook := f.hooks[fault]; hook != nil && hook(operation) {
		return true
	}
	rate := f.rates[fault]
	return rate > 0 && f.rng.Float64() < rate
}

// some picks at least one of n.
func (f *Faults) some(n int) []bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	picked := make([]bool, n)
	picked[f.rng.IntN(n)] = true
	for i := range picked {
		picked[i] = picked[i] || f.rng.IntN(4) == 0
	}
	return picked
}
