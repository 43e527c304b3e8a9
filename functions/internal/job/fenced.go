package job

import (
	"time"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// fenced adds guard F to a decision, and renews the lease with it: the job is RUNNING, this attempt is the current one,
// and the caller is its claimant. Nothing less is enough (rule F1), nothing more is wanted: a lease that lapsed but was
// not taken over may still write.
func fenced(d *Decision, id string, attempt int64, owner string, now time.Time) *Change {
	c := d.on(leaseOf(id))
	c.guard(fieldLive, Equal, true).guard(fieldAttempt, Equal, attempt).guard(fieldOwner, Equal, owner)
	return c.set(fieldUntil, now.Add(LeaseTime).UnixMilli())
}

// Renew is row 6.
func Renew(id string, attempt int64, owner string, now time.Time) Decision {
	var d Decision
	fenced(&d, id, attempt, owner, now)
	return d
}

// BeginStep is row 7. The plugin acts only after it is committed (rule F10).
func BeginStep(id string, attempt int64, owner string, s Step, now time.Time) Decision {
	var d Decision
	fenced(&d, id, attempt, owner, now)
	s.Attempt, s.StartedAt, s.EndedAt, s.RecordID = attempt, now.UnixMilli(), 0, ""
	d.Changes = append(d.Changes, &Change{Item: stepOf(id, s.Name), Do: Put, Value: s, Guard: []Cond{{Field: fieldEndedAt, Op: Missing}}})
	return d
}

// BeginStepAgain is row 7 for a step that was begun before: this attempt was cut in it, or an earlier one finished it and
// what it made cannot be used here. Only what may be run again is; what was printed from its begin on is superseded.
func BeginStepAgain(id string, l Lease, before Step, attempt int64, owner string, s Step, now time.Time) Decision {
	s.OutputAt = l.NextOutput
	d := BeginStep(id, attempt, owner, s, now)
	d.on(stepOf(id, s.Name)).Guard = []Cond{{Field: fieldRerunnable, Op: Equal, Value: true}, {Field: fieldAttempt, Op: Equal, Value: before.Attempt}}
	if before.OutputAt < l.NextOutput {
		d.on(leaseOf(id)).as(fieldNextOutput, l.NextOutput).set(fieldSuperseded, l.supersede(before.OutputAt))
	}
	return d
}

// EndStep is row 8 for the step itself; the record that it made is written before, fenced likewise. The runner has sent the
// step's output: no later attempt makes it again.
func EndStep(id string, attempt int64, owner, name, record string, now time.Time) Decision {
	var d Decision
	c := fenced(&d, id, attempt, owner, now)
	c.Copy = append(c.Copy, Copied{Field: fieldSettledOutput, From: fieldNextOutput})
	d.on(stepOf(id, name)).guard(fieldAttempt, Equal, attempt).set(fieldEndedAt, now.UnixMilli()).set(fieldRecordID, record)
	return d
}

// AppendOutput is row 9, form A: batch is the item to put at the position.
func AppendOutput(id string, attempt int64, owner string, position int64, batch any, now time.Time) Decision {
	var d Decision
	fenced(&d, id, attempt, owner, now).as(fieldNextOutput, position).set(fieldNextOutput, position+1)
	d.Changes = append(d.Changes, &Change{Item: outputOf(id, position), Do: Put, Value: batch})
	return d
}

// How much output the server takes of a job. A runner bounds what its jobs print (runner/output) and leaves out what is above;
// the server takes twice as much, so that it refuses only what a runner sends that has no such bound.
const (
	OutputBurst     = 40 << 20
	OutputPerSecond = 2 << 20
)

// outputBy is how many bytes may be sent from the epoch until now: only differences count.
func outputBy(now time.Time) int64 { return now.Unix() * OutputPerSecond }

// LimitOutput counts the bytes of an append in the lease, which it changes anyway, and has it refused once the attempt has
// sent more than its time allows.
func LimitOutput(d Decision, id string, size int64, now time.Time) Decision {
	c := d.on(leaseOf(id)).guard(fieldOutputMark, NotAtLeast, outputBy(now)+OutputBurst)
	c.Add = append(c.Add, Assign{fieldOutputMark, size})
	return d
}

// OutputFull reports whether LimitOutput refuses.
func (l Lease) OutputFull(now time.Time) bool { return l.OutputMark >= outputBy(now)+OutputBurst }

// EndFacts is what an end turns on, as read. Lease is nil for a job that is not RUNNING, Lane for one without a lane.
type EndFacts struct {
	Meta  Meta
	Lease *Lease
	Lane  *LaneView
	// Seen is when the runner of a local job was seen last, for its expiry; 0: it cannot be told.
	Seen int64
}

// Complete is row 10. nextOutput is how many positions the runner says were written: while one is missing the
// transaction fails on the lease, so that a tail in flight is not cut off.
func Complete(f EndFacts, attempt int64, owner string, failure *End, nextOutput int64, now time.Time) Decision {
	out := OutcomeOf(failure, attempt)
	var d Decision
	lane := laneFor(f.Lane)
	end(&d, f.Meta, f.Lease, lane, out, now)
	d.on(metaOf(f.Meta.ID)).as(fieldAttempt, attempt)
	c := fenced(&d, f.Meta.ID, attempt, owner, now)
	if nextOutput > 0 {
		c.guard(fieldNextOutput, AtLeast, nextOutput)
	}
	if lane != nil {
		lane.write(&d, now)
	}
	return d
}

// OutcomeOf is how an attempt ends that reports failure (nil: success). A runner that stopped because it was asked to
// reports CANCELED.
func OutcomeOf(failure *End, attempt int64) Outcome {
	switch {
	case failure == nil:
		return Outcome{State: Succeeded, Attempt: attempt}
	case failure.Reason == string(fault.Canceled):
		return Outcome{State: Canceled, End: *failure, Attempt: attempt}
	}
	return Outcome{State: Failed, End: *failure, Attempt: attempt}
}

// HandBack is row 11: between two steps only, which the caller has checked. A job that is to be canceled ends so (rule
// F3); any other becomes READY and keeps its lane.
func HandBack(f EndFacts, attempt int64, owner string, now time.Time) Decision {
	m := f.Meta
	var d Decision
	if f.Lease.CancelRequested != 0 {
		lane := laneFor(f.Lane)
		end(&d, m, f.Lease, lane, Outcome{State: Canceled, Attempt: attempt,
			End: End{Reason: string(fault.Canceled), Message: "canceled while its runner was stopping"}}, now)
		if lane != nil {
			lane.write(&d, now)
		}
	} else {
		requeue(&d, m, now)
	}
	d.on(metaOf(m.ID)).as(fieldAttempt, attempt)
	fenced(&d, m.ID, attempt, owner, now).as(fieldCancelRequested, f.Lease.CancelRequested)
	return d
}

// HandBackLost is row 11 for an attempt that was cut off: whoever saw its runner die, and made sure that nothing of the
// attempt is left, reports it. What follows is what follows from a lease that has expired, without the wait. The lease is
// guarded as it was read: a write of the runner that was still under way, such as a step's begin, is seen first.
func HandBackLost(f ClaimFacts, attempt int64, owner string, now time.Time) Decision {
	how := loss{guard: func(d *Decision) {
		fenced(d, f.Meta.ID, attempt, owner, now).as(fieldUntil, f.Lease.Until).as(fieldCancelRequested, f.Lease.CancelRequested)
	}}
	if fate, d := lost(f, now, how); fate == fateEnd {
		return d
	}
	return requeueLost(f.Meta, how, now)
}

// requeue makes a RUNNING job READY again; its lane is kept, so that the next attempt runs before anything later.
func requeue(d *Decision, m Meta, now time.Time) {
	ready(d, d.on(metaOf(m.ID)).guard(fieldState, Equal, Running), m, now)
	d.on(leaseOf(m.ID)).set(fieldLive, false)
}

// Cancel is rows 12, 13 and 14. It is empty for a job that has ended.
func Cancel(f EndFacts, force bool, by string, now time.Time) Decision {
	var d Decision
	m := f.Meta
	switch {
	case m.State.Ended():
		return d
	case m.State == Running && !force:
		d.on(leaseOf(m.ID)).guard(fieldLive, Equal, true).set(fieldCancelRequested, now.UnixMilli())
		return d
	}
	why := End{Reason: string(fault.Canceled), Message: "canceled by " + by}
	lane := laneFor(f.Lane)
	end(&d, m, f.Lease, lane, Outcome{State: Canceled, End: why}, now)
	if m.State == Running {
		// The lease closes with the job: nothing of the old attempt counts from here on (rule F2).
		d.on(leaseOf(m.ID)).guard(fieldLive, Equal, true)
		d.on(metaOf(m.ID)).as(fieldAttempt, m.Attempt)
	}
	if lane != nil {
		lane.write(&d, now)
	}
	return d
}
