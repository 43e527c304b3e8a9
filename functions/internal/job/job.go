// Package job is the job engine: what may happen to a job, its lane and its lease, as pure functions.
//
// Each function takes facts as they were read and the server's time, and returns a Decision: guards and writes of one
// transaction, and what is to be done after it. It has no SDK, clock or randomness, so that it can be tested over
// millions of schedules; package jobs carries decisions out. Every rule is a row of the protocol table (rows 1 to 18,
// named in the comments), which was model-checked: leaving out any guard breaks an invariant.
//
// Its structs are plain: how they are stored, and under which names, is the concern of package jobs (items.go).
//
// Facts that a decision relies on are either final (a job that has ended stays so), or guarded in the transaction.
package job

import (
	"slices"
	"time"
)

// State of a job.
type State string

// States. A job starts BLOCKED or READY (or CANCELED, when a dependency has already failed), and ends once.
const (
	Blocked   State = "BLOCKED"
	Ready     State = "READY"
	Running   State = "RUNNING"
	Succeeded State = "SUCCEEDED"
	Failed    State = "FAILED"
	Canceled  State = "CANCELED"
)

// Ended reports whether the state is final.
func (s State) Ended() bool { return s == Succeeded || s == Failed || s == Canceled }

// Times of the protocol.
const (
	// LeaseTime is what a claim and each renewal give.
	LeaseTime = 30 * time.Second
	// Skew is m: the largest difference between two server clocks that the protocol tolerates. A lease counts as
	// over only when it lapsed longer ago.
	Skew = 5 * time.Second
	// LostAfter is how long after its lease lapsed a job that nobody else may resume is given up.
	LostAfter = 120 * time.Second
	// WakeAgain is when an unclaimed READY job is announced again; it doubles each time, up to WakeAgainMost.
	WakeAgain     = 60 * time.Second
	WakeAgainMost = 15 * time.Minute
	// LocalClaim is how long a job of a CLI's own runner stays READY.
	LocalClaim = 30 * time.Second
	// SweepEvery is how often the sweep runs.
	SweepEvery = time.Minute
	// SweepAway is an absence of the sweep that means that the server was away, and SpareTime for how long lapsed
	// leases are spared after it, so that their runners can renew first.
	SweepAway = 90 * time.Second
	SpareTime = 45 * time.Second
	// MaxLost is the lost lease that fails the job: a job that kills every runner must end.
	MaxLost = 3
)

// Meta is a job's state: the item that decisions turn on. Times are Unix milliseconds; zero is "not".
type Meta struct {
	ID        string
	Project   string
	App       string
	Workspace string
	// Operation is "up", "build", …: for lists.
	Operation string
	State     State

	// Lane is the lane's key, or "" for an operation that changes nothing that runs. Ticket is the place in it.
	Lane   string
	Ticket int64

	Target Target
	// Local: only the named runner can reach the source; it claims by id and needs no wake-up.
	Local bool
	// Pool is where the job is announced; "" while no pool fits.
	Pool string

	DependsOn []string
	// AllowFailure are those of DependsOn whose failure does not matter.
	AllowFailure []string
	// Dependents counts the jobs that were queued to follow this one.
	Dependents int64
	// Singleton is the hash that names the singleton item.
	Singleton string

	QueuedAt  int64
	ReadyAt   int64
	StartedAt int64
	EndedAt   int64
	// ReadyNo counts how often the job became READY.
	ReadyNo int64
	// Attempt counts claims, Lost the leases that lapsed and were taken over.
	Attempt int64
	Lost    int64
	// WakeDue is when the job is to be announced (again), Wait the pause after that. A BLOCKED job uses Wait for its checks.
	WakeDue int64
	Wait    int64
	// ClaimBy is when a local job that nobody claims expires; counted from READY.
	ClaimBy int64
	// ExpiresAt is when an unclaimed job expires; counted from queueing.
	ExpiresAt int64
	// Due is when the sweep is to look at the job; it orders the work index.
	Due int64

	RunnerID   string
	RunnerName string
	// QueuedBy and Owner are the name and id of the token that queued the job.
	QueuedBy string
	Owner    string

	// End is why the job ended as it did; EndedBy is the attempt that ended it (0: none).
	End     End
	EndedBy int64
}

// Target says which runners may claim a job: one by id, those with labels, or any standing one.
type Target struct {
	RunnerID string
	Labels   map[string]string
}

// End says why a job ended: a reason of package fault, words for people, and the step that it ended in.
type End struct {
	Reason  string
	Message string
	Hint    string
	Step    string
}

// Lease is the current attempt's right to write. It is an item of its own, small and unindexed, because it is
// renewed every 10 s; every fenced write is guarded on it. It exists from the first claim on.
type Lease struct {
	Attempt int64
	// Live: the job is RUNNING. Claim opens it, an end or a requeue closes it, each together with Meta.
	Live bool
	// Until is when the lease lapses, Unix milliseconds.
	Until int64
	// NextOutput is the position that the next batch of output takes; it never falls.
	NextOutput int64
	// OutputMark is outputBy the claim, plus the bytes of output that were appended since: see LimitOutput.
	OutputMark int64
	// SettledOutput is where the output stood when a step ended last, or when the attempt began: what comes after it will
	// be made once more if the attempt dies.
	SettledOutput int64
	// Superseded is the output that later attempts made once more, in order and apart from each other.
	Superseded []Positions
	// CancelRequested is when somebody asked to cancel; the next renewal tells the runner.
	CancelRequested int64
	RunnerID        string
	// Owner is the id of the token that claimed: nobody else may write.
	Owner string
	// Nonce is the claim's: a repeat of it gets the same answer.
	Nonce string
}

// Positions is output from From on, before To.
type Positions struct {
	From int64
	To   int64
}

// Readable says which output a reader at a position is to be given next: from start on, before stop. What a later attempt made
// once more is passed over, so that whoever reads a job that was resumed reads every step once.
func (l Lease) Readable(position int64) (start, stop int64) {
	start, stop = position, l.NextOutput
	for _, cut := range l.Superseded {
		switch {
		case cut.From <= start && start < cut.To:
			start = cut.To
		case start < cut.From:
			return start, cut.From
		}
	}
	return start, max(start, stop)
}

// supersede is what is passed over once all output from a position on is made again.
func (l Lease) supersede(from int64) []Positions {
	if from >= l.NextOutput {
		return l.Superseded
	}
	cuts := slices.Clone(l.Superseded)
	for len(cuts) > 0 && cuts[len(cuts)-1].To >= from {
		from = min(from, cuts[len(cuts)-1].From)
		cuts = cuts[:len(cuts)-1]
	}
	return append(cuts, Positions{From: from, To: l.NextOutput})
}

// overAt is when a lease that is not renewed counts as over, and lostAt when a job that nobody else may resume is given up;
// in Unix milliseconds, one later than the last moment before.
func (l Lease) overAt() int64 { return l.Until + Skew.Milliseconds() + 1 }

func (l Lease) lostAt() int64 { return l.overAt() + LostAfter.Milliseconds() }

// over reports whether the lease lapsed beyond doubt.
func (l Lease) over(now time.Time) bool { return l.Until+Skew.Milliseconds() < now.UnixMilli() }

// Lane serialises what changes the same running thing. It is never deleted: its fence must not fall.
type Lane struct {
	Key string
	// Ver changes with every enqueue and every end of a holder.
	Ver        int64
	Holder     string
	Since      int64
	NextTicket int64
	// Fence grows with each claim; platforms that can compare it refuse an older one.
	Fence int64
}

// Waiter is one place in a lane's waiting list.
type Waiter struct {
	Ticket int64
	JobID  string
}

// Step is one begun step of a job.
type Step struct {
	Name       string
	Attempt    int64
	Rerunnable bool
	StartedAt  int64
	// OutputAt is where the output stood when it began.
	OutputAt int64
	// EndedAt is zero while the step is not finished.
	EndedAt  int64
	RecordID string
}

// Cut finds a step that was begun, not finished, and may not be run again: nobody can resume such a job.
func Cut(steps []Step) (Step, bool) {
	for _, s := range steps {
		if s.EndedAt == 0 && !s.Rerunnable {
			return s, true
		}
	}
	return Step{}, false
}

// Dependencies is how the jobs that a job waits for stand, as read.
type Dependencies struct {
	// Pending have not ended; Failed ended otherwise than SUCCEEDED and were not allowed to.
	Pending, Failed []string
}

// Done says that nothing is waited for and nothing failed.
func (d Dependencies) Done() bool { return len(d.Pending) == 0 && len(d.Failed) == 0 }

// SortDependencies sorts a job's dependencies by their states as read. A dependency that cannot be found counts as failed.
func SortDependencies(m Meta, states map[string]State) Dependencies {
	var d Dependencies
	allowed := make(map[string]bool, len(m.AllowFailure))
	for _, id := range m.AllowFailure {
		allowed[id] = true
	}
	for _, id := range m.DependsOn {
		switch s := states[id]; {
		case s == Succeeded:
		case s.Ended() || s == "":
			if !allowed[id] {
				d.Failed = append(d.Failed, id)
			}
		default:
			d.Pending = append(d.Pending, id)
		}
	}
	return d
}
