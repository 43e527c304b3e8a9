package job

import (
	"fmt"
	"time"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// Runner is who claims: its labels and projects come from its token, never from the request.
type Runner struct {
	ID, Name string
	Labels   map[string]string
	// Projects are those that its token is bound to.
	Projects Projects
	// Standing runners take jobs of their pool; others only what names them.
	Standing bool
	// Owner is the id of the token.
	Owner string
}

// Fits reports whether a runner may claim the job: its token is bound to the job's project, and the job's target names
// the runner or labels that it has.
func (r Runner) Fits(m Meta) bool {
	switch t := m.Target; {
	case !r.Projects.Has(m.Project):
		return false
	case t.RunnerID != "":
		return t.RunnerID == r.ID
	default:
		return r.Standing && covers(r.Labels, t.Labels)
	}
}

// covers reports whether labels hold all of want.
func covers(labels, want map[string]string) bool {
	for k, v := range want {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// ClaimFacts is what a claim turns on, as read.
type ClaimFacts struct {
	Meta Meta
	// Lease is nil before the first claim.
	Lease *Lease
	// Steps are needed when the job has been claimed before.
	Steps []Step
	// Lane is nil for a job without a lane. Its Next matters only for a claim that ends the job.
	Lane  *LaneView
	Nonce string
	// Spared: the server was away, and lapsed leases are left alone for a while.
	Spared bool
}

// Answer is what the claimant is told.
type Answer int

// Answers to a claim. A lost race is a normal answer.
const (
	// Claimed: the job is the caller's, once the decision is committed.
	Claimed Answer = iota + 1
	// Repeated: the same claim was granted before; the lease is renewed.
	Repeated
	// Leased: another attempt's lease is live; ask again after Grant.RetryAfter.
	Leased
	// Over: the job has ended, or ends with this decision.
	Over
	// NotReady: BLOCKED, or not for this runner.
	NotReady
)

// Grant is the decision on a claim.
type Grant struct {
	Answer     Answer
	Decision   Decision
	RetryAfter time.Duration
	// Meta and Lease are the job's as they are after the decision.
	Meta  Meta
	Lease Lease
	// LaneFence is the lane's fence after the claim; 0 without a lane.
	LaneFence int64
}

// Claim is rows 4, 5, 5a, 5b and 5c.
func Claim(f ClaimFacts, r Runner, now time.Time) Grant {
	m := f.Meta
	switch {
	case !r.Projects.Has(m.Project):
		return Grant{Answer: NotReady, Meta: m} // not even that it has ended
	case m.State.Ended():
		return Grant{Answer: Over, Meta: m}
	case !r.Fits(m):
		return Grant{Answer: NotReady, Meta: m}
	case m.State == Ready:
		return take(f, r, now)
	case m.State != Running || f.Lease == nil:
		return Grant{Answer: NotReady, Meta: m}
	}
	l := *f.Lease
	if l.Live && l.Nonce == f.Nonce && f.Nonce != "" && l.Attempt == m.Attempt && l.RunnerID == r.ID && l.Owner == r.Owner {
		fence := int64(0)
		if f.Lane != nil {
			fence = f.Lane.Lane.Fence
		}
		l.Until = now.Add(LeaseTime).UnixMilli()
		return Grant{Answer: Repeated, Decision: Renew(m.ID, l.Attempt, l.Owner, now), Meta: m, Lease: l, LaneFence: fence}
	}
	// Row 5c. A margin of a second keeps the caller from coming back a moment too early.
	if over := l.over(now) && !f.Spared; !over {
		left := time.Duration(l.Until-now.UnixMilli())*time.Millisecond + Skew + time.Second
		if f.Spared {
			left = max(left, SpareTime)
		}
		return Grant{Answer: Leased, RetryAfter: max(left, time.Second), Meta: m}
	}
	fate, d := lost(f, now, lapsed(f, now))
	switch fate {
	case fateWait:
		left := time.Duration(l.Until-now.UnixMilli())*time.Millisecond + LostAfter + Skew + time.Second
		return Grant{Answer: Leased, RetryAfter: max(left, time.Second), Meta: m}
	case fateEnd:
		return Grant{Answer: Over, Decision: d, Meta: m}
	}
	return take(f, r, now)
}

// take is row 4, and row 5 when the lease is over.
func take(f ClaimFacts, r Runner, now time.Time) Grant {
	m, at := f.Meta, now.UnixMilli()
	var d Decision
	attempt := m.Attempt + 1
	until := now.Add(LeaseTime).UnixMilli()
	due := Due{At: Lease{Until: until}.overAt()}
	c := d.on(metaOf(m.ID)).guard(fieldState, Equal, m.State).as(fieldAttempt, m.Attempt)
	c.set(fieldState, Running).set(fieldAttempt, attempt).set(fieldRunnerID, r.ID).set(fieldRunnerName, r.Name)
	c.set(fieldRingDue, int64(0)).set(fieldWait, int64(0)).set(fieldClaimBy, int64(0)).due(due)
	if m.StartedAt == 0 {
		c.set(fieldStartedAt, at)
		m.StartedAt = at
	}
	l := d.on(leaseOf(m.ID))
	next := Lease{}
	switch {
	case m.State == Running:
		// Row 5, all of it in the transaction: a renewal, a cancel or another claim in between wins. A step begun
		// in between renewed the lease, so the steps as read are covered as well.
		overGuard(l, *f.Lease, now)
		c.set(fieldLost, m.Lost+1)
		m.Lost++
		next = *f.Lease
	case f.Lease == nil:
		l.guard(fieldAttempt, Missing, nil)
	default:
		l.guard(fieldLive, Missing, nil).as(fieldAttempt, f.Lease.Attempt)
		next = *f.Lease
	}
	if next.SettledOutput < next.NextOutput {
		next.Superseded, next.SettledOutput = next.supersede(next.SettledOutput), next.NextOutput
		l.set(fieldSuperseded, next.Superseded).set(fieldSettledOutput, next.SettledOutput)
	}
	next.Attempt, next.Live, next.Until, next.CancelRequested = attempt, true, until, 0
	next.RunnerID, next.Owner, next.Nonce = r.ID, r.Owner, f.Nonce
	next.OutputMark = max(next.OutputMark, outputBy(now)) // giving a job back and claiming it anew allows no more
	l.set(fieldOutputMark, next.OutputMark)
	l.set(fieldAttempt, attempt).set(fieldLive, true).set(fieldUntil, until).set(fieldRunnerID, r.ID)
	l.set(fieldOwner, r.Owner).set(fieldNonce, f.Nonce).set(fieldCancelRequested, int64(0))
	fence := int64(0)
	if f.Lane != nil {
		fence = f.Lane.Lane.Fence + 1
		d.on(laneOf(m.Lane)).as(fieldFence, f.Lane.Lane.Fence).set(fieldFence, fence)
	}
	m.State, m.Attempt, m.RunnerID, m.RunnerName = Running, attempt, r.ID, r.Name
	m.WakeDue, m.Wait, m.ClaimBy, m.Due = 0, 0, 0, due.At
	return Grant{Answer: Claimed, Decision: d, Meta: m, Lease: next, LaneFence: fence}
}

// overGuard guards that the lease that was read is still the current one, still over and its cancel request as read
// (rule F11: decide on what the transaction sees, not on what was read).
func overGuard(c *Change, l Lease, now time.Time) {
	c.guard(fieldLive, Equal, true).as(fieldAttempt, l.Attempt)
	c.guard(fieldUntil, Less, now.Add(-Skew).UnixMilli()).as(fieldCancelRequested, l.CancelRequested)
}

type fate int

const (
	// fateResume: another attempt may go on.
	fateResume fate = iota
	// fateEnd: the job ends with the decision.
	fateEnd
	// fateWait: it will end as lost, but its own runner still has time to come back.
	fateWait
)

// loss is how an attempt was lost: the guards that the decision needs, and whether its runner still has time to come back.
type loss struct {
	guard   func(d *Decision)
	waiting bool
}

// lapsed is the loss of an attempt whose lease is over.
func lapsed(f ClaimFacts, now time.Time) loss {
	return loss{
		guard:   func(d *Decision) { overGuard(d.on(leaseOf(f.Meta.ID)), *f.Lease, now) },
		waiting: now.UnixMilli() < f.Lease.lostAt(),
	}
}

// lost decides what becomes of a RUNNING job whose attempt was lost; claim, sweep and whoever saw the runner die decide
// alike (rows 5a, 5b, 11, 15).
func lost(f ClaimFacts, now time.Time, how loss) (fate, Decision) {
	m, l := f.Meta, *f.Lease
	out := Outcome{Attempt: 0}
	cut, isCut := Cut(f.Steps)
	switch {
	case l.CancelRequested != 0:
		out.State = Canceled
		out.End = End{Reason: string(fault.Canceled), Message: "canceled; its runner was lost before it could stop"}
	case (isCut || m.Local) && how.waiting:
		return fateWait, Decision{}
	case isCut:
		out.State = Failed
		out.End = End{Reason: string(fault.RunnerLost), Step: cut.Name,
			Message: fmt.Sprintf("the runner was lost during step %q, which cannot be run twice", cut.Name),
			Hint:    "Look at what the platform made, then run the operation again."}
	case m.Local:
		out.State = Failed
		out.End = End{Reason: string(fault.RunnerLost), Message: "the CLI that ran this job is gone, and nobody else can reach its source",
			Hint: "Run the command again."}
	case m.Lost+1 >= MaxLost:
		out.State = Failed
		out.End = End{Reason: string(fault.RunnerLost), Message: fmt.Sprintf("%d runners were lost while they ran this job", MaxLost),
			Hint: "Look at the runners' logs: the job may be what kills them."}
	default:
		return fateResume, Decision{}
	}
	var d Decision
	lane := laneFor(f.Lane)
	end(&d, m, f.Lease, lane, out, now)
	d.on(metaOf(m.ID)).as(fieldAttempt, m.Attempt)
	how.guard(&d)
	if lane != nil {
		lane.write(&d, now)
	}
	return fateEnd, d
}

// requeueLost makes a job whose attempt was lost READY again.
func requeueLost(m Meta, how loss, now time.Time) Decision {
	var d Decision
	requeue(&d, m, now)
	d.on(metaOf(m.ID)).as(fieldAttempt, m.Attempt).set(fieldLost, m.Lost+1)
	how.guard(&d)
	return d
}

func laneFor(v *LaneView) *laneEdit {
	if v == nil {
		return nil
	}
	return editLane(*v)
}
