package jobs_test

import (
	"context"
	"testing"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/audit"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// TestAccessPatternsCostWhatTheDocumentSays holds ACCESS.md's table of the job engine to the engine's own count. The
// numbers are read units (strong: 1 for 4 KB, weak: half) and write units (1 KB; twice in a transaction).
func TestAccessPatternsCostWhatTheDocumentSays(t *testing.T) {
	s := newSite(t)
	if s.Faults == nil {
		t.Skip("another DynamoDB may count otherwise")
	}
	a := s.runner(nil)
	cost := func(name string, read, write float64, do func(ctx context.Context) error) {
		t.Helper()
		ctx, meter := store.WithMeter(s.ctx)
		if err := do(ctx); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r, w, _ := meter.Used()
		t.Logf("%-28s %5.1f r %5.1f w", name, r, w)
		if r > read || w > write {
			t.Errorf("%s costs %.1f read and %.1f write units, the document says %.1f and %.1f", name, r, w, read, write)
		}
	}
	in := s.newJob(up())
	in.Intent = store.Intent{Principal: owner, Method: "m", Key: "k", Hash: "h"}
	in.Audit = &audit.Entry{ID: s.ID(t), PrincipalID: owner, PrincipalName: "me", Method: "m", Project: "p"}
	cost("queue", 1.5, 20, func(ctx context.Context) error {
		_, err := s.Jobs.Queue(ctx, plainSealer{}, in)
		return err
	})
	id := in.ID
	waits := s.newJob(up())
	cost("queue behind another", 1.5, 16, func(ctx context.Context) error {
		_, err := s.Jobs.Queue(ctx, plainSealer{}, waits)
		return err
	})
	cost("look (tail, sweep)", 1, 0, func(ctx context.Context) error {
		_, _, err := s.Jobs.State(ctx, id, false)
		return err
	})
	m, err := s.Jobs.Meta(s.ctx, id)
	s.must(err)
	cost("why not (READY)", 1.5, 0, func(ctx context.Context) error {
		_, err := s.Jobs.WhyNot(ctx, m, nil)
		return err
	})
	cost("beat", 2.5, 2, func(ctx context.Context) error {
		r, _, err := s.Runners.NoteSeen(ctx, a.ID, a.Owner, 0)
		if err == nil {
			_, err = s.Dispatch.Waiting(ctx, r, everywhere, 1)
		}
		return err
	})
	f := jobs.Fence{JobID: id, Attempt: 1, Owner: a.Owner}
	cost("claim", 5, 10, func(ctx context.Context) error {
		_, err := s.Jobs.Claim(ctx, plainSealer{}, jobs.ClaimInput{JobID: id, RunnerID: a.ID, Nonce: "n", Owner: a.Owner, Projects: everywhere})
		return err
	})
	cost("renew", 0, 1, func(ctx context.Context) error {
		_, err := s.Jobs.RenewLease(ctx, f)
		return err
	})
	cost("begin step", 0, 4, func(ctx context.Context) error {
		return s.Jobs.BeginStep(ctx, f, job.Step{Name: "build", Rerunnable: true}, false)
	})
	cost("append output (1 KB)", 0, 4, func(ctx context.Context) error { return s.Jobs.AppendOutput(ctx, f, 0, []byte("x")) })
	cost("end step", 0, 4, func(ctx context.Context) error { return s.Jobs.EndStep(ctx, f, "build", "") })
	cost("read output", 0.5, 0, func(ctx context.Context) error {
		_, _, err := s.Jobs.ReadOutput(ctx, id, 0, 1<<40, 1<<20, false)
		return err
	})
	cost("complete, lane passed on", 4, 18, func(ctx context.Context) error {
		_, _, err := s.Jobs.Complete(ctx, f, jobs.Completion{Result: &waypointv1.JobResult{DeployUrl: "x"}})
		return err
	})
	cost("get", 6, 0, func(ctx context.Context) error {
		_, _, _, err := s.Jobs.Get(ctx, id)
		return err
	})
	cost("cancel (READY)", 3, 6, func(ctx context.Context) error {
		_, err := s.Jobs.Cancel(ctx, jobs.Cancellation{JobID: waits.ID, By: "me"})
		return err
	})
	for range 20 {
		s.Clock.Pass(time.Millisecond)
		s.queue(noop())
	}
	cost("list 20", 10.5, 0, func(ctx context.Context) error {
		_, _, err := s.Jobs.List(ctx, "p", jobs.Filter{}, 20, "")
		return err
	})
	_, err = s.Dispatch.BeginSweep(s.ctx) // the installation's first run finds nothing of an earlier one
	s.must(err)
	cost("sweep with nothing due", 2, 1, func(ctx context.Context) error {
		if _, err := s.Dispatch.BeginSweep(ctx); err != nil {
			return err
		}
		_, err := s.Dispatch.Due(ctx, 250)
		return err
	})
	s.Clock.Pass(job.WakeAgain + time.Second)
	due, err := s.Dispatch.Due(s.ctx, 1)
	s.must(err)
	cost("wake up again", 4.5, 3, func(ctx context.Context) error {
		_, err := s.Dispatch.Sweep(ctx, due[0], false)
		return err
	})
}
