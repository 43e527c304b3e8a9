package jobs_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/functions/internal/audit"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/runners"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
)

// Each test replays a trace of the protocol's section 2: the shortest one that breaks a tempting simpler rule. It must end well.

func TestTraceF01_ForceCancelEndsTheRightToWrite(t *testing.T) {
	s := newSite(t)
	a := s.runner(nil)
	id := s.queue(up())
	f := s.claimed(id, a)
	s.must(s.Jobs.BeginStep(s.ctx, f, job.Step{Name: "deploy", Rerunnable: false}, false))
	s.must(s.append(f, 0, "before"))
	s.cancel(id, true)
	s.stale("step done", s.Jobs.EndStep(s.ctx, f, "deploy", ""))
	s.stale("step begin", s.Jobs.BeginStep(s.ctx, f, job.Step{Name: "release", Rerunnable: false}, false))
	s.stale("output", s.append(f, 1, "after"))
	_, err := s.Jobs.RenewLease(s.ctx, f)
	s.stale("renew", err)
	_, _, err = s.Jobs.Complete(s.ctx, f, jobs.Completion{})
	s.stale("complete", err)
	var tx store.Tx
	tx.Add(jobs.FenceCheck(f), store.Put(store.Record("p", "a", "D", 1), struct{}{}))
	if err := s.DB.Transact(s.ctx, tx); !jobs.FenceLost(err) {
		t.Errorf("a record was accepted: %v", err)
	}
	s.state(id, job.Canceled)
	if got := s.output(id); !slices.Equal(got, []string{"before"}) {
		t.Errorf("output %q", got)
	}
}

func TestTraceF01_ARepeatedCompleteGetsTheFirstAnswer(t *testing.T) {
	s := newSite(t)
	a := s.runner(nil)
	first, second := s.queue(up()), s.queue(up())
	f := s.claimed(first, a)
	s.complete(f)
	state, d, err := s.Jobs.Complete(s.ctx, f, jobs.Completion{Failure: &job.End{Reason: "PLUGIN_FAILED"}})
	s.must(err)
	if state != job.Succeeded || !d.Empty() {
		t.Errorf("answered %s, %+v", state, d)
	}
	s.state(second, job.Ready)
	g := s.claimed(second, a)
	g.Attempt++
	_, _, err = s.Jobs.Complete(s.ctx, g, jobs.Completion{})
	s.stale("an attempt that never was", err)
}

func TestTraceF01_AZombieCannotWriteWhileTheJobIsReady(t *testing.T) {
	s := newSite(t)
	a, b := s.runner(nil), s.runner(map[string]string{"x": "y"})
	id := s.queue(up())
	f := s.claimed(id, a)
	s.minutes(2)
	s.state(id, job.Ready)
	s.stale("step begin", s.Jobs.BeginStep(s.ctx, f, job.Step{Name: "deploy", Rerunnable: false}, false))
	g := s.claimed(id, b)
	s.must(s.Jobs.BeginStep(s.ctx, g, job.Step{Name: "deploy", Rerunnable: false}, false))
	s.stale("step begin of the old attempt", s.Jobs.BeginStep(s.ctx, f, job.Step{Name: "deploy", Rerunnable: false}, false))
}

func TestTraceF02_AForcedJobIsNotClaimedAgain(t *testing.T) {
	s := newSite(t)
	a, b := s.runner(nil), s.runner(nil)
	id := s.queue(up())
	s.claimed(id, a)
	s.cancel(id, true)
	s.answer(id, b, job.Over)
}

func TestTraceF03_CancelOfALostJobEndsIt(t *testing.T) {
	for name, then := range map[string]func(s *site, id string, f jobs.Fence, b runners.Runner){
		"sweep": func(s *site, _ string, _ jobs.Fence, _ runners.Runner) { s.minutes(2) },
		"claim": func(s *site, id string, _ jobs.Fence, b runners.Runner) {
			s.sweep()
			s.lapse()
			s.answer(id, b, job.Over)
		},
		"hand back": func(s *site, _ string, f jobs.Fence, _ runners.Runner) {
			state, _, err := s.Jobs.HandBack(s.ctx, f)
			s.must(err)
			if state != job.Canceled {
				s.t.Errorf("handed back as %s", state)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			a, b := s.runner(nil), s.runner(nil)
			id, next := s.queue(up()), s.queue(up())
			f := s.claimed(id, a)
			s.cancel(id, false)
			then(s, id, f, b)
			s.state(id, job.Canceled)
			s.state(next, job.Ready)
		})
	}
}

func TestTraceF04_ALostMessageIsSentAgain(t *testing.T) {
	s := newSite(t)
	a := s.runner(nil)
	id := s.queue(up()) // its message is lost
	if wakeUps := s.minutes(1); !slices.Contains(wakeUps, job.WakeUp{JobID: id, Pool: a.Pool}) {
		t.Fatalf("wake-ups %v", wakeUps)
	}
	// This one is lost as well.
	if wakeUps := s.minutes(2); !slices.Contains(wakeUps, job.WakeUp{JobID: id, Pool: a.Pool}) {
		t.Fatalf("wake-ups %v", wakeUps)
	}
	s.claimed(id, a)
	s.Clock.Pass(job.LeaseTime)
	if wakeUps := s.sweep(); len(wakeUps) != 0 {
		t.Errorf("a running job was announced: %v", wakeUps)
	}
}

func TestTraceF05_QueueAndEndAtOnceLeaveNobodyBehind(t *testing.T) {
	s := newSite(t)
	for range 15 {
		first := s.queue(up())
		var second string
		var g sync.WaitGroup
		g.Go(func() { s.cancel(first, false) })
		g.Go(func() { second = s.queue(up()) })
		g.Wait()
		s.state(first, job.Canceled)
		s.state(second, job.Ready)
		s.cancel(second, false)
	}
}

func TestTraceF05_PromotionIsPartOfTheEnd(t *testing.T) {
	s := newSite(t)
	a := s.runner(nil)
	first, second := s.queue(up()), s.queue(up())
	s.complete(s.claimed(first, a)) // and the function dies before it does anything else
	s.state(second, job.Ready)
	if wakeUps := s.minutes(1); !slices.Contains(wakeUps, job.WakeUp{JobID: second, Pool: a.Pool}) {
		t.Errorf("wake-ups %v", wakeUps)
	}
}

func TestTraceF06_TicketsOrderTheLaneNotIDs(t *testing.T) {
	s := newSite(t)
	a := s.runner(nil)
	first := s.queue(up())
	second := s.queue(up())
	s.Clock.Pass(-time.Hour) // the third comes from a server with a slow clock
	third := s.queue(after(up(), second))
	s.Clock.Pass(time.Hour)
	if third > second {
		t.Fatal("the trace needs an older id")
	}
	s.complete(s.claimed(first, a))
	s.state(second, job.Ready)
	s.state(third, job.Blocked)
	d := s.complete(s.claimed(second, a))
	_, err := s.Jobs.Follow(s.ctx, d)
	s.must(err)
	s.state(third, job.Ready)
}

func TestTraceF07_SweepUnblocksWhatADeadFunctionLeft(t *testing.T) {
	s := newSite(t)
	a := s.runner(nil)
	first := s.queue(noop())
	second := s.queue(after(noop(), first))
	third := s.queue(after(noop(), second))
	s.complete(s.claimed(first, a)) // and the function dies before it unblocks
	s.state(second, job.Blocked)
	s.minutes(2)
	s.state(second, job.Ready)
	s.cancel(second, false)
	s.minutes(3)
	s.state(third, job.Canceled)
}

func TestTraceF07_QueueBehindAJobThatEndsAtOnce(t *testing.T) {
	s := newSite(t)
	a := s.runner(nil)
	for range 10 {
		first := s.queue(noop())
		f := s.claimed(first, a)
		var second string
		var d job.Decision
		var g sync.WaitGroup
		g.Go(func() { d = s.complete(f) })
		g.Go(func() { second = s.queue(after(noop(), first)) })
		g.Wait()
		_, err := s.Jobs.Follow(s.ctx, d)
		s.must(err)
		s.state(second, job.Ready)
	}
}

func TestTraceF08_ASingletonThatDependsOnTheLaneDoesNotDeadlock(t *testing.T) {
	s := newSite(t)
	a := s.runner(nil)
	single := up()
	single.SingletonId = "deploy: main"
	first := s.queue(single)
	second := s.queue(up())
	again := after(up(), second)
	again.SingletonId = single.GetSingletonId()
	third := s.queue(again)
	s.state(first, job.Canceled)
	s.state(second, job.Ready)
	d := s.complete(s.claimed(second, a))
	_, err := s.Jobs.Follow(s.ctx, d)
	s.must(err)
	s.complete(s.claimed(third, a))
	s.state(third, job.Succeeded)
}

func TestTraceF09_ALocalJobMayWaitForItsLane(t *testing.T) {
	s := newSite(t)
	a, cli := s.runner(nil), s.cli()
	first := s.queue(up())
	f := s.claimed(first, a)
	mine := s.queue(local(cli))
	for range 4 {
		s.Clock.Pass(25 * time.Second)
		_, err := s.Jobs.RenewLease(s.ctx, f)
		s.must(err)
		s.sweep()
	}
	s.state(mine, job.Blocked)
	s.complete(f)
	s.state(mine, job.Ready)
	s.complete(s.claimed(mine, cli))
}

func TestTraceF09_ALostCLIFreesTheLane(t *testing.T) {
	for name, claim := range map[string]bool{"before it claims": false, "after it claimed": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			a, cli := s.runner(nil), s.cli()
			mine := s.queue(local(cli))
			next := s.queue(up())
			want := job.Canceled
			if claim {
				s.claimed(mine, cli)
				want = job.Failed
			}
			s.minutes(5)
			s.state(mine, want)
			s.complete(s.claimed(next, a))
		})
	}
}

func TestTraceF10_ACutStepIsNotRunTwice(t *testing.T) {
	s := newSite(t)
	a, b := s.runner(nil), s.runner(nil)
	id := s.queue(up())
	f := s.claimed(id, a)
	s.must(s.Jobs.BeginStep(s.ctx, f, job.Step{Name: "build", Rerunnable: true}, false))
	s.must(s.Jobs.EndStep(s.ctx, f, "build", ""))
	s.must(s.Jobs.BeginStep(s.ctx, f, job.Step{Name: "deploy", Rerunnable: false}, false))
	s.sweep()
	s.lapse()
	s.answer(id, b, job.Leased)
	// Its own runner comes back.
	_, err := s.Jobs.RenewLease(s.ctx, f)
	s.must(err)
	s.minutes(4)
	s.answer(id, b, job.Over)
	shown, _, _, err := s.Jobs.Get(s.ctx, id)
	s.must(err)
	if e := shown.GetError(); e.GetReason() != string(fault.RunnerLost) || e.GetStep() != "deploy" {
		t.Errorf("it ended with %v", e)
	}
}

func TestTraceF11_SweepDecidesOnWhatTheTransactionSees(t *testing.T) {
	s := newSite(t)
	a := s.runner(nil)
	id := s.queue(up())
	f := s.claimed(id, a)
	s.sweep()
	s.lapse()
	// Renewals and sweeps at once: whichever comes first, the job is never both requeued and renewed.
	var g sync.WaitGroup
	var renewed error
	g.Go(func() { _, renewed = s.Jobs.RenewLease(s.ctx, f) })
	g.Go(func() {
		if _, err := s.Dispatch.Sweep(s.ctx, id, false); err != nil {
			t.Error(err)
		}
	})
	g.Wait()
	m, err := s.Jobs.Meta(s.ctx, id)
	s.must(err)
	switch {
	case renewed == nil && m.State != job.Running:
		t.Errorf("renewed, yet %s", m.State)
	case renewed != nil && m.State != job.Ready:
		t.Errorf("refused (%v), yet %s", renewed, m.State)
	}
}

func TestTraceF12_ClaimsAreRememberedByReceipt(t *testing.T) {
	s := newSite(t)
	a, b := s.runner(nil), s.runner(nil)
	id := s.queue(up())
	in := jobs.ClaimInput{JobID: id, RunnerID: a.ID, Nonce: "receipt-1", Owner: a.Owner, Projects: everywhere}
	for range 2 { // the first answer is lost
		c, err := s.Jobs.Claim(s.ctx, plainSealer{}, in)
		s.must(err)
		if c.Grant.Lease.Attempt != 1 || c.Job == nil || c.Grant.LaneFence != 1 {
			t.Fatalf("got %+v", c.Grant)
		}
	}
	s.sweep()
	s.lapse() // A restarts and receives the message again
	in.Nonce = "receipt-2"
	c, err := s.Jobs.Claim(s.ctx, plainSealer{}, in)
	s.must(err)
	if c.Grant.Answer != job.Claimed || c.Grant.Lease.Attempt != 2 {
		t.Errorf("got %+v", c.Grant)
	}
	s.answer(id, b, job.Leased)
}

func TestTraceF13_OneIntentIsOneJob(t *testing.T) {
	s := newSite(t)
	intent := store.Intent{Principal: owner, Method: "QueueJob", Key: "k", Hash: "h"}
	in := s.newJob(up())
	in.Intent = intent
	first, err := s.Jobs.Queue(s.ctx, plainSealer{}, in)
	s.must(err)
	again := s.newJob(up())
	again.Intent = intent
	second, err := s.Jobs.Queue(s.ctx, plainSealer{}, again)
	s.must(err)
	if second.Earlier != first.Meta.ID || !second.Decision.Empty() {
		t.Errorf("got %+v", second)
	}
	jobs, _, err := s.Jobs.List(s.ctx, "p", jobs.Filter{}, 10, "")
	s.must(err)
	if len(jobs) != 1 {
		t.Errorf("%d jobs of one intent", len(jobs))
	}
	other := s.newJob(noop())
	other.Intent = intent
	other.Intent.Hash = "another"
	if _, err := s.Jobs.Queue(s.ctx, plainSealer{}, other); !fault.Is(err, fault.IdempotencyReuse) {
		t.Errorf("another request under the same key: %v", err)
	}
	s.Clock.Pass(store.IdempotencyLife + time.Second)
	late := s.newJob(up())
	late.Intent = intent
	third, err := s.Jobs.Queue(s.ctx, plainSealer{}, late)
	s.must(err)
	if third.Earlier != "" {
		t.Error("the key was remembered for more than its life")
	}
}

func TestTraceF14_OutputHasNoGapAndNoRepeat(t *testing.T) {
	s := newSite(t)
	a, b := s.runner(nil), s.runner(nil)
	id := s.queue(up())
	f := s.claimed(id, a)
	s.must(s.append(f, 0, "0"))
	s.must(s.append(f, 0, "0")) // a repeat
	if err := s.append(f, 0, "another"); !fault.Is(err, fault.OutputGap) {
		t.Errorf("another batch at the same place: %v", err)
	}
	if err := s.append(f, 2, "2"); !fault.Is(err, fault.OutputGap) {
		t.Errorf("a gap: %v", err)
	}
	s.sweep()
	s.lapse()
	// A appends once more while B claims: B goes on behind it, or A is refused.
	c := s.claim(id, b)
	s.stale("output of the old attempt", s.append(f, 1, "late"))
	g := jobs.Fence{JobID: id, Attempt: c.Grant.Lease.Attempt, Owner: b.Owner}
	s.must(s.append(g, c.Grant.Lease.NextOutput, "1"))
	if _, _, err := s.Jobs.Complete(s.ctx, g, jobs.Completion{NextOutput: 3}); !fault.Is(err, fault.OutputGap) {
		t.Errorf("a completion before its output: %v", err)
	}
	s.must(s.append(g, 2, "2"))
	_, _, err := s.Jobs.Complete(s.ctx, g, jobs.Completion{NextOutput: 3})
	s.must(err)
	if got := s.output(id); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("output %q", got)
	}
}

func TestTraceF15_ForceLetsTheNextJobRunAtOnceWithAHigherFence(t *testing.T) {
	s := newSite(t)
	a, b := s.runner(nil), s.runner(nil)
	first, second := s.queue(up()), s.queue(up())
	c := s.claim(first, a)
	s.cancel(first, true)
	d := s.claim(second, b)
	if d.Grant.Answer != job.Claimed || d.Grant.LaneFence <= c.Grant.LaneFence {
		t.Errorf("fences %d, then %d", c.Grant.LaneFence, d.Grant.LaneFence)
	}
}

func TestTraceF16_AClaimAllowsForTheSkewOfClocks(t *testing.T) {
	s := newSite(t)
	a, b := s.runner(nil), s.runner(nil)
	id := s.queue(up())
	s.claimed(id, a)
	s.sweep()
	s.Clock.Pass(job.LeaseTime + job.Skew) // as a server sees it whose clock is ahead
	s.answer(id, b, job.Leased)
	s.Clock.Pass(time.Second)
	s.answer(id, b, job.Claimed)
}

func TestAServerThatWasAwaySparesLapsedLeases(t *testing.T) {
	s := newSite(t)
	a, b := s.runner(nil), s.runner(nil)
	id := s.queue(up())
	s.sweep()
	f := s.claimed(id, a)
	s.Clock.Pass(time.Hour)
	s.answer(id, b, job.Leased) // a claim may be the first to notice
	s.sweep()
	s.state(id, job.Running)
	_, err := s.Jobs.RenewLease(s.ctx, f)
	s.must(err)
	s.complete(f)
	second := s.queue(up())
	s.claimed(second, a)
	s.Clock.Pass(time.Hour)
	s.sweep()
	s.minutes(1)
	s.state(second, job.Ready)
}

func TestAJobWithoutAPoolIsRungWhenOneAppears(t *testing.T) {
	s := newSite(t)
	id := s.queue(up())
	m, err := s.Jobs.Meta(s.ctx, id)
	s.must(err)
	why, err := s.Jobs.WhyNot(s.ctx, m, nil)
	s.must(err)
	if why.GetReason() != string(fault.NoRunner) {
		t.Errorf("it waits because of %v", why)
	}
	a := s.runner(nil)
	wakeUps, err := s.Dispatch.Reroute(s.ctx, 10)
	s.must(err)
	if want := []job.WakeUp{{JobID: id, Pool: a.Pool}}; !slices.Equal(wakeUps, want) {
		t.Errorf("wake-ups %v, want %v", wakeUps, want)
	}
	waiting, err := s.Dispatch.Waiting(s.ctx, a, everywhere, 5)
	s.must(err)
	if len(waiting) != 1 || waiting[0].ID != id {
		t.Errorf("a beat would be answered with %v", waiting)
	}
	s.claimed(id, a)
}

func TestOnlyItsOwnerClaimsALocalJob(t *testing.T) {
	s := newSite(t)
	mine := s.cli()
	theirs := s.ID(t)
	_, err := s.Runners.Put(s.ctx, runners.Runner{ID: theirs, Name: "cli", Kind: mine.Kind, Owner: "01OTHER"}, "")
	s.must(err)
	id := s.queue(local(mine))
	c, err := s.Jobs.Claim(s.ctx, plainSealer{}, jobs.ClaimInput{JobID: id, RunnerID: theirs, Nonce: "n", Owner: "01OTHER", Projects: everywhere})
	s.must(err)
	if c.Grant.Answer != job.NotReady || c.Job != nil {
		t.Errorf("got %+v", c)
	}
	if _, err := s.Jobs.Claim(s.ctx, plainSealer{}, jobs.ClaimInput{JobID: id, RunnerID: mine.ID, Nonce: "n", Owner: "01OTHER", Projects: everywhere}); !fault.Is(err, fault.RunnerNotFound) {
		t.Errorf("another token under the runner's id: %v", err)
	}
}

func TestTheJobRowsAreWithinTenActions(t *testing.T) {
	s := newSite(t)
	a := s.runner(nil)
	in := s.newJob(up())
	in.Intent = store.Intent{Principal: owner, Method: "m", Key: "k", Hash: "h"}
	in.Audit = &audit.Entry{ID: s.ID(t), PrincipalID: owner, PrincipalName: "me", Method: "m", Project: "p"}
	ctx, meter := store.WithMeter(s.ctx)
	if _, err := s.Jobs.Queue(ctx, plainSealer{}, in); err != nil {
		t.Fatal(err)
	}
	s.queue(up())
	read, write, _ := meter.Used()
	t.Logf("queue: %.1f read units, %.1f write units", read, write)
	f := s.claimed(in.ID, a)
	s.complete(f)
}

func TestConflictsAreTriedAgain(t *testing.T) {
	s := newSite(t)
	if s.Faults == nil {
		t.Skip("another DynamoDB injects no conflicts")
	}
	a := s.runner(nil)
	strike := 0
	s.Faults.Hook(dynamodb.TransactionConflict, func(string) bool {
		strike++
		return strike%2 == 1
	})
	id := s.queue(up())
	f := s.claimed(id, a)
	s.must(s.append(f, 0, "x"))
	s.complete(f)
	s.Faults.Hook(dynamodb.TransactionConflict, func(string) bool { return true })
	if _, err := s.Jobs.Queue(s.ctx, plainSealer{}, s.newJob(up())); !fault.Is(err, fault.Conflict) {
		t.Errorf("endless conflicts: %v", err)
	}
}
