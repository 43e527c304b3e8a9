package job

import (
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// Enqueue is what row 1 turns on, as read.
type Enqueue struct {
	// Job is the new job: its id, names, target, pool, dependencies, singleton, expiry and lane key. State, ticket
	// and times are decided here.
	Job Meta
	// Body is written beside it: what was asked for, never changed.
	Body any
	// States are those of the jobs that it depends on; one that does not exist is not in it.
	States map[string]State
	// Lane is the job's lane; nil when Job.Lane is "".
	Lane *LaneView
	// Replaces is the job that the singleton item names; nil if there is none. Its Lane may be the same as Lane.
	Replaces *Replaced
}

// Replaced is the job that a singleton item names, as read.
type Replaced struct {
	Meta Meta
	Lane *LaneView
}

// Queue is row 1, and row 2 when the job replaces a singleton that nobody has claimed yet. The caller adds the
// idempotency item to the transaction.
func Queue(in Enqueue, now time.Time) (Decision, Meta) {
	var d Decision
	m := in.Job
	m.State, m.QueuedAt = Blocked, now.UnixMilli()
	deps := SortDependencies(m, in.States)
	var lanes []*laneEdit
	lane := editOf(&lanes, in.Lane)
	if m.Singleton != "" {
		c := d.on(singletonOf(m.Singleton))
		named := ""
		if in.Replaces != nil {
			named = in.Replaces.Meta.ID
		}
		c.as(fieldJobID, named).set(fieldJobID, m.ID)
		if in.Replaces != nil && replaceable(in.Replaces.Meta) {
			replace(&d, *in.Replaces, m.ID, &lanes, now)
		}
	}
	if len(deps.Failed) > 0 {
		m.State, m.EndedAt, m.End = Canceled, m.QueuedAt, dependencyFailed(deps)
		m.Lane = ""
	}
	if m.State == Blocked {
		follow(&d, m, deps)
		holds := true
		if lane != nil {
			m.Ticket, holds = lane.enter(&d, m.ID)
		}
		if holds && deps.Done() {
			m.State = Ready
		}
	}
	for _, e := range lanes {
		e.write(&d, now)
	}
	putMeta(&d, &m, now)
	if in.Body != nil {
		d.Changes = append(d.Changes, &Change{Item: Item{Kind: BodyItem, ID: m.ID}, Do: Put, Value: in.Body})
	}
	return d, m
}

// putMeta writes a new job; READY(j) is applied to the value, since the item is written whole.
func putMeta(d *Decision, m *Meta, now time.Time) {
	at := now.UnixMilli()
	due := Due{}
	switch m.State {
	case Ready:
		m.ReadyNo, m.ReadyAt = 1, at
		if m.Local {
			m.ClaimBy = at + LocalClaim.Milliseconds()
			due.At = earlier(m.ClaimBy, m.ExpiresAt)
		} else {
			m.WakeDue, m.Wait = at+WakeAgain.Milliseconds(), WakeAgain.Milliseconds()
			due = dueReady(*m, m.WakeDue)
			if canWake(*m) {
				d.WakeUps = append(d.WakeUps, wakeUpOf(*m))
			}
		}
	case Blocked:
		m.Wait = WakeAgain.Milliseconds()
		due.At = earlier(at+m.Wait, m.ExpiresAt)
	}
	m.Due = due.At
	d.Changes = append(d.Changes, &Change{Item: metaOf(m.ID), Do: Put, Value: *m, Due: &due,
		Guard: []Cond{{Field: fieldID, Op: Missing}}})
}

// follow adds the edges to the jobs that have not ended; each must still not have ended, else nobody would
// tell the new job (rule F7).
func follow(d *Decision, m Meta, deps Dependencies) {
	for _, dep := range deps.Pending {
		d.Changes = append(d.Changes, &Change{Item: dependentOf(dep, m.ID), Do: Put, Value: Edge{JobID: m.ID}})
		c := d.on(metaOf(dep)).guard(fieldState, NotEnded, nil)
		c.Add = append(c.Add, Assign{fieldDependents, int64(1)})
	}
}

// Edge is a reverse dependency: JobID waits for the job under whose key it stands.
type Edge struct {
	JobID string
}

// Singleton is the item of a singleton: JobID is the job that was queued last under its name.
type Singleton struct {
	JobID string
}

func replaceable(m Meta) bool { return (m.State == Blocked || m.State == Ready) && m.Attempt == 0 }

// replace ends the job that the new one replaces. The new job takes a new ticket: one that inherited the old place while
// it waits for a job behind it would wait for ever (rule F8).
func replace(d *Decision, r Replaced, by string, lanes *[]*laneEdit, now time.Time) {
	lane := editOf(lanes, r.Lane)
	end(d, r.Meta, nil, lane, Outcome{State: Canceled, End: End{
		Reason: string(fault.Replaced), Message: "a newer job of the same singleton took its place: " + by,
	}}, now)
	d.on(metaOf(r.Meta.ID)).as(fieldAttempt, int64(0))
}

// editOf finds the edit of a lane in a decision that may touch it twice, or starts one.
func editOf(lanes *[]*laneEdit, v *LaneView) *laneEdit {
	if v == nil {
		return nil
	}
	for _, e := range *lanes {
		if e.read.Key == v.Lane.Key {
			if e.next == nil {
				e.next = v.Next
			}
			return e
		}
	}
	e := editLane(*v)
	*lanes = append(*lanes, e)
	return e
}

func dependencyFailed(deps Dependencies) End {
	return End{Reason: string(fault.DependencyFailed),
		Message: "a job that it depends on did not succeed: " + strings.Join(deps.Failed, ", ")}
}
