package jobs

import (
	"context"
	"strconv"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/audit"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// endFacts reads what an end turns on.
func (st *Store) endFacts(ctx context.Context, id string) (f job.EndFacts, err error) {
	m, found, err := st.items(ctx, id, store.JobLease(id))
	if err != nil {
		return f, err
	}
	f.Meta = m
	if m.State.Ended() {
		return f, nil
	}
	if m.State == job.Running {
		if f.Lease, err = leaseIn(found, id); err != nil {
			return f, err
		}
	}
	f.Lane, _, err = st.laneView(ctx, m)
	return f, err
}

// fencedFacts are endFacts for the current attempt: any other gets STALE_LEASE. ended is the first answer when this very
// attempt ended the job before.
func (st *Store) fencedFacts(ctx context.Context, f Fence) (facts job.EndFacts, ended bool, err error) {
	facts, err = st.endFacts(ctx, f.JobID)
	switch m := facts.Meta; {
	case err != nil:
		return facts, false, err
	case m.State.Ended() && m.EndedBy == f.Attempt:
		return facts, true, nil
	case facts.Lease == nil || !facts.Lease.Live || facts.Lease.Attempt != f.Attempt || facts.Lease.Owner != f.Owner:
		return facts, false, stale(m, f)
	}
	return facts, false, nil
}

// Completion is how a runner ends a job. Failure is nil for success.
type Completion struct {
	Failure *job.End
	Result  *waypointv1.JobResult
	// NextOutput is how many positions were written; 0: the runner does not say.
	NextOutput int64
}

// Complete is row 10. A repeat gets the first answer.
func (st *Store) Complete(ctx context.Context, f Fence, c Completion) (job.State, job.Decision, error) {
	var state job.State
	var extra []store.Action
	if c.Result != nil {
		blob, err := blob(st.db, c.Result)
		if err != nil {
			return "", job.Decision{}, err
		}
		extra = append(extra, store.Put(store.JobResult(f.JobID), blob))
	}
	d, err := st.decide(ctx, func() (job.Decision, []store.Action, error) {
		facts, ended, err := st.fencedFacts(ctx, f)
		if err != nil {
			return job.Decision{}, nil, err
		}
		if ended {
			state = facts.Meta.State
			return job.Decision{}, nil, nil
		}
		if missing := facts.Lease.NextOutput; c.NextOutput > missing {
			return job.Decision{}, nil, fault.New(connect.CodeFailedPrecondition, fault.OutputGap,
				"output of job %s is there up to position %d, not %d", f.JobID, missing, c.NextOutput).
				WithFact("next_output", strconv.FormatInt(missing, 10))
		}
		state = job.OutcomeOf(c.Failure, f.Attempt).State
		return job.Complete(facts, f.Attempt, f.Owner, c.Failure, c.NextOutput, st.db.Now()), extra, nil
	}, nil)
	return state, d, err
}

// HandBack is row 11. It is refused in the middle of a step.
func (st *Store) HandBack(ctx context.Context, f Fence) (job.State, job.Decision, error) {
	var state job.State
	d, err := st.decide(ctx, func() (job.Decision, []store.Action, error) {
		facts, ended, err := st.fencedFacts(ctx, f)
		if err != nil {
			return job.Decision{}, nil, err
		}
		if ended {
			state = facts.Meta.State
			return job.Decision{}, nil, nil
		}
		steps, err := st.steps(ctx, f.JobID)
		if err != nil {
			return job.Decision{}, nil, err
		}
		for _, s := range steps {
			if s.EndedAt == 0 && s.Attempt == f.Attempt {
				return job.Decision{}, nil, fault.New(connect.CodeFailedPrecondition, fault.Conflict,
					"step %q of job %s has begun and not ended: it cannot be handed back", s.Name, f.JobID)
			}
		}
		state = job.Ready
		if facts.Lease.CancelRequested != 0 {
			state = job.Canceled
		}
		return job.HandBack(facts, f.Attempt, f.Owner, st.db.Now()), nil, nil
	}, nil)
	return state, d, err
}

// Lose is row 11 for an attempt whose runner was killed.
func (st *Store) Lose(ctx context.Context, f Fence) (job.State, job.Decision, error) {
	var state job.State
	d, err := st.decide(ctx, func() (job.Decision, []store.Action, error) {
		end, ended, err := st.fencedFacts(ctx, f)
		if err != nil || ended {
			state = end.Meta.State
			return job.Decision{}, nil, err
		}
		facts, _, err := st.claimFacts(ctx, end.Meta)
		switch {
		case err != nil:
			return job.Decision{}, nil, err
		case facts.Lease == nil || !facts.Lease.Live || facts.Lease.Attempt != f.Attempt:
			return job.Decision{}, nil, stale(end.Meta, f)
		}
		d := job.HandBackLost(facts, f.Attempt, f.Owner, st.db.Now())
		state = d.StateOf(f.JobID)
		return d, nil, nil
	}, nil)
	return state, d, err
}

// Cancellation is a person's wish to cancel.
type Cancellation struct {
	JobID string
	Force bool
	// By is the name of the token.
	By     string
	Intent store.Intent
	Audit  *audit.Entry
}

// Cancel is rows 12, 13 and 14; a job that has ended is left alone.
func (st *Store) Cancel(ctx context.Context, c Cancellation) (job.Decision, error) {
	d, err := st.decide(ctx, func() (job.Decision, []store.Action, error) {
		facts, err := st.endFacts(ctx, c.JobID)
		if err != nil {
			return job.Decision{}, nil, err
		}
		now := st.db.Now()
		extra := store.Remember(c.Intent, map[string]string{"job": c.JobID}, now)
		if c.Audit != nil {
			extra = append(extra, c.Audit.Record(now))
		}
		return job.Cancel(facts, c.Force, c.By, now), extra, nil
	}, func(err error) bool {
		_, repeated := store.Failed(err, store.IdempotencyLabel)
		return repeated
	})
	if _, repeated, reuse := store.Remembered(err, c.Intent); repeated || reuse != nil {
		return job.Decision{}, reuse
	}
	return d, err
}
