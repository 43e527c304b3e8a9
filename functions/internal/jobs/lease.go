package jobs

import (
	"context"
	"fmt"
	"strconv"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// StaleLease is the refusal of a write by an attempt that is not the current one. It says how the job stands, since that can be
// the caller's own success.
func (st *Store) StaleLease(ctx context.Context, f Fence) error {
	m, err := st.Meta(ctx, f.JobID)
	if err != nil {
		return err
	}
	return stale(m, f)
}

func stale(m job.Meta, f Fence) error {
	if f.MayRead != nil && !f.MayRead(m.Project) {
		return fault.New(connect.CodeFailedPrecondition, fault.StaleLease, "attempt %d at job %s may not write", f.Attempt, f.JobID).
			WithHint("Only the runner that claimed a job writes for it.").WithFact("job_id", f.JobID)
	}
	e := fault.New(connect.CodeFailedPrecondition, fault.StaleLease,
		"attempt %d at job %s may no longer write: the job is %s, at attempt %d", f.Attempt, f.JobID, m.State, m.Attempt).
		WithHint("Stop working on the job; if it has not ended, another runner has it.").
		WithFact("job_id", f.JobID).WithFact("state", string(m.State)).WithFact("attempt", strconv.FormatInt(m.Attempt, 10))
	if m.State.Ended() {
		e = e.WithFact("ended_by", strconv.FormatInt(m.EndedBy, 10))
	}
	return e
}

// RenewLease is row 6. canceled: somebody asked to cancel the job.
func (st *Store) RenewLease(ctx context.Context, f Fence) (canceled bool, err error) {
	a, err := action(job.Renew(f.JobID, f.Attempt, f.Owner, st.db.Now()).Changes[0], st.db.Now())
	if err != nil {
		return false, err
	}
	after, err := st.db.Write(ctx, a)
	if FenceLost(err) {
		return false, st.StaleLease(ctx, f)
	}
	return store.NumberOf(after, "cancel_requested") != 0, err
}

// BeginStep is row 7. again: the step was begun before and is to be run once more.
func (st *Store) BeginStep(ctx context.Context, f Fence, s job.Step, again bool) error {
	d := job.BeginStep(f.JobID, f.Attempt, f.Owner, s, st.db.Now())
	if again {
		found, err := st.db.BatchGet(ctx, []store.Key{store.JobLease(f.JobID), store.JobStep(f.JobID, s.Name)}, true)
		if err != nil {
			return err
		}
		l, err := decodeLease(found[store.JobLease(f.JobID)])
		if err != nil {
			return fmt.Errorf("reading the lease of job %s: %w", f.JobID, err)
		}
		before, err := decodeStep(found[store.JobStep(f.JobID, s.Name)])
		if err != nil {
			return fmt.Errorf("reading the step %s of job %s: %w", s.Name, f.JobID, err)
		}
		d = job.BeginStepAgain(f.JobID, l, before, f.Attempt, f.Owner, s, st.db.Now())
	}
	err := st.commit(ctx, d)
	if _, done := store.Failed(err, labelStep); done && !FenceLost(err) {
		what := "has ended already"
		if again {
			what = "may not be run again"
		}
		return fault.New(connect.CodeFailedPrecondition, fault.Conflict, "step %q of job %s %s", s.Name, f.JobID, what)
	}
	return st.fencedError(ctx, f, err)
}

// EndStep is row 8. A repeat is accepted.
func (st *Store) EndStep(ctx context.Context, f Fence, name, record string) error {
	err := st.commit(ctx, job.EndStep(f.JobID, f.Attempt, f.Owner, name, record, st.db.Now()))
	if _, missing := store.Failed(err, labelStep); missing && !FenceLost(err) {
		return fault.New(connect.CodeFailedPrecondition, fault.Conflict, "step %q was not begun by this attempt at job %s", name, f.JobID)
	}
	return st.fencedError(ctx, f, err)
}

func (st *Store) fencedError(ctx context.Context, f Fence, err error) error {
	if FenceLost(err) {
		return st.StaleLease(ctx, f)
	}
	return err
}

// Report keeps what the job resolved.
func (st *Store) Report(ctx context.Context, f Fence, report *waypointv1.ReportJobRequest) error {
	blob, err := blob(st.db, &waypointv1.ReportJobRequest{Source: report.GetSource(), VariablesUsed: report.GetVariablesUsed()})
	if err != nil {
		return err
	}
	var tx store.Tx
	tx.Add(FenceCheck(f), store.Put(store.JobReport(f.JobID), blob))
	return st.fencedError(ctx, f, st.db.Transact(ctx, tx))
}
