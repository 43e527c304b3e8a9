package job

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

func TestRow01_QueueTakesTheLaneOrATicket(t *testing.T) {
	w := newWorld(t)
	d := w.queue(Meta{ID: "1", Lane: lane})
	w.state("1", Ready)
	w.holder("1")
	if want := []WakeUp{{JobID: "1", Pool: "pool"}}; !slices.Equal(d.WakeUps, want) {
		t.Errorf("wake-ups %v, want %v", d.WakeUps, want)
	}
	if d := w.queue(Meta{ID: "2", Lane: lane}); len(d.WakeUps) != 0 {
		t.Errorf("a blocked job was announced: %v", d.WakeUps)
	}
	w.state("2", Blocked)
	if ws := w.waiters(lane); len(ws) != 1 || ws[0] != (Waiter{Ticket: 2, JobID: "2"}) {
		t.Errorf("the waiting list is %v", ws)
	}
	w.queue(Meta{ID: "3"})
	w.state("3", Ready)
}

func TestRow01_QueueIsRefusedWhenTheLaneMoved(t *testing.T) {
	w := newWorld(t)
	stale, _ := Queue(w.enqueueFacts(Meta{ID: "2", Lane: lane}), w.now)
	w.queue(Meta{ID: "1", Lane: lane})
	w.refused("queueing on a lane read before another enqueue", stale)
}

func TestRow01_QueueWaitsForDependencies(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1"})
	stale, _ := Queue(w.enqueueFacts(Meta{ID: "2", DependsOn: []string{"1"}}), w.now)
	w.queue(Meta{ID: "3", DependsOn: []string{"1"}})
	w.state("3", Blocked)
	w.must(Cancel(w.endFacts("1"), false, "me", w.now))
	w.refused("following a job that ended since it was read", stale)
	d := w.queue(Meta{ID: "4", DependsOn: []string{"1"}, Lane: lane})
	w.state("4", Canceled)
	w.holder("")
	if len(d.WakeUps) != 0 || w.meta("4").End.Reason != string(fault.DependencyFailed) {
		t.Errorf("got %v, %+v", d.WakeUps, w.meta("4").End)
	}
	w.queue(Meta{ID: "5", DependsOn: []string{"1"}, AllowFailure: []string{"1"}})
	w.state("5", Ready)
}

func TestRow02_SingletonReplacesAndTakesANewTicket(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "S1", Lane: lane, Singleton: "s"})
	w.queue(Meta{ID: "2", Lane: lane})
	d := w.queue(Meta{ID: "S3", Lane: lane, Singleton: "s", DependsOn: []string{"2"}})
	w.state("S1", Canceled)
	w.holder("2")
	w.state("2", Ready)
	w.state("S3", Blocked)
	if ws := w.waiters(lane); len(ws) != 1 || ws[0].JobID != "S3" {
		t.Errorf("the waiting list is %v", ws)
	}
	if !slices.Contains(d.WakeUps, WakeUp{JobID: "2", Pool: "pool"}) {
		t.Errorf("the promoted job was not announced: %v", d.WakeUps)
	}
}

func TestRow02_SingletonLeavesAClaimedJobAlone(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "S1", Singleton: "s"})
	stale, _ := Queue(w.enqueueFacts(Meta{ID: "S2", Singleton: "s"}), w.now)
	w.claimed("S1", runnerA)
	w.refused("replacing a job that was claimed since it was read", stale)
	w.queue(Meta{ID: "S2", Singleton: "s"})
	w.state("S1", Running)
	w.state("S2", Ready)
}

func TestRow03_ReadyOwesAWakeUp(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1"})
	m := w.meta("1")
	if want := w.now.Add(WakeAgain).UnixMilli(); m.WakeDue != want || m.Due != want {
		t.Errorf("wake due %d, due %d, want %d", m.WakeDue, m.Due, want)
	}
	d := w.queue(Meta{ID: "2", Local: true, Target: Target{RunnerID: "cli"}})
	if len(d.WakeUps) != 0 || w.meta("2").ClaimBy != w.now.Add(LocalClaim).UnixMilli() {
		t.Errorf("a local job: wake-ups %v, claim by %d", d.WakeUps, w.meta("2").ClaimBy)
	}
}

func TestRow04_ClaimReady(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	late := Claim(w.claimFacts("1", "late"), runnerB, w.now)
	g := w.claim("1", runnerA)
	if g.Answer != Claimed || g.Lease.Attempt != 1 || g.LaneFence != 1 {
		t.Errorf("got %+v", g)
	}
	w.refused("a claim that lost the race", late.Decision)
	w.state("1", Running)
	if l := w.lease("1"); !l.Live || l.Attempt != 1 || l.Until != w.now.Add(LeaseTime).UnixMilli() || l.RunnerID != "A" {
		t.Errorf("the lease is %+v", l)
	}
	m := w.meta("1")
	if m.WakeDue != 0 || m.Due == 0 {
		t.Errorf("wake due %d, due %d", m.WakeDue, m.Due)
	}
}

func TestRow04_ClaimMustFitTheTarget(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Target: Target{Labels: map[string]string{"arch": "arm"}}})
	w.queue(Meta{ID: "2", Target: Target{RunnerID: "B"}})
	arm := Runner{ID: "C", Projects: Projects{All: true}, Labels: map[string]string{"arch": "arm", "x": "y"}, Standing: true}
	cli := Runner{ID: "D", Projects: Projects{All: true}, Labels: map[string]string{"arch": "arm"}}
	for name, c := range map[string]struct {
		job  string
		r    Runner
		want Answer
	}{
		"labels missing":           {"1", runnerA, NotReady},
		"labels held":              {"1", arm, Claimed},
		"a CLI's runner":           {"1", cli, NotReady},
		"another runner's job":     {"2", runnerA, NotReady},
		"the runner that it names": {"2", runnerB, Claimed},
	} {
		if g := Claim(w.claimFacts(c.job, "n"), c.r, w.now); g.Answer != c.want {
			t.Errorf("%s: answered %d, want %d", name, g.Answer, c.want)
		}
	}
}

func TestRow04_ClaimRepeatedGetsTheSameAnswer(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1"})
	w.must(Claim(w.claimFacts("1", "n"), runnerA, w.now).Decision)
	again := Claim(w.claimFacts("1", "n"), runnerA, w.now)
	if again.Answer != Repeated || again.Lease.Attempt != 1 {
		t.Errorf("got %+v", again)
	}
	w.must(again.Decision)
	if g := Claim(w.claimFacts("1", "n"), runnerB, w.now); g.Answer != Leased {
		t.Errorf("another runner with the same nonce: %d", g.Answer)
	}
	if g := Claim(w.claimFacts("1", "other"), runnerA, w.now); g.Answer != Leased {
		t.Errorf("the same runner with a new nonce: %d", g.Answer)
	}
}

func TestRow05_ClaimTakesOverALapsedLease(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	w.claimed("1", runnerA)
	w.pass(LeaseTime + Skew)
	if g := w.claim("1", runnerB); g.Answer != Leased {
		t.Errorf("within the margin: answered %d", g.Answer)
	}
	w.pass(time.Millisecond)
	stale := Claim(w.claimFacts("1", "b"), runnerB, w.now)
	w.must(Renew("1", 1, "token-a", w.now))
	w.refused("taking over a lease that was renewed since it was read", stale.Decision)
	w.pass(LeaseTime + Skew + time.Millisecond)
	g := w.claim("1", runnerB)
	if g.Answer != Claimed || g.Lease.Attempt != 2 || g.LaneFence != 2 || w.meta("1").Lost != 1 {
		t.Errorf("got %+v", g)
	}
	w.refused("a renewal of the old attempt", Renew("1", 1, "token-a", w.now))
}

func TestRow05_ClaimSparesLeasesAfterAnAbsence(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1"})
	w.claimed("1", runnerA)
	w.pass(time.Hour)
	f := w.claimFacts("1", "b")
	f.Spared = true
	if g := Claim(f, runnerB, w.now); g.Answer != Leased || !g.Decision.Empty() {
		t.Errorf("got %+v", g)
	}
	w.must(Renew("1", 1, "token-a", w.now))
}

func TestRow05a_ClaimEndsAJobThatIsToBeCanceled(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	w.queue(Meta{ID: "2", Lane: lane})
	w.claimed("1", runnerA)
	w.must(Cancel(w.endFacts("1"), false, "me", w.now))
	w.pass(LeaseTime + Skew + time.Second)
	if g := w.claim("1", runnerB); g.Answer != Over {
		t.Errorf("answered %d", g.Answer)
	}
	w.state("1", Canceled)
	w.state("2", Ready)
	w.holder("2")
}

func TestRow05b_ClaimEndsAJobWithACutStep(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1"})
	a := w.claimed("1", runnerA)
	w.must(BeginStep("1", a, "token-a", Step{Name: "deploy", Rerunnable: false}, w.now))
	w.pass(LeaseTime + Skew + time.Second)
	if g := w.claim("1", runnerB); g.Answer != Leased || g.RetryAfter < LostAfter-10*time.Second {
		t.Errorf("its own runner had no time to come back: %+v", g)
	}
	w.pass(LostAfter)
	if g := w.claim("1", runnerB); g.Answer != Over {
		t.Errorf("answered %d", g.Answer)
	}
	w.state("1", Failed)
	if e := w.meta("1").End; e.Reason != string(fault.RunnerLost) || e.Step != "deploy" {
		t.Errorf("it ended with %+v", e)
	}
}

func TestRow05b_ClaimResumesWhatMayBeRunAgain(t *testing.T) {
	for name, steps := range map[string]func(w *world){
		"a re-runnable step was cut": func(w *world) { w.must(BeginStep("1", 1, "token-a", Step{Name: "build", Rerunnable: true}, w.now)) },
		"the step had ended": func(w *world) {
			w.must(BeginStep("1", 1, "token-a", Step{Name: "deploy", Rerunnable: false}, w.now))
			w.must(EndStep("1", 1, "token-a", "deploy", "D1", w.now))
		},
	} {
		w := newWorld(t)
		w.queue(Meta{ID: "1"})
		w.claimed("1", runnerA)
		steps(w)
		w.pass(LeaseTime + Skew + time.Second)
		if g := w.claim("1", runnerB); g.Answer != Claimed {
			t.Errorf("%s: answered %d", name, g.Answer)
		}
	}
}

func TestRow05b_TheThirdLostRunnerFailsTheJob(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1"})
	for range MaxLost {
		w.claimed("1", runnerA)
		w.pass(LeaseTime + Skew + time.Second)
	}
	if g := w.claim("1", runnerB); g.Answer != Over {
		t.Errorf("answered %d", g.Answer)
	}
	w.state("1", Failed)
}

func TestRow05c_ClaimOfAnEndedOrBlockedJob(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	w.queue(Meta{ID: "2", Lane: lane})
	if g := w.claim("2", runnerA); g.Answer != NotReady || !g.Decision.Empty() {
		t.Errorf("blocked: %+v", g)
	}
	w.must(Cancel(w.endFacts("1"), false, "me", w.now))
	if g := w.claim("1", runnerA); g.Answer != Over || !g.Decision.Empty() {
		t.Errorf("ended: %+v", g)
	}
}

// fencedWrites are all writes of a runner for attempt 1 of job 1.
func fencedWrites(w *world, owner string) map[string]Decision {
	return map[string]Decision{
		"renew":      Renew("1", 1, owner, w.now),
		"begin step": BeginStep("1", 1, owner, Step{Name: "s", Rerunnable: true}, w.now),
		"end step":   EndStep("1", 1, owner, "s0", "", w.now),
		"output":     AppendOutput("1", 1, owner, w.lease("1").NextOutput, Step{}, w.now),
		"complete":   Complete(EndFacts{Meta: withState(w.meta("1"), Running), Lease: w.lease("1"), Lane: w.view(w.meta("1"))}, 1, owner, nil, 0, w.now),
		"hand back":  HandBack(EndFacts{Meta: withState(w.meta("1"), Running), Lease: w.lease("1"), Lane: w.view(w.meta("1"))}, 1, owner, w.now),
	}
}

func withState(m Meta, s State) Meta {
	m.State = s
	return m
}

func TestRow06_FencedWritesNeedTheCurrentAttemptOfARunningJob(t *testing.T) {
	for name, spoil := range map[string]func(w *world) string{
		"ended by force": func(w *world) string { w.must(Cancel(w.endFacts("1"), true, "me", w.now)); return "token-a" },
		"requeued by the sweep": func(w *world) string {
			w.pass(LeaseTime + Skew + time.Second)
			w.must(ExpireLease(w.claimFacts("1", ""), w.now))
			w.state("1", Ready)
			return "token-a"
		},
		"claimed by another": func(w *world) string {
			w.pass(LeaseTime + Skew + time.Second)
			w.claimed("1", runnerB)
			return "token-a"
		},
		"completed": func(w *world) string {
			w.must(Complete(w.endFacts("1"), 1, "token-a", nil, 0, w.now))
			return "token-a"
		},
		"handed back":           func(w *world) string { w.must(HandBack(w.endFacts("1"), 1, "token-a", w.now)); return "token-a" },
		"somebody else's token": func(*world) string { return "token-b" },
	} {
		w := newWorld(t)
		w.queue(Meta{ID: "1", Lane: lane})
		w.claimed("1", runnerA)
		w.must(BeginStep("1", 1, "token-a", Step{Name: "s0", Rerunnable: true}, w.now))
		owner := spoil(w)
		for write, d := range fencedWrites(w, owner) {
			w.refused(name+": "+write, d)
		}
	}
}

func TestRow06_ALapsedLeaseMayBeRenewedByItsOwnAttempt(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1"})
	w.claimed("1", runnerA)
	w.pass(time.Hour)
	w.must(Renew("1", 1, "token-a", w.now))
	if g := w.claim("1", runnerB); g.Answer != Leased {
		t.Errorf("answered %d", g.Answer)
	}
}

func TestRow07_StepBeginIsRecordedAndRenews(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1"})
	w.claimed("1", runnerA)
	w.pass(20 * time.Second)
	w.must(BeginStep("1", 1, "token-a", Step{Name: "deploy", Rerunnable: false}, w.now))
	if s, cut := Cut(w.steps("1")); !cut || s.Name != "deploy" {
		t.Errorf("steps %+v", w.steps("1"))
	}
	if got, want := w.lease("1").Until, w.now.Add(LeaseTime).UnixMilli(); got != want {
		t.Errorf("the lease ends at %d, want %d: a sweep could decide without seeing the step", got, want)
	}
}

func TestRow08_StepEndNeedsItsOwnBegin(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1"})
	w.claimed("1", runnerA)
	w.refused("an end without a begin", EndStep("1", 1, "token-a", "deploy", "", w.now))
	w.must(BeginStep("1", 1, "token-a", Step{Name: "deploy", Rerunnable: false}, w.now))
	w.must(EndStep("1", 1, "token-a", "deploy", "D1", w.now))
	w.refused("a begin of a finished step", BeginStep("1", 1, "token-a", Step{Name: "deploy", Rerunnable: false}, w.now))
	if _, cut := Cut(w.steps("1")); cut {
		t.Error("a finished step counts as cut")
	}
}

func TestLease_ReadableGivesEachStepsOutputOnce(t *testing.T) {
	l := Lease{NextOutput: 20, Superseded: []Positions{{From: 2, To: 5}, {From: 9, To: 20}}}
	for _, c := range []struct{ at, start, stop int64 }{
		{0, 0, 2}, {1, 1, 2}, {2, 5, 9}, {4, 5, 9}, {5, 5, 9}, {8, 8, 9}, {9, 20, 20}, {20, 20, 20}, {25, 25, 25},
	} {
		if start, stop := l.Readable(c.at); start != c.start || stop != c.stop {
			t.Errorf("at %d: from %d to %d, want %d to %d", c.at, start, stop, c.start, c.stop)
		}
	}
	if start, stop := (Lease{NextOutput: 3}).Readable(1); start != 1 || stop != 3 {
		t.Errorf("without a resumption: from %d to %d", start, stop)
	}
}

func TestRow05_AnAttemptSupersedesWhatItMakesAgain(t *testing.T) {
	for name, c := range map[string]struct {
		// each attempt's lines, and before which line its build ended (-1: it did not; -2: nor was it begun)
		lines, ended []int
		want         []Positions
	}{
		"nothing was written":           {[]int{0}, []int{-1}, nil},
		"nothing had ended":             {[]int{3}, []int{-1}, []Positions{{0, 3}}},
		"nothing had ended, two times":  {[]int{3, 1}, []int{-1, -1}, []Positions{{0, 4}}},
		"a step had ended, no more":     {[]int{3}, []int{3}, nil},
		"a step had ended":              {[]int{3}, []int{2}, []Positions{{2, 3}}},
		"a step ended after a cut":      {[]int{3, 4}, []int{-1, 2}, []Positions{{0, 3}, {5, 7}}},
		"a cut after a step that ended": {[]int{3, 4}, []int{1, -2}, []Positions{{1, 7}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.queue(Meta{ID: "1"})
			for i, lines := range c.lines {
				attempt := int64(i + 1)
				w.claimed("1", runnerA)
				if c.ended[i] != -2 {
					w.must(BeginStep("1", attempt, "token-a", Step{Name: "build", Rerunnable: true}, w.now))
				}
				for line := range lines + 1 {
					if line == c.ended[i] {
						w.must(EndStep("1", attempt, "token-a", "build", "", w.now))
					}
					if line < lines {
						w.must(AppendOutput("1", attempt, "token-a", w.lease("1").NextOutput, Step{}, w.now))
					}
				}
				if c.ended[i] >= 0 {
					w.must(BeginStep("1", attempt, "token-a", Step{Name: "push", Rerunnable: true}, w.now))
				}
				w.pass(LeaseTime + Skew + time.Second)
			}
			w.claimed("1", runnerA)
			if got := w.lease("1").Superseded; !slices.Equal(got, c.want) {
				t.Errorf("superseded %v, want %v", got, c.want)
			}
		})
	}
}

func TestRow09_OutputHasNoGapAndNoRepeat(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1"})
	w.claimed("1", runnerA)
	w.must(AppendOutput("1", 1, "token-a", 0, Step{Name: "x"}, w.now))
	w.refused("a repeat", AppendOutput("1", 1, "token-a", 0, Step{Name: "x"}, w.now))
	w.refused("a gap", AppendOutput("1", 1, "token-a", 2, Step{Name: "x"}, w.now))
	w.must(AppendOutput("1", 1, "token-a", 1, Step{Name: "y"}, w.now))
	w.pass(LeaseTime + Skew + time.Second)
	if g := w.claim("1", runnerB); g.Lease.NextOutput != 2 {
		t.Errorf("the next attempt appends at %d, want 2", g.Lease.NextOutput)
	}
}

func TestRow10_CompleteEndsOnceAndPassesTheLaneOn(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	w.queue(Meta{ID: "2", Lane: lane})
	w.claimed("1", runnerA)
	w.must(AppendOutput("1", 1, "token-a", 0, Step{}, w.now))
	w.refused("a completion with output in flight", Complete(w.endFacts("1"), 1, "token-a", nil, 2, w.now))
	f := w.endFacts("1")
	d := w.must(Complete(f, 1, "token-a", nil, 1, w.now))
	w.state("1", Succeeded)
	w.state("2", Ready)
	w.holder("2")
	if !slices.Contains(d.WakeUps, WakeUp{JobID: "2", Pool: "pool"}) {
		t.Errorf("wake-ups %v", d.WakeUps)
	}
	w.refused("a second completion", Complete(f, 1, "token-a", nil, 1, w.now))
	if m := w.meta("1"); m.EndedBy != 1 || m.Due != 0 {
		t.Errorf("ended by %d, due %d", m.EndedBy, m.Due)
	}
}

func TestRow10_EndIsRefusedWhenTheLaneMoved(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	w.claimed("1", runnerA)
	stale := Complete(w.endFacts("1"), 1, "token-a", nil, 0, w.now)
	w.queue(Meta{ID: "2", Lane: lane})
	w.refused("an end that did not see the new waiter", stale)
	w.must(Complete(w.endFacts("1"), 1, "token-a", nil, 0, w.now))
	w.state("2", Ready)
}

func TestRow10_AWaiterWithAnUnfinishedDependencyHoldsTheLaneBlocked(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	w.queue(Meta{ID: "dep"})
	w.queue(Meta{ID: "2", Lane: lane, DependsOn: []string{"dep"}})
	w.queue(Meta{ID: "3", Lane: lane})
	w.claimed("1", runnerA)
	w.must(Complete(w.endFacts("1"), 1, "token-a", nil, 0, w.now))
	w.holder("2")
	w.state("2", Blocked)
	w.state("3", Blocked)
	w.claimed("dep", runnerB)
	d := w.must(Complete(w.endFacts("dep"), 1, "token-b", nil, 0, w.now))
	if !slices.Contains(d.Dependents, "dep") {
		t.Errorf("the end of a job with dependents owes them nothing: %+v", d)
	}
	w.must(Advance(w.advanceFacts("2"), w.now))
	w.state("2", Ready)
}

func TestRow11_HandBackKeepsTheLane(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	w.queue(Meta{ID: "2", Lane: lane})
	w.claimed("1", runnerA)
	d := w.must(HandBack(w.endFacts("1"), 1, "token-a", w.now))
	w.state("1", Ready)
	w.holder("1")
	if !slices.Contains(d.WakeUps, WakeUp{JobID: "1", Pool: "pool"}) {
		t.Errorf("wake-ups %v", d.WakeUps)
	}
	if a := w.claimed("1", runnerB); a != 2 || w.meta("1").Lost != 0 {
		t.Errorf("attempt %d, lost %d", a, w.meta("1").Lost)
	}
}

func TestRow11_HandBackOfAJobThatIsToBeCanceledEndsIt(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	w.claimed("1", runnerA)
	stale := HandBack(w.endFacts("1"), 1, "token-a", w.now)
	w.must(Cancel(w.endFacts("1"), false, "me", w.now))
	w.refused("a hand-back that did not see the cancel request", stale)
	w.must(HandBack(w.endFacts("1"), 1, "token-a", w.now))
	w.state("1", Canceled)
	w.holder("")
}

// An attempt whose runner was killed is decided as one whose lease is over, without the wait.
func TestRow11_AnAttemptThatIsReportedLost(t *testing.T) {
	begin := func(rerunnable bool) func(w *world) {
		return func(w *world) {
			w.must(BeginStep("1", 1, "token-a", Step{Name: "deploy", Rerunnable: rerunnable}, w.now))
		}
	}
	for name, c := range map[string]struct {
		job    Meta
		before func(w *world)
		want   State
		reason fault.Reason
		step   string
	}{
		"between two steps":           {Meta{}, func(*world) {}, Ready, "", ""},
		"in a step that may be cut":   {Meta{}, begin(true), Ready, "", ""},
		"in one that may not":         {Meta{}, begin(false), Failed, fault.RunnerLost, "deploy"},
		"a local job":                 {Meta{Local: true, Target: Target{RunnerID: "A"}}, func(*world) {}, Failed, fault.RunnerLost, ""},
		"a job that is to be stopped": {Meta{}, func(w *world) { w.must(Cancel(w.endFacts("1"), false, "me", w.now)) }, Canceled, fault.Canceled, ""},
		"a job that kills runners":    {Meta{Lost: MaxLost - 1}, func(*world) {}, Failed, fault.RunnerLost, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.job.ID, c.job.Lane = "1", lane
			w.queue(c.job)
			w.queue(Meta{ID: "2", Lane: lane})
			w.claimed("1", runnerA)
			c.before(w)
			w.refused("another runner's report", HandBackLost(w.claimFacts("1", ""), 1, "token-b", w.now))
			d := w.must(HandBackLost(w.claimFacts("1", ""), 1, "token-a", w.now))
			w.state("1", c.want)
			if got := d.StateOf("1"); got != c.want {
				t.Errorf("the decision says %s", got)
			}
			m := w.meta("1")
			if m.End.Reason != string(c.reason) || m.End.Step != c.step {
				t.Errorf("it ended with %+v", m.End)
			}
			w.refused("a write of the lost attempt", Renew("1", 1, "token-a", w.now))
			if c.want != Ready {
				w.state("2", Ready)
				return
			}
			w.holder("1")
			if m.Lost != c.job.Lost+1 || !slices.Contains(d.WakeUps, WakeUp{JobID: "1", Pool: "pool"}) {
				t.Errorf("lost %d, wake-ups %v", m.Lost, d.WakeUps)
			}
			if a := w.claimed("1", runnerB); a != 2 {
				t.Errorf("attempt %d", a)
			}
		})
	}
}

// The runner may have had a write under way when it was killed: what it began is seen before anything is decided.
func TestRow11_AReportSeesTheLastWriteOfTheLostAttempt(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	w.claimed("1", runnerA)
	w.pass(time.Second)
	stale := HandBackLost(w.claimFacts("1", ""), 1, "token-a", w.now)
	w.must(BeginStep("1", 1, "token-a", Step{Name: "deploy"}, w.now))
	w.refused("a report that did not see the begin of a step", stale)
	w.must(HandBackLost(w.claimFacts("1", ""), 1, "token-a", w.now))
	w.state("1", Failed)
}

func TestRow12_CancelOfAQueuedJob(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	w.queue(Meta{ID: "2", Lane: lane})
	w.queue(Meta{ID: "3", Lane: lane})
	w.must(Cancel(w.endFacts("2"), false, "me", w.now))
	w.state("2", Canceled)
	stale := Cancel(w.endFacts("1"), false, "me", w.now)
	w.claimed("1", runnerA)
	w.refused("a cancel of a READY job that was claimed since", stale)
	w.must(Complete(w.endFacts("1"), 1, "token-a", nil, 0, w.now))
	w.holder("3")
	w.state("3", Ready)
}

func TestRow12_CancelOfAWaiterThatWasPromotedSince(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "dep"})
	w.queue(Meta{ID: "1", Lane: lane})
	w.queue(Meta{ID: "2", Lane: lane, DependsOn: []string{"dep"}})
	stale := Cancel(w.endFacts("2"), false, "me", w.now)
	w.must(Cancel(w.endFacts("1"), false, "me", w.now))
	w.holder("2")
	w.refused("ending a holder as if it only waited", stale)
	w.must(Cancel(w.endFacts("2"), false, "me", w.now))
	w.holder("")
}

func TestRow13_CancelOfARunningJobAsks(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1"})
	w.claimed("1", runnerA)
	w.must(Cancel(w.endFacts("1"), false, "me", w.now))
	w.state("1", Running)
	if w.lease("1").CancelRequested == 0 {
		t.Error("nothing was asked")
	}
	w.must(Renew("1", 1, "token-a", w.now))
	w.must(Complete(w.endFacts("1"), 1, "token-a", nil, 0, w.now))
	w.state("1", Succeeded)
	if d := Cancel(w.endFacts("1"), true, "me", w.now); !d.Empty() {
		t.Errorf("a cancel of an ended job does something: %+v", d)
	}
}

func TestRow14_ForceEndsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	w.queue(Meta{ID: "2", Lane: lane})
	w.claimed("1", runnerA)
	w.must(Cancel(w.endFacts("1"), true, "me", w.now))
	w.state("1", Canceled)
	w.holder("2")
	if g := w.claim("1", runnerB); g.Answer != Over {
		t.Errorf("the forced job was offered again: %d", g.Answer)
	}
}

func TestRow15_SweepRequeuesALostJobAndKeepsItsLane(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	w.queue(Meta{ID: "2", Lane: lane})
	w.claimed("1", runnerA)
	w.pass(LeaseTime + Skew + time.Second)
	stale := ExpireLease(w.claimFacts("1", ""), w.now)
	w.must(Renew("1", 1, "token-a", w.now))
	w.refused("a sweep that did not see the renewal", stale)
	w.must(ExpireLease(w.claimFacts("1", ""), w.now))
	w.state("1", Running)
	w.pass(LeaseTime + Skew + time.Second)
	d := w.must(ExpireLease(w.claimFacts("1", ""), w.now))
	w.state("1", Ready)
	w.holder("1")
	w.state("2", Blocked)
	if !slices.Contains(d.WakeUps, WakeUp{JobID: "1", Pool: "pool"}) {
		t.Errorf("wake-ups %v", d.WakeUps)
	}
}

func TestRow15_SweepEndsWhatNobodyCanResume(t *testing.T) {
	for name, c := range map[string]struct {
		job    Meta
		before func(w *world)
		want   State
		reason fault.Reason
		after  time.Duration
	}{
		"to be canceled": {Meta{}, func(w *world) { w.must(Cancel(w.endFacts("1"), false, "me", w.now)) }, Canceled, fault.Canceled, 0},
		"a cut step":     {Meta{}, func(w *world) { w.must(BeginStep("1", 1, "token-a", Step{Name: "deploy", Rerunnable: false}, w.now)) }, Failed, fault.RunnerLost, LostAfter},
		"a local job":    {Meta{Local: true, Target: Target{RunnerID: "A"}}, func(*world) {}, Failed, fault.RunnerLost, LostAfter},
	} {
		w := newWorld(t)
		c.job.ID, c.job.Lane = "1", lane
		w.queue(c.job)
		w.queue(Meta{ID: "2", Lane: lane})
		w.claimed("1", runnerA)
		c.before(w)
		w.pass(LeaseTime + Skew + time.Second)
		if c.after > 0 {
			w.must(ExpireLease(w.claimFacts("1", ""), w.now))
			w.state("1", Running)
			w.pass(c.after)
		}
		w.must(ExpireLease(w.claimFacts("1", ""), w.now))
		w.state("1", c.want)
		w.state("2", Ready)
		if got := w.meta("1").End.Reason; got != string(c.reason) {
			t.Errorf("%s: reason %s, want %s", name, got, c.reason)
		}
	}
}

// The sweep looks at a running job when something is decided, so that the minute until its next run is not lost twice.
func TestRow15_TheNextLookIsWhenTheDecisionFalls(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane, Local: true, Target: Target{RunnerID: "A"}})
	w.claimed("1", runnerA)
	due := func(what string, after time.Duration) {
		t.Helper()
		if got := time.UnixMilli(w.meta("1").Due).Sub(time.UnixMilli(w.lease("1").Until)); got != after+time.Millisecond {
			t.Errorf("%s: it is due %s after the lease, not %s", what, got, after)
		}
	}
	due("claimed", Skew)
	w.pass(20 * time.Second)
	w.must(Renew("1", 1, "token-a", w.now))
	w.pass(16 * time.Second)
	if d := w.must(ExpireLease(w.claimFacts("1", ""), w.now)); d.DecideAt != 0 {
		t.Error("a job whose lease is good has no fate yet")
	}
	due("renewed", Skew)
	w.now = time.UnixMilli(w.meta("1").Due)
	lost := w.lease("1").lostAt()
	if d := w.must(ExpireLease(w.claimFacts("1", ""), w.now)); d.DecideAt != lost {
		t.Errorf("the decision is due at %d, not at %d", d.DecideAt, lost)
	}
	due("silent", Skew+LostAfter-SweepEvery)
	for range 2 { // each run of the last minute sees when the decision falls
		w.now = time.UnixMilli(w.meta("1").Due).Add(20 * time.Second)
		if d := w.must(ExpireLease(w.claimFacts("1", ""), w.now)); d.DecideAt != lost {
			t.Errorf("the decision is due at %d, not at %d", d.DecideAt, lost)
		}
	}
	w.now = time.UnixMilli(lost)
	w.must(ExpireLease(w.claimFacts("1", ""), w.now))
	w.state("1", Failed)
}

// Everything is killed at a moment when the lease was just renewed, and only the server comes back. Whenever in its minute
// the sweep runs, the job ends, and its lane is free, within 160 s.
func TestRow15_ASilentJobEndsWithin160Seconds(t *testing.T) {
	for offset := time.Duration(0); offset < SweepEvery; offset += time.Second {
		w := newWorld(t)
		w.queue(Meta{ID: "1", Lane: lane, Local: true, Target: Target{RunnerID: "A"}})
		w.claimed("1", runnerA)
		killed := w.now
		w.pass(offset)
		for w.meta("1").State == Running {
			next := w.now.Add(SweepEvery)
			if w.meta("1").Due <= w.now.UnixMilli() {
				d := w.must(ExpireLease(w.claimFacts("1", ""), w.now))
				if fate := time.UnixMilli(d.DecideAt); d.DecideAt != 0 && fate.Before(next) { // as the local server and the function do
					next = fate
				}
			}
			if w.meta("1").State == Running {
				w.now = next
			}
		}
		if took := w.now.Sub(killed); took > 160*time.Second {
			t.Errorf("a sweep %s after the kill: the job ended after %s", offset, took)
		}
	}
}

func TestRow16_SweepWakesAgainAndWaitsLonger(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1"})
	if d := WakeAgainIfDue(w.meta("1"), "pool", w.now); !d.Empty() {
		t.Error("it was announced before it was due")
	}
	var waits []time.Duration
	for range 6 {
		w.pass(time.UnixMilli(w.meta("1").WakeDue).Sub(w.now))
		d := w.must(WakeAgainIfDue(w.meta("1"), "pool", w.now))
		if !slices.Contains(d.WakeUps, WakeUp{JobID: "1", Pool: "pool"}) {
			t.Fatalf("wake-ups %v", d.WakeUps)
		}
		waits = append(waits, time.Duration(w.meta("1").WakeDue-w.now.UnixMilli())*time.Millisecond)
	}
	if want := []time.Duration{2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute, 15 * time.Minute}; !slices.Equal(waits, want) {
		t.Errorf("waits %v, want %v", waits, want)
	}
	d := w.must(WakeAgainIfDue(w.meta("1"), "other", w.now))
	if !slices.Contains(d.WakeUps, WakeUp{JobID: "1", Pool: "other"}) || w.meta("1").Pool != "other" {
		t.Errorf("it was not routed to the other pool: %v", d.WakeUps)
	}
	stale := WakeAgainIfDue(w.meta("1"), "pool", w.now)
	w.claimed("1", runnerA)
	w.refused("a wake-up of a job that was claimed", stale)
}

// A CLI that waits for its lane says each minute that it lives. The place of one that does not is given up: it would block
// those behind it, and, once the lane was its own, for half a minute more.
func TestRow17_ACLIThatDiedWhileItWaited(t *testing.T) {
	for _, state := range []State{Blocked, Ready} {
		w := newWorld(t)
		if state == Blocked {
			w.queue(Meta{ID: "1", Lane: lane})
		}
		w.queue(Meta{ID: "2", Lane: lane, Local: true, Target: Target{RunnerID: "cli"}})
		seen := w.now.UnixMilli()
		facts := func() EndFacts {
			f := w.endFacts("2")
			f.Seen, f.Meta.ClaimBy = seen, 0
			return f
		}
		w.state("2", state)
		w.pass(OnlineFor)
		if d := Expire(facts(), w.now); !d.Empty() {
			t.Errorf("%s: given up too early", state)
		}
		if state == Blocked {
			d := w.must(PostponeLook(w.meta("2"), seen, w.now))
			if want := w.now.UnixMilli() + 1; w.meta("2").Due != want || d.DecideAt != want {
				t.Errorf("it is due at %d with its decision at %d, not at %d", w.meta("2").Due, d.DecideAt, want)
			}
		}
		w.pass(time.Millisecond)
		alive := facts()
		alive.Seen = w.now.UnixMilli()
		if d := Expire(alive, w.now); !d.Empty() {
			t.Errorf("%s: a CLI that was seen just now was given up", state)
		}
		w.must(Expire(facts(), w.now))
		w.state("2", Canceled)
	}
}

func TestRow17_Expiry(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane, ExpiresAt: w.now.Add(time.Minute).UnixMilli()})
	w.queue(Meta{ID: "2", Lane: lane, Local: true, Target: Target{RunnerID: "A"}})
	w.pass(LocalClaim * 2)
	if d := Expire(w.endFacts("2"), w.now); !d.Empty() {
		t.Error("a local job that waits for its lane was expired")
	}
	if d := Expire(w.endFacts("1"), w.now); !d.Empty() {
		t.Error("it was expired before its time")
	}
	w.pass(time.Millisecond)
	w.must(Expire(w.endFacts("1"), w.now))
	w.state("1", Canceled)
	w.state("2", Ready)
	w.pass(LocalClaim + time.Millisecond)
	stale := Expire(w.endFacts("2"), w.now)
	w.claimed("2", runnerA)
	w.refused("an expiry of a job that was claimed", stale)
	w.must(HandBack(w.endFacts("2"), 1, "token-a", w.now))
	w.pass(LocalClaim + time.Millisecond)
	w.must(Expire(w.endFacts("2"), w.now))
	w.state("2", Failed)
	if got := w.meta("2").End.Reason; got != string(fault.RunnerLost) {
		t.Errorf("reason %s", got)
	}
}

func TestRow18_Advance(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "dep"})
	w.queue(Meta{ID: "2", DependsOn: []string{"dep"}})
	w.queue(Meta{ID: "3", DependsOn: []string{"2"}, Lane: lane})
	if d := Advance(w.advanceFacts("2"), w.now); !d.Empty() {
		t.Error("a job advanced before its dependency ended")
	}
	w.must(Cancel(w.endFacts("dep"), false, "me", w.now))
	d := w.must(Advance(w.advanceFacts("2"), w.now))
	w.state("2", Canceled)
	if !slices.Contains(d.Dependents, "2") {
		t.Errorf("the next in the chain is owed nothing: %+v", d)
	}
	w.must(Advance(w.advanceFacts("3"), w.now))
	w.state("3", Canceled)
	w.holder("")
	w.must(Settled(w.meta("2")))
	if due := w.meta("2").Due; due != 0 {
		t.Errorf("a settled job is still due at %d", due)
	}
}

func TestRow18_AdvanceTakesAFreeLaneForTheLowestTicketOnly(t *testing.T) {
	w := newWorld(t)
	w.queue(Meta{ID: "1", Lane: lane})
	w.queue(Meta{ID: "2", Lane: lane})
	w.queue(Meta{ID: "3", Lane: lane})
	delete(w.items[laneOf(lane)], fieldHolder)
	if d := Advance(w.advanceFacts("3"), w.now); !d.Empty() {
		t.Error("the later ticket took the lane")
	}
	stale := Advance(w.advanceFacts("2"), w.now)
	w.queue(Meta{ID: "4", Lane: lane})
	w.refused("taking a lane that moved since it was read", stale)
}

// A runner that does not renew is said to be silent as soon as its lease has lapsed, long before the job is taken over.
func TestWhyNot_SilentRunner(t *testing.T) {
	now := time.UnixMilli(1_000_000_000)
	w := Waiting{
		Meta:  Meta{ID: "j", State: Running, RunnerName: "r", Attempt: 1},
		Lease: &Lease{Attempt: 1, Live: true, Until: now.Add(-3 * time.Second).UnixMilli()},
	}
	r, ok := WhyNot(w, now)
	if !ok || r.Reason != fault.RunnerSilent || !strings.Contains(r.Message, "r has not been heard from for 33 s") {
		t.Fatalf("%v %+v", ok, r)
	}
	w.Lease.Until = now.Add(-time.Second).UnixMilli()
	if r, ok := WhyNot(w, now); ok {
		t.Fatalf("a late renewal is already a reason: %+v", r)
	}
}

// What is promised of a job whose runner is silent is what happens then.
func TestWhyNot_WhatBecomesOfASilentRunnersJob(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	lease := Lease{Live: true, Until: now.Add(-20 * time.Second).UnixMilli()}
	toStop := lease
	toStop.CancelRequested = 1
	online := []RunnerView{{ID: "other", Projects: Projects{All: true}, Seen: now.UnixMilli()}}
	gone := []RunnerView{
		{ID: lease.RunnerID, Projects: Projects{All: true}, Seen: now.UnixMilli()},
		{ID: "bound", Projects: Projects{Names: []string{"blog"}}, Seen: now.UnixMilli()},
		{ID: "offline", Projects: Projects{All: true}, Seen: now.Add(-time.Hour).UnixMilli()},
	}
	deploy := []Step{{Name: "build", EndedAt: 1, Rerunnable: true}, {Name: "deploy"}}
	for want, w := range map[string]Waiting{
		"another runner takes the job over soon":                                                          {Meta: Meta{State: Running}, Lease: &lease, Runners: online},
		"no other runner is online, so the job waits until this one comes back or another one is started": {Meta: Meta{State: Running}, Lease: &lease, Runners: gone},
		"if it does not come back within 105 s, the job fails: step \"deploy\" cannot be run twice":       {Meta: Meta{State: Running}, Lease: &lease, Steps: deploy},
		"if it does not come back within 105 s, the job fails, since nobody else can reach its source":    {Meta: Meta{State: Running, Local: true}, Lease: &lease},
		"the job was to be canceled and ends so soon":                                                     {Meta: Meta{State: Running}, Lease: &toStop, Steps: deploy},
		"the job fails soon: it is the runner number 3 that was lost while it ran this job":               {Meta: Meta{State: Running, Lost: 2}, Lease: &lease},
	} {
		if r, ok := WhyNot(w, now); !ok || !strings.HasSuffix(r.Message, "; "+want) {
			t.Errorf("got %q, want %q", r.Message, want)
		}
	}
}

// When the only runner of the pool has lost a lease, the job that waits has no runner, although the pool was seen lately.
func TestWhyNot_PoolSeenButItsRunnersSilent(t *testing.T) {
	now := time.UnixMilli(1_000_000_000)
	w := Waiting{
		Meta:    Meta{ID: "j", State: Ready, Pool: "p", ReadyAt: now.Add(-10 * time.Second).UnixMilli()},
		Pools:   []Pool{{Name: "p", Projects: Projects{All: true}, Seen: now.Add(-40 * time.Second).UnixMilli()}},
		Runners: []RunnerView{{ID: "r", Seen: 0}},
	}
	if r, _ := WhyNot(w, now); r.Reason != fault.NoRunner {
		t.Fatalf("%+v", r)
	}
}
