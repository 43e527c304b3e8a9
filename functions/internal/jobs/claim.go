package jobs

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/runners"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// ClaimInput is a runner's claim.
type ClaimInput struct {
	JobID, RunnerID, Nonce string
	// Owner is the id of the caller's token: the runner must be registered with it.
	Owner string
	// Projects are those that the caller's token lets it run jobs of.
	Projects job.Projects
}

// Claimed is the answer to a claim. Job has secrets.
type Claimed struct {
	Grant job.Grant
	// Job is set when the answer is Claimed or Repeated.
	Job *waypointv1.Job
	// Runner is who claimed.
	Runner runners.Runner
}

// Claim is rows 4 and 5. The decision's messages and dependents are owed (a claim can end a job).
func (st *Store) Claim(ctx context.Context, sealer store.Sealer, in ClaimInput) (Claimed, error) {
	var (
		out   Claimed
		found map[store.Key]store.Item
		steps []job.Step
	)
	_, err := st.decide(ctx, func() (d job.Decision, extra []store.Action, err error) {
		var m job.Meta
		if m, found, err = st.items(ctx, in.JobID, store.JobBody(in.JobID), store.Runner(in.RunnerID)); err != nil {
			return d, nil, err
		}
		if out.Runner, err = runnerIn(found, in.RunnerID, in.Owner); err != nil {
			return d, nil, err
		}
		f, report, err := st.claimFacts(ctx, m)
		if err != nil {
			return d, nil, err
		}
		found[store.JobReport(in.JobID)] = report
		f.Nonce, steps = in.Nonce, f.Steps
		out.Grant = job.Claim(f, out.Runner.Facts(in.Projects), st.db.Now())
		if out.Runner.CLI() && m.Owner != in.Owner {
			out.Grant = job.Grant{Answer: job.NotReady, Meta: m} // a user's token claims that user's jobs only
		}
		return out.Grant.Decision, nil, nil
	}, nil)
	if err != nil || (out.Grant.Answer != job.Claimed && out.Grant.Answer != job.Repeated) {
		return out, err
	}
	out.Job = Proto(out.Grant.Meta)
	spec, sealed, err := decodeBody(ctx, st.db, in.JobID, found[store.JobBody(in.JobID)])
	if err != nil {
		return out, err
	}
	if err := joinSpec(ctx, sealer, in.JobID, spec, sealed); err != nil {
		return out, err
	}
	out.Job.Spec = spec
	for _, s := range steps {
		out.Job.Steps = append(out.Job.Steps, stepProto(s))
	}
	return out, addReport(out.Job, found[store.JobReport(in.JobID)])
}

// claimFacts reads what a claim turns on besides Meta: the lane, and what earlier attempts left, if there were any.
func (st *Store) claimFacts(ctx context.Context, m job.Meta) (f job.ClaimFacts, report store.Item, err error) {
	f.Meta = m
	if m.State.Ended() || m.State == job.Blocked {
		return f, nil, nil
	}
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		f.Lane, _, err = st.laneView(inner, m)
		return err
	})
	if m.Attempt > 0 {
		g.Go(func() (err error) {
			f.Steps, err = st.steps(inner, m.ID)
			return err
		})
		g.Go(func() error {
			found, err := st.db.BatchGet(inner, []store.Key{store.JobLease(m.ID), store.JobReport(m.ID)}, true)
			if err != nil {
				return err
			}
			report = found[store.JobReport(m.ID)]
			f.Lease, err = leaseIn(found, m.ID)
			return err
		})
	}
	if m.State == job.Running {
		g.Go(func() (err error) {
			f.Spared, err = leasesSpared(inner, st.db)
			return err
		})
	}
	return f, report, g.Wait()
}

func runnerIn(found map[store.Key]store.Item, id, owner string) (r runners.Runner, err error) {
	item, ok := found[store.Runner(id)]
	if ok {
		if err := store.Decode(item, &r); err != nil {
			return r, fmt.Errorf("reading runner %s: %w", id, err)
		}
	}
	if !ok || r.Owner != owner {
		return r, runners.NotFound(id)
	}
	return r, nil
}
