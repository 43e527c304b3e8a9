package table

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
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
	Runner RunnerItem
}

// ClaimJob is rows 4 and 5. The decision's rings and dependents are owed (a claim can end a job).
func (t *Table) ClaimJob(ctx context.Context, sealer Sealer, in ClaimInput) (Claimed, error) {
	var (
		out   Claimed
		found map[Key]Item
		steps []job.Step
	)
	_, err := t.decide(ctx, func() (d job.Decision, extra []TxAction, err error) {
		var m job.Meta
		if m, found, err = t.jobItems(ctx, in.JobID, JobBody(in.JobID), Runner(in.RunnerID)); err != nil {
			return d, nil, err
		}
		if out.Runner, err = runnerIn(found, in.RunnerID, in.Owner); err != nil {
			return d, nil, err
		}
		f, report, err := t.claimFacts(ctx, m)
		if err != nil {
			return d, nil, err
		}
		found[JobReport(in.JobID)] = report
		f.Nonce, steps = in.Nonce, f.Steps
		out.Grant = job.Claim(f, out.Runner.facts(in.Projects), t.clock())
		if out.Runner.CLI() && m.Owner != in.Owner {
			out.Grant = job.Grant{Answer: job.NotReady, Meta: m} // a user's token claims that user's jobs only
		}
		return out.Grant.Decision, nil, nil
	}, nil)
	if err != nil || (out.Grant.Answer != job.Claimed && out.Grant.Answer != job.Repeated) {
		return out, err
	}
	out.Job = JobProto(out.Grant.Meta)
	spec, sealed, err := decodeBody(ctx, t, in.JobID, found[JobBody(in.JobID)])
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
	return out, addReport(out.Job, found[JobReport(in.JobID)])
}

// claimFacts reads what a claim turns on besides Meta: the lane, and what earlier attempts left, if there were any.
func (t *Table) claimFacts(ctx context.Context, m job.Meta) (f job.ClaimFacts, report Item, err error) {
	f.Meta = m
	if m.State.Ended() || m.State == job.Blocked {
		return f, nil, nil
	}
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		f.Lane, _, err = t.laneView(inner, m)
		return err
	})
	if m.Attempt > 0 {
		g.Go(func() (err error) {
			f.Steps, err = t.jobSteps(inner, m.ID)
			return err
		})
		g.Go(func() error {
			found, err := t.BatchGet(inner, []Key{JobLease(m.ID), JobReport(m.ID)}, true)
			if err != nil {
				return err
			}
			report = found[JobReport(m.ID)]
			f.Lease, err = leaseIn(found, m.ID)
			return err
		})
	}
	if m.State == job.Running {
		g.Go(func() (err error) {
			f.Spared, err = leasesSpared(inner, t)
			return err
		})
	}
	return f, report, g.Wait()
}

func runnerIn(found map[Key]Item, id, owner string) (r RunnerItem, err error) {
	item, ok := found[Runner(id)]
	if ok {
		if err := Decode(item, &r); err != nil {
			return r, fmt.Errorf("reading runner %s: %w", id, err)
		}
	}
	if !ok || r.Owner != owner {
		return r, RunnerNotFound(id)
	}
	return r, nil
}
