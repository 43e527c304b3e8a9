package lease_test

import (
	"context"
	"fmt"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/lease"
)

// A job keeps its lease while it works: a step begins when Ready returns, and works under a context that ends when the lease
// is lost, has lapsed, or somebody asked for the job's end.
func Example() {
	ctx := context.Background()
	renewer := lease.Start(ctx, lease.Options{
		Lease: 600 * time.Millisecond, SentAt: time.Now(), // 30 s in a real job
		Renew: func(context.Context) (lease.Renewal, error) {
			return lease.Renewal{Lease: 600 * time.Millisecond, CancelRequested: true}, nil // somebody cancels the job
		},
		Stale: func(error) bool { return false },
	})
	defer renewer.Stop()
	work, end := renewer.Work(ctx)
	defer end()
	select {
	case <-work.Done():
		fmt.Println("the step ends:", context.Cause(work))
	case <-time.After(time.Minute):
		fmt.Println("the step ends by itself")
	}
	// Output: the step ends: the job was canceled
}
