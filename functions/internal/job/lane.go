package job

import "time"

// LaneView is a lane as read: the item, and the waiter with the lowest ticket other than the job in question, with its
// state and its dependencies. Next is nil when nobody else waits.
type LaneView struct {
	Lane Lane
	Next *NextWaiter
}

// NextWaiter is who gets the lane next.
type NextWaiter struct {
	Waiter Waiter
	Meta   Meta
	Deps   Dependencies
}

// laneEdit is a lane on its way through one decision: what was read, and what it becomes.
type laneEdit struct {
	read, now Lane
	next      *NextWaiter
}

func editLane(v LaneView) *laneEdit { return &laneEdit{read: v.Lane, now: v.Lane, next: v.Next} }

// write puts the edited lane into the decision, guarded on the version as read (rule F5: every enqueue writes the
// version, every end of a holder checks it).
func (e *laneEdit) write(d *Decision, now time.Time) {
	if e.now == e.read {
		return
	}
	c := d.on(laneOf(e.read.Key)).as(fieldVer, e.read.Ver)
	c.set(fieldVer, e.read.Ver+1)
	if e.now.NextTicket != e.read.NextTicket {
		c.set(fieldNextTicket, e.now.NextTicket)
	}
	if e.now.Holder != e.read.Holder {
		c.set(fieldHolder, e.now.Holder)
		since := now.UnixMilli()
		if e.now.Holder == "" {
			since = 0
		}
		c.set(fieldSince, since)
	}
}

// enter takes a ticket, or the lane itself when nobody holds it. Tickets, not ids or clocks, order a lane (rule F6).
func (e *laneEdit) enter(d *Decision, id string) (ticket int64, holds bool) {
	e.now.NextTicket++
	ticket = e.now.NextTicket
	if e.now.Holder == "" {
		e.now.Holder = id
		return ticket, true
	}
	d.Changes = append(d.Changes, &Change{Item: waiterOf(e.read.Key, ticket), Do: Put, Value: Waiter{Ticket: ticket, JobID: id}})
	return ticket, false
}

// leave gives up a job's place: the lane, which goes to the next waiter in the same transaction, or its ticket.
func (e *laneEdit) leave(d *Decision, m Meta, now time.Time) {
	if e.read.Holder != m.ID {
		if m.State == Blocked {
			// Guarded: a promotion deletes the place, and a promoted job may not end as if it only waited.
			c := d.on(waiterOf(e.read.Key, m.Ticket))
			c.Do = Delete
			c.guard(fieldJobID, Equal, m.ID)
		}
		return
	}
	if e.next == nil {
		e.now.Holder = ""
		return
	}
	n := e.next
	e.now.Holder = n.Meta.ID
	del := d.on(waiterOf(e.read.Key, n.Waiter.Ticket))
	del.Do = Delete
	del.guard(fieldJobID, Equal, n.Meta.ID)
	c := d.on(metaOf(n.Meta.ID)).guard(fieldState, Equal, Blocked)
	if n.Deps.Done() {
		ready(d, c, n.Meta, now)
	} else {
		// It holds the lane BLOCKED; the end of its dependency makes it READY.
		c.Do = Check
		d.Advance = append(d.Advance, n.Meta.ID)
	}
}

// ready is the fragment READY(j): c is the guarded change of j's Meta.
func ready(d *Decision, c *Change, m Meta, now time.Time) {
	at := now.UnixMilli()
	c.set(fieldState, Ready).set(fieldReadyNo, m.ReadyNo+1).set(fieldReadyAt, at)
	if m.Local {
		claimBy := at + LocalClaim.Milliseconds()
		c.set(fieldClaimBy, claimBy).due(Due{At: earlier(claimBy, m.ExpiresAt)})
		return
	}
	wakeDue := at + WakeAgain.Milliseconds()
	c.set(fieldRingDue, wakeDue).set(fieldWait, WakeAgain.Milliseconds()).due(dueReady(m, wakeDue))
	if canWake(m) {
		d.WakeUps = append(d.WakeUps, wakeUpOf(m))
	}
}

// dueReady is where a READY job that runners are told of stands in the work index until it is told of again.
func dueReady(m Meta, wakeDue int64) Due {
	return Due{At: earlier(wakeDue, m.ExpiresAt), Offered: true, Pool: m.Pool, Runner: m.Target.RunnerID}
}

// canWake reports whether a message can reach the job's runner. A local job's runner asks by itself.
func canWake(m Meta) bool { return !m.Local && m.Pool != "" }

// wakeUpOf is the message for a job: to its pool, and for one runner of it if the job names one. Whoever else of the pool
// receives that passes it on.
func wakeUpOf(m Meta) WakeUp { return WakeUp{JobID: m.ID, Pool: m.Pool, RunnerID: m.Target.RunnerID} }

// earlier is the earlier of two times, either of which may be 0 for "never".
func earlier(a, b int64) int64 {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// Outcome is how a job ends.
type Outcome struct {
	State State
	End   End
	// Attempt is the attempt that ended it, 0 if none did.
	Attempt int64
}

// end is the fragment END(j, result). lease is nil for a job that is not RUNNING. The caller adds the guards of its row.
func end(d *Decision, m Meta, lease *Lease, lane *laneEdit, out Outcome, now time.Time) {
	at := now.UnixMilli()
	// The count of dependents is guarded too, so that an edge added in between is seen.
	c := d.on(metaOf(m.ID)).guard(fieldState, Equal, m.State).as(fieldDependents, m.Dependents)
	c.set(fieldState, out.State).set(fieldEndedAt, at).set(fieldEnd, out.End).set(fieldEndedBy, out.Attempt)
	c.set(fieldRingDue, int64(0)).set(fieldClaimBy, int64(0)).set(fieldWait, int64(0))
	due := Due{}
	if m.Dependents > 0 {
		// Stays in the work index until its dependents are settled: a crash before that costs a minute.
		due.At = at + WakeAgain.Milliseconds()
		d.Dependents = append(d.Dependents, m.ID)
	}
	c.due(due)
	if lease != nil {
		d.on(leaseOf(m.ID)).set(fieldLive, false).set(fieldCancelRequested, int64(0))
	}
	if lane != nil {
		lane.leave(d, m, now)
	}
}
