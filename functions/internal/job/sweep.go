package job

import (
	"time"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// ExpireLease is row 15: a RUNNING job that the sweep looks at. While the lease is good, only the time of the next look moves:
// to when the decision falls if the runner does not renew, so that the sweep after that decides.
func ExpireLease(f ClaimFacts, now time.Time) Decision {
	m := f.Meta
	if f.Lease == nil || m.State != Running {
		return Decision{}
	}
	switch {
	case f.Spared:
		return look(m, max(f.Lease.overAt(), now.Add(SpareTime).UnixMilli()))
	case !f.Lease.over(now):
		return look(m, f.Lease.overAt())
	}
	how := lapsed(f, now)
	fate, d := lost(f, now, how)
	switch fate {
	case fateEnd:
		return d
	case fateWait:
		// The run before the decision sees the job too, and waits for it: the run after could be a minute late.
		d = look(m, max(now.UnixMilli(), f.Lease.lostAt()-SweepEvery.Milliseconds()))
		d.DecideAt = f.Lease.lostAt()
		return d
	}
	return requeueLost(m, how, now)
}

// look moves the time of the sweep's next look at a RUNNING job.
func look(m Meta, at int64) Decision {
	var d Decision
	d.on(metaOf(m.ID)).guard(fieldState, Equal, Running).as(fieldAttempt, m.Attempt).due(Due{At: at})
	return d
}

// WakeAgainIfDue is row 16, in the form that announces whatever is due and then waits twice as long (rule F4: a message may have been
// lost). pool is where the job belongs now, which may differ from where it was announced before.
func WakeAgainIfDue(m Meta, pool string, now time.Time) Decision {
	var d Decision
	if m.State != Ready || m.Local || (m.WakeDue > now.UnixMilli() && pool == m.Pool) {
		return d
	}
	wait := m.Wait
	if pool != m.Pool {
		wait = WakeAgain.Milliseconds() / 2
	}
	wait = min(max(2*wait, WakeAgain.Milliseconds()), WakeAgainMost.Milliseconds())
	next := now.UnixMilli() + wait
	c := d.on(metaOf(m.ID)).guard(fieldState, Equal, Ready).as(fieldReadyNo, m.ReadyNo).as(fieldRingDue, m.WakeDue)
	c.set(fieldRingDue, next).set(fieldWait, wait).set(fieldPool, pool)
	m.Pool = pool
	c.due(dueReady(m, next))
	if canWake(m) {
		d.WakeUps = append(d.WakeUps, wakeUpOf(m))
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
	// A CLI that waits for the lane says each minute that it lives; the place of one that is gone blocks those behind it.
	gone := m.Local && f.Seen != 0 && goneAt(m, f.Seen) <= at
	if !late && !unclaimed && !gone {
		return d
	}
	out := Outcome{State: Canceled, End: End{Reason: string(fault.Expired), Message: "no runner claimed the job in time"}}
	switch {
	case m.Attempt > 0:
		out = Outcome{State: Failed, End: End{Reason: string(fault.RunnerLost), Message: "no runner came back for the job in time"}}
	case !late:
		out.End.Message = "the CLI that queued this job is gone: nobody else can run it"
	}
	lane := laneFor(f.Lane)
	end(&d, m, nil, lane, out, now)
	d.on(metaOf(m.ID)).as(fieldReadyNo, m.ReadyNo)
	if lane != nil {
		lane.write(&d, now)
	}
	return d
}

// goneAt is when the CLI of a local job counts as gone, if it is not seen again. It registers right after it has queued.
func goneAt(m Meta, seen int64) int64 {
	return max(seen, m.QueuedAt) + OnlineFor.Milliseconds() + 1
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
		c.guard(fieldJobID, Equal, m.ID)
		holds = true
	}
	if !holds {
		return d
	}
	switch {
	case f.Deps.Done():
		ready(&d, d.on(metaOf(m.ID)).guard(fieldState, Equal, Blocked), m, now)
	case !d.Empty():
		c := d.on(metaOf(m.ID)).guard(fieldState, Equal, Blocked)
		c.Do = Check
	}
	return d
}

// PostponeLook moves the time of the sweep's next look at a BLOCKED job, which doubles. seen is when the runner of a local job
// was seen last; 0 for others, and while nobody counts as gone.
func PostponeLook(m Meta, seen int64, now time.Time) Decision {
	var d Decision
	if m.State != Blocked {
		return d
	}
	wait := min(max(2*m.Wait, WakeAgain.Milliseconds()), WakeAgainMost.Milliseconds())
	at := earlier(now.UnixMilli()+wait, m.ExpiresAt)
	if m.Local && seen != 0 {
		at = earlier(at, goneAt(m, seen))
		if now.UnixMilli() > max(seen, m.QueuedAt)+WakeAgain.Milliseconds()+Skew.Milliseconds() { // a heartbeat is missing
			d.DecideAt = goneAt(m, seen)
		}
	}
	d.on(metaOf(m.ID)).guard(fieldState, Equal, Blocked).set(fieldWait, wait).due(Due{At: at})
	return d
}

// Settled takes an ended job out of the work index, once each of its dependents was tried. A job that was queued to follow it in the meantime
// cannot exist: queueing is refused on a dependency that ended unnoticed.
func Settled(m Meta) Decision {
	var d Decision
	if m.State.Ended() && m.Due != 0 {
		d.on(metaOf(m.ID)).guard(fieldState, Equal, m.State).due(Due{})
	}
	return d
}
