package jobs_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/functions/internal/storetest"
	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
	"github.com/waypoint-serverless/waypoint/localstack/enginetest"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/runners"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// installation is one, in memory, on engines whose clock and faults the test has in hand.
type installation struct {
	*storetest.World
	Clock  *enginetest.Clock
	Faults *dynamodb.Faults
}

func install(t testing.TB) *installation {
	e := enginetest.New(t)
	w := storetest.New(t, storetest.Engines{Config: e.Config, Tables: e.Tables, Remove: e.Faults == nil, Clock: e.Clock.Now})
	return &installation{World: w, Clock: e.Clock, Faults: e.Faults}
}

// site is a table with a project, an app and some runners.
type site struct {
	*installation
	t   *testing.T
	ctx context.Context
	n   int
}

// plainSealer marks what it sealed, so that a test sees what is stored in the clear.
type plainSealer struct{}

// everywhere is what a runner of all projects is bound to.
var everywhere = job.Projects{All: true}

func (plainSealer) Seal(_ context.Context, aad string, plain []byte) ([]byte, error) {
	out := []byte("sealed:" + aad + ":")
	for _, b := range plain {
		out = append(out, b^0x5a)
	}
	return out, nil
}

func (plainSealer) Open(_ context.Context, aad string, sealed []byte) ([]byte, error) {
	head := "sealed:" + aad + ":"
	if len(sealed) < len(head) || string(sealed[:len(head)]) != head {
		return nil, fmt.Errorf("sealed for another item")
	}
	var out []byte
	for _, b := range sealed[len(head):] {
		out = append(out, b^0x5a)
	}
	return out, nil
}

const owner = "01OWNER"

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{installation: install(t), t: t, ctx: context.Background()}
	s.put(store.ProjectMeta("p"))
	s.put(store.App("p", "a"))
	return s
}

func (s *site) put(k store.Key) {
	s.t.Helper()
	if err := s.DB.Put(s.ctx, k, struct {
		Name string `dynamodbav:"name"`
	}{"x"}); err != nil {
		s.t.Fatal(err)
	}
}

// runner registers a standing runner without labels; its token is named after it.
func (s *site) runner(labels map[string]string) runners.Runner {
	s.t.Helper()
	id := s.ID(s.t)
	r := runners.Runner{ID: id, Name: "runner", Labels: labels, Kind: int32(waypointv1.RunnerKind_RUNNER_KIND_STANDING),
		Pool: runners.PoolName(labels, everywhere), Owner: "token-" + id, Concurrency: 1}
	r, err := s.Runners.Put(s.ctx, r, "http://sqs.test/"+r.Pool)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *site) cli() runners.Runner {
	s.t.Helper()
	id := s.ID(s.t)
	r, err := s.Runners.Put(s.ctx, runners.Runner{ID: id, Name: "cli", Kind: int32(waypointv1.RunnerKind_RUNNER_KIND_CLI), Owner: owner}, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func up() *waypointv1.JobSpec {
	return &waypointv1.JobSpec{Project: "p", App: "a", Workspace: "default",
		Operation: &waypointv1.Operation{Operation: &waypointv1.Operation_Up{Up: &waypointv1.UpOp{}}}}
}

func noop() *waypointv1.JobSpec {
	s := up()
	s.Operation = &waypointv1.Operation{Operation: &waypointv1.Operation_Noop{Noop: &waypointv1.NoopOp{}}}
	return s
}

func local(r runners.Runner) *waypointv1.JobSpec {
	s := up()
	s.DataSource = &waypointv1.DataSource{Source: &waypointv1.DataSource_Local{Local: &waypointv1.LocalSource{}}}
	s.Target = &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: r.ID}}
	return s
}

// queue queues a job and returns its id; what it owes is not done.
func (s *site) queue(spec *waypointv1.JobSpec) string {
	s.t.Helper()
	q, err := s.Jobs.Queue(s.ctx, plainSealer{}, s.newJob(spec))
	if err != nil {
		s.t.Fatal(err)
	}
	return q.Meta.ID
}

func (s *site) newJob(spec *waypointv1.JobSpec) jobs.NewJob {
	return jobs.NewJob{ID: s.ID(s.t), Spec: spec, Owner: owner, QueuedBy: "me"}
}

// after makes a job depend on others.
func after(spec *waypointv1.JobSpec, ids ...string) *waypointv1.JobSpec {
	spec.DependsOn = ids
	return spec
}

func (s *site) state(id string, want job.State) {
	s.t.Helper()
	m, err := s.Jobs.Meta(s.ctx, id)
	if err != nil {
		s.t.Fatal(err)
	}
	if m.State != want {
		s.t.Errorf("the job is %s (%+v), want %s", m.State, m.End, want)
	}
}

// claim claims with a new nonce each time, as for each receipt of a message.
func (s *site) claim(id string, r runners.Runner) jobs.Claimed {
	s.t.Helper()
	s.n++
	c, err := s.Jobs.Claim(s.ctx, plainSealer{}, jobs.ClaimInput{JobID: id, RunnerID: r.ID, Nonce: fmt.Sprint("nonce", s.n), Owner: r.Owner, Projects: everywhere})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *site) claimed(id string, r runners.Runner) jobs.Fence {
	s.t.Helper()
	c := s.claim(id, r)
	if c.Grant.Answer != job.Claimed {
		s.t.Fatalf("the claim was answered %d", c.Grant.Answer)
	}
	return jobs.Fence{JobID: id, Attempt: c.Grant.Lease.Attempt, Owner: r.Owner}
}

func (s *site) answer(id string, r runners.Runner, want job.Answer) {
	s.t.Helper()
	if c := s.claim(id, r); c.Grant.Answer != want {
		s.t.Errorf("the claim was answered %d, want %d", c.Grant.Answer, want)
	}
}

func (s *site) complete(f jobs.Fence) job.Decision {
	s.t.Helper()
	state, d, err := s.Jobs.Complete(s.ctx, f, jobs.Completion{})
	if err != nil {
		s.t.Fatal(err)
	}
	if state != job.Succeeded {
		s.t.Errorf("completed as %s", state)
	}
	return d
}

func (s *site) cancel(id string, force bool) job.Decision {
	s.t.Helper()
	d, err := s.Jobs.Cancel(s.ctx, jobs.Cancellation{JobID: id, Force: force, By: "me"})
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *site) lapse() { s.Clock.Pass(job.LeaseTime + job.Skew + time.Second) }

// sweep does what is due, as function sweep does, and returns the wake-ups.
func (s *site) sweep() []job.WakeUp {
	s.t.Helper()
	spared, err := s.Dispatch.BeginSweep(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	ids, err := s.Dispatch.Due(s.ctx, 100)
	if err != nil {
		s.t.Fatal(err)
	}
	var wakeUps []job.WakeUp
	for _, id := range ids {
		d, err := s.Dispatch.Sweep(s.ctx, id, spared)
		if err != nil {
			s.t.Fatal(err)
		}
		more, err := s.Jobs.Follow(s.ctx, d)
		if err != nil {
			s.t.Fatal(err)
		}
		wakeUps = append(append(wakeUps, d.WakeUps...), more...)
	}
	return wakeUps
}

// minutes sweeps each minute for a while.
func (s *site) minutes(n int) (wakeUps []job.WakeUp) {
	s.t.Helper()
	for range n {
		s.Clock.Pass(time.Minute)
		wakeUps = append(wakeUps, s.sweep()...)
	}
	return wakeUps
}

func (s *site) stale(what string, err error) {
	s.t.Helper()
	if !fault.Is(err, fault.StaleLease) {
		s.t.Errorf("%s: got %v, want STALE_LEASE", what, err)
	}
}

func (s *site) append(f jobs.Fence, position int64, text string) error {
	return s.Jobs.AppendOutput(s.ctx, f, position, []byte(text))
}

func (s *site) output(id string) []string {
	s.t.Helper()
	batches, _, err := s.Jobs.ReadOutput(s.ctx, id, 0, 1<<40, 1<<20, true)
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, b := range batches {
		out = append(out, string(b))
	}
	return out
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestAJobRunsFromQueueToEnd(t *testing.T) {
	s := newSite(t)
	r := s.runner(nil)
	spec := up()
	spec.Variables = []*waypointv1.Variable{{Name: "a", Value: "open"}, {Name: "b", Value: "hidden", Sensitive: true}}
	q, err := s.Jobs.Queue(s.ctx, plainSealer{}, s.newJob(spec))
	s.must(err)
	id := q.Meta.ID
	if want := []job.WakeUp{{JobID: id, Pool: r.Pool}}; !slices.Equal(q.Decision.WakeUps, want) {
		t.Errorf("wake-ups %v, want %v", q.Decision.WakeUps, want)
	}
	shown, _, _, err := s.Jobs.Get(s.ctx, id)
	s.must(err)
	if got := shown.GetSpec().GetVariables()[1].GetValue(); got != "" {
		t.Errorf("a sensitive value is shown: %q", got)
	}
	c := s.claim(id, r)
	if got := c.Job.GetSpec().GetVariables()[1].GetValue(); got != "hidden" || c.Job.GetSpec().GetVariables()[0].GetValue() != "open" {
		t.Errorf("the runner got %q", got)
	}
	f := jobs.Fence{JobID: id, Attempt: 1, Owner: r.Owner}
	s.must(s.Jobs.BeginStep(s.ctx, f, job.Step{Name: "build", Rerunnable: true}, false))
	s.must(s.append(f, 0, "one"))
	s.must(s.append(f, 1, "two"))
	s.must(s.Jobs.EndStep(s.ctx, f, "build", "01R"))
	s.must(s.Jobs.Report(s.ctx, f, &waypointv1.ReportJobRequest{Source: &waypointv1.SourceRef{Commit: "abc"}}))
	_, _, err = s.Jobs.Complete(s.ctx, f, jobs.Completion{Result: &waypointv1.JobResult{DeployUrl: "http://x"}, NextOutput: 2})
	s.must(err)
	shown, _, _, err = s.Jobs.Get(s.ctx, id)
	s.must(err)
	if shown.GetState() != waypointv1.JobState_JOB_STATE_SUCCEEDED || shown.GetResult().GetDeployUrl() != "http://x" ||
		shown.GetSource().GetCommit() != "abc" || len(shown.GetSteps()) != 1 || shown.GetSteps()[0].GetRecordId() != "01R" {
		t.Errorf("got %v", shown)
	}
	if got := s.output(id); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("output %q", got)
	}
	if wakeUps := s.minutes(3); len(wakeUps) != 0 {
		t.Errorf("something is still owed: %v", wakeUps)
	}
}

func TestAResumedJobsOutputIsReadOnce(t *testing.T) {
	s := newSite(t)
	a, b := s.runner(nil), s.runner(nil)
	id := s.queue(up())
	f := s.claimed(id, a)
	begin := func(name string, output int64, again bool) {
		t.Helper()
		s.must(s.Jobs.BeginStep(s.ctx, f, job.Step{Name: name, Rerunnable: true, OutputAt: output}, again))
	}
	s.must(s.append(f, 0, "preamble"))
	begin("build", 1, false)
	s.must(s.append(f, 1, "built"))
	s.must(s.Jobs.EndStep(s.ctx, f, "build", ""))
	begin("push", 2, false)
	s.must(s.append(f, 2, "half pushed"))
	s.lapse()
	f = s.claimed(id, b)
	s.must(s.append(f, 3, "second preamble"))
	begin("push", 4, false)
	s.must(s.append(f, 4, "half pushed, again"))
	// The same attempt was cut and begins once more.
	begin("push", 5, true)
	s.must(s.append(f, 5, "pushed"))
	s.reads(id, "preamble", "built", "second preamble", "pushed")
	s.lapse()
	// What was built is of no use to the third runner: it builds anew.
	f = s.claimed(id, a)
	begin("build", 6, true)
	s.must(s.append(f, 6, "built anew"))
	s.reads(id, "preamble", "built anew")
	// What may not be run again is not, however the runner asks.
	s.must(s.Jobs.BeginStep(s.ctx, f, job.Step{Name: "deploy"}, false))
	if err := s.Jobs.BeginStep(s.ctx, f, job.Step{Name: "deploy"}, true); !fault.Is(err, fault.Conflict) {
		t.Errorf("a step that may not be run again: %v", err)
	}
}

// reads wants what a reader from the beginning gets.
func (s *site) reads(id string, want ...string) {
	s.t.Helper()
	_, lease, err := s.Jobs.State(s.ctx, id, true)
	s.must(err)
	var got []string
	for at := int64(0); at < lease.NextOutput; {
		from, to := lease.Readable(at)
		batches, next, err := s.Jobs.ReadOutput(s.ctx, id, from, to, 1<<20, true)
		s.must(err)
		for _, batch := range batches {
			got = append(got, string(batch))
		}
		at = next
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("read %q, want %q", got, want)
	}
}

func TestQueueingNeedsItsProjectAndApp(t *testing.T) {
	s := newSite(t)
	spec := up()
	spec.Project = "q"
	if _, err := s.Jobs.Queue(s.ctx, plainSealer{}, s.newJob(spec)); !fault.Is(err, fault.ProjectNotFound) {
		t.Errorf("got %v", err)
	}
	spec = up()
	spec.App = "b"
	if _, err := s.Jobs.Queue(s.ctx, plainSealer{}, s.newJob(spec)); !fault.Is(err, fault.AppNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestJobsAreListedNewestFirstInPages(t *testing.T) {
	s := newSite(t)
	var want []string
	for range 7 {
		s.Clock.Pass(time.Millisecond)
		want = append([]string{s.queue(noop())}, want...)
	}
	s.cancel(want[2], false)
	var got []string
	token := ""
	for {
		page, next, err := s.Jobs.List(s.ctx, "p", jobs.Filter{}, 3, token)
		s.must(err)
		for _, m := range page {
			got = append(got, m.ID)
		}
		if token = next; token == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	canceled, _, err := s.Jobs.List(s.ctx, "p", jobs.Filter{States: map[job.State]bool{job.Canceled: true}}, 3, "")
	s.must(err)
	if len(canceled) != 1 || canceled[0].ID != want[2] {
		t.Errorf("got %v", canceled)
	}
}

func TestALargeSpecificationIsSplit(t *testing.T) {
	s := newSite(t)
	r := s.runner(nil)
	spec := noop()
	// Bytes that do not compress.
	x := uint32(1)
	for range 1 << 20 {
		x = x*1664525 + 1013904223
		spec.WaypointHcl = append(spec.WaypointHcl, byte(x>>24))
	}
	id := s.queue(spec)
	c := s.claim(id, r)
	if !slices.Equal(c.Job.GetSpec().GetWaypointHcl(), spec.GetWaypointHcl()) {
		t.Error("the bytes came back changed")
	}
}
