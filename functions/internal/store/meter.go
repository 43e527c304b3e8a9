package store

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Meter adds up what one request consumed. It is safe for concurrent use; nil meters are allowed and count nothing.
type Meter struct {
	mu          sync.Mutex
	read, write float64
	calls       int
	queue       int
}

type meterKey struct{}

// WithMeter returns a context whose table and queue calls are counted in the meter.
func WithMeter(ctx context.Context) (context.Context, *Meter) {
	m := &Meter{}
	return context.WithValue(ctx, meterKey{}, m), m
}

// MeterFrom is the context's meter, or nil.
func MeterFrom(ctx context.Context) *Meter {
	m, _ := ctx.Value(meterKey{}).(*Meter)
	return m
}

// Used is what was consumed so far: read and write units of the table and its indexes, and queue calls.
func (m *Meter) Used() (read, write float64, queue int) {
	if m == nil {
		return 0, 0, 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.read, m.write, m.queue
}

// Calls is how many times the table answered.
func (m *Meter) Calls() int {
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

// AddQueue counts calls to a queue.
func (m *Meter) AddQueue(calls int) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue += calls
}

func (m *Meter) add(read, write float64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.read += read
	m.write += write
	m.calls++
}

func meterRead(ctx context.Context, c *types.ConsumedCapacity) {
	if c != nil && c.CapacityUnits != nil {
		MeterFrom(ctx).add(*c.CapacityUnits, 0)
	}
}

// meterWrite counts a write. A transaction's answer splits its units into read (checks) and write where the engine says so.
func meterWrite(ctx context.Context, c *types.ConsumedCapacity) {
	switch {
	case c == nil:
	case c.WriteCapacityUnits != nil:
		read := 0.0
		if c.ReadCapacityUnits != nil {
			read = *c.ReadCapacityUnits
		}
		MeterFrom(ctx).add(read, *c.WriteCapacityUnits)
	case c.CapacityUnits != nil:
		MeterFrom(ctx).add(0, *c.CapacityUnits)
	}
}
