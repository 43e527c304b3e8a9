package job

import (
	"time"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// LeaseOver is row 15: a RUNNING job that the sweep looks at. While the lease is good, only the time of the next look moves.
func LeaseOver(f ClaimFacts, now time.Time) Decision {
	m := f.Meta
	if f.Lease == nil || m.State != Running {
		return Decision{}
	}
	if !f.Lease.over(now) || f.Spared {
		return look(m, now)
	}
	fate, d := lost(f, now)
	switch fate {
	case fateEnd:
		return d
	case fateWait:
		return look(m, now)
	}
	var again Decision
	requeue(&again, m, now)
	again.on(metaOf(m.ID)).as("attempt", m.Attempt).set("lost", m.Lost+1)
	overGuard(again.on(leaseOf(m.ID)), *f.Lease, now)
	return again
}

// look moves the time of the sweep's next look at a RUNNING job.
func look(m Meta, now time.Time) Decision {
	var d Decision
	d.on(metaOf(m.ID)).guard("state", Equal, Running).as("attempt", m.Attempt).
		due(Due{At: now.Add(LeaseCheck).UnixMilli()})
	return d
}

// RingAgainIfDue is row 16, in the form that rings whatever is due and then waits twice as long (rule F4: a message may have been
// lost). pool is where the job belongs now, which may differ from where it was rung before.
func RingAgainIfDue(m Meta, pool string, now time.Time) Decision {
	var d Decision
	if m.State != Ready || m.Local || (m.RingDue > now.UnixMilli() && pool == m.Pool) {
		return d
	}
	wait := m.Wait
	if pool != m.Pool {
		wait = RingAgain.Milliseconds() / 2
	}
	wait = min(max(2*wait, RingAgain.Milliseconds()), RingMost.Milliseconds())
	next := now.UnixMilli() + wait
	c := d.on(metaOf(m.ID)).guard("state", Equal, Ready).as("ready_no", m.ReadyNo).as("ring_due", m.RingDue)
	c.set("ring_due", next).set("wait", wait).set("pool", pool)
	c.due(Due{At: earlier(next, m.ExpiresAt), Rung: true, Pool: pool})
	m.Pool = pool
	if rings(m) {
		d.Ring = append(d.Ring, Ring{JobID: m.ID, Pool: pool})
	}
	return d
}

// Expire is row 17. It is empty for a job that has time left.
func Expire(f EndFacts, now time.Time) Decision {
	m, at := f.Meta, now.UnixMilli()
	var d Decision
	if m.State != Blocked && m.State != Ready {
		return d
	}
	late := m.ExpiresAt != 0 && m.ExpiresAt < at
	// A local job's time runs from READY, not from queueing: it may wait long for its lane (rule F9).
	unclaimed := m.Local && m.State == Ready && m.ClaimBy != 0 && m.ClaimBy < at
	if !late && !unclaimed {
		return d
	}
	out := Outcome{State: Canceled, End: End{Reason: string(fault.Expired), Message: "no runner claimed the job in time"}}
	switch {
	case m.Attempt > 0:
		out = Outcome{State: Failed, End: End{Reason: string(fault.RunnerLost), Message: "no runner came back for the job in time"}}
	case unclaimed && !late:
		out.End.Message = "the CLI that queued this job is gone: nobody else can run it"
	}
	lane := laneFor(f.Lane)
	end(&d, m, nil, lane, out, now)
	d.on(metaOf(m.ID)).as("ready_no", m.ReadyNo)
	if lane != nil {
		lane.write(&d, now)
	}
	return d
}

// AdvanceFacts is what row 18 turns on, as read. First is the lowest waiter of the lane, whoever it is.
type AdvanceFacts struct {
	Meta Meta
	Deps Dependencies
	// Lane is as in EndFacts; First is the lowest ticket among all waiters, nil when nobody waits.
	Lane  *LaneView
	First *Waiter
}

// Advance is row 18: what can be done now for a BLOCKED job.
func Advance(f AdvanceFacts, now time.Time) Decision {
	m := f.Meta
	var d Decision
	if m.State != Blocked {
		return d
	}
	if len(f.Deps.Failed) > 0 {
		lane := laneFor(f.Lane)
		end(&d, m, nil, lane, Outcome{State: Canceled, End: dependencyFailed(f.Deps)}, now)
		if lane != nil {
			lane.write(&d, now)
		}
		return d
	}
	holds := m.Lane == "" || f.Lane.Lane.Holder == m.ID
	if !holds && f.Lane.Lane.Holder == "" && f.First != nil && f.First.JobID == m.ID {
		lane := laneFor(f.Lane)
		lane.now.Holder = m.ID
		lane.write(&d, now)
		c := d.on(waiterOf(m.Lane, m.Ticket))
		c.Do = Delete
		c.guard("job_id", Equal, m.ID)
		holds = true
	}
	if !holds {
		return d
	}
	switch {
	case f.Deps.Done():
		ready(&d, d.on(metaOf(m.ID)).guard("state", Equal, Blocked), m, now)
	case !d.Empty():
		c := d.on(metaOf(m.ID)).guard("state", Equal, Blocked)
		c.Do = Check
	}
	return d
}

// LookAgain moves the time of the sweep's next look at a BLOCKED job, which doubles.
func LookAgain(m Meta, now time.Time) Decision {
	var d Decision
	if m.State != Blocked {
		return d
	}
	wait := min(max(2*m.Wait, RingAgain.Milliseconds()), RingMost.Milliseconds())
	d.on(metaOf(m.ID)).guard("state", Equal, Blocked).set("wait", wait).
		due(Due{At: earlier(now.UnixMilli()+wait, m.ExpiresAt)})
	return d
}

// Settled takes an ended job out of the work index, once each of its dependents was tried. A job that was queued to follow it in the meantime
// cannot exist: queueing is refused on a dependency that ended unnoticed.
func Settled(m Meta) Decision {
	var d Decision
	if m.State.Ended() && m.Due != 0 {
		d.on(metaOf(m.ID)).guard("state", Equal, m.State).due(Due{})
	}
	return d
}
