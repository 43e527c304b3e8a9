package jobs

import (
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

const fenceLabel = "fence"

// Fence says which attempt at which job a runner's write belongs to, and whose token it came with.
type Fence struct {
	JobID   string
	Attempt int64
	// Owner is the id of the token that claimed the job: nobody else may write for it.
	Owner string
	// MayRead reports whether the caller may know of a project how its jobs stand; nil: every project. Who may not is
	// refused without a word about the job.
	MayRead func(project string) bool
}

// FenceCheck is guard F of the protocol as a check in a write's own transaction: the job is RUNNING, this attempt is the
// current one, and its claimant is the caller. When it fails, FenceLost says so.
func FenceCheck(f Fence) store.Action {
	return store.Check(store.JobLease(f.JobID), fenceHolds(f)).Named(fenceLabel)
}

func fenceHolds(f Fence) store.Expr {
	return store.If("#live = ? AND #attempt = ? AND #owner = ?", true, f.Attempt, f.Owner)
}

// FenceLost reports whether a transaction failed on its FenceCheck: the answer is then STALE_LEASE.
func FenceLost(err error) bool {
	_, lost := store.Failed(err, fenceLabel)
	return lost
}
