package jsonnetfuncs

import (
	"context"
	"fmt"
	"runtime/metrics"
	"time"
)

const (
	// maxHeap is how far the memory of this process may grow while a Jsonnet program runs.
	maxHeap = 512 << 20
	// lookEvery is how often that is looked at.
	lookEvery = 20 * time.Millisecond
)

// bounded runs a Jsonnet program until it ends, ctx ends, or it has filled too much memory. The interpreter cannot be
// stopped: what it was doing then goes on, unheard, until it ends or the process does. A CLI ends right away; a standing
// runner runs whatever its projects' builds want anyway.
func bounded(ctx context.Context, f func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	before := heap()
	go func() {
		text, err := f()
		done <- result{text, err}
	}()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case r := <-done:
			return r.text, r.err
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-tick.C:
			if heap() > before+maxHeap {
				return "", fmt.Errorf("it requires more than %d MB of memory", maxHeap>>20)
			}
		}
	}
}

// heap is how much memory the values of this process take.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
