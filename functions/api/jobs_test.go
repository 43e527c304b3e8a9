package api_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/functions/internal/storetest"
	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
	"github.com/waypoint-serverless/waypoint/localstack/enginetest"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/api/waypoint/v1/waypointv1connect"
	"github.com/waypoint-serverless/waypoint/functions/api"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/secret"
	"github.com/waypoint-serverless/waypoint/functions/sweep"
	"github.com/waypoint-serverless/waypoint/functions/tail"
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

// server is the services of jobs and runners on real tables and queues. Who calls is said by the client.
type server struct {
	*installation
	t       *testing.T
	handler http.Handler
	sweeper *sweep.Sweeper
}

type tailService struct {
	*tail.Jobs
	waypointv1connect.UnimplementedTailServiceHandler
}

func (s tailService) TailJob(ctx context.Context, req *connect.Request[waypointv1.TailJobRequest]) (*connect.Response[waypointv1.TailJobResponse], error) {
	return s.Jobs.TailJob(ctx, req)
}

func newServer(t *testing.T) *server {
	t.Helper()
	w := install(t)
	key, err := secret.Static(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	sealer := secret.NewSealer(key, rand.Reader)
	log := slog.New(slog.DiscardHandler)
	none := func(string, map[string]string) bool { return false }
	mux := http.NewServeMux()
	opts := api.Options()
	mux.Handle(waypointv1connect.NewJobServiceHandler(&api.Jobs{DB: w.DB, Jobs: w.Jobs, Sealer: sealer, Queues: w.Queues, Logger: log}, opts...))
	mux.Handle(waypointv1connect.NewProjectServiceHandler(&api.Projects{DB: w.DB, Projects: w.Projects, Sealer: sealer}, opts...))
	mux.Handle(waypointv1connect.NewRunnerServiceHandler(&api.Runners{DB: w.DB, Runners: w.Runners}, opts...))
	mux.Handle(waypointv1connect.NewTailServiceHandler(tailService{Jobs: &tail.Jobs{DB: w.DB, Jobs: w.Jobs, Hold: 5 * time.Second}}, opts...))
	mux.Handle(waypointv1connect.NewRunnerAgentServiceHandler(&api.RunnerAgent{
		RecordWrites: api.RecordWrites{DB: w.DB, Jobs: w.Jobs, Records: w.Records, Writer: w.Writer, Tokens: w.Tokens, Configs: w.Configs, Projects: w.Projects, Logs: w.Logs,
			Sealer: sealer, Rand: rand.Reader},
		Dispatch: w.Dispatch, Runners: w.Runners, Queues: w.Queues, Matches: none, Logger: log,
	}, opts...))
	s := &server{installation: w, t: t, handler: mux, sweeper: &sweep.Sweeper{DB: w.DB, Jobs: w.Jobs, Dispatch: w.Dispatch, Queues: w.Queues, Logger: log}}
	admin := s.as(person("01ADMIN", waypointv1.Role_ROLE_ADMIN))
	_, err = admin.projects.UpsertProject(context.Background(), connect.NewRequest(&waypointv1.UpsertProjectRequest{
		Project: &waypointv1.Project{Name: "p", DataSource: &waypointv1.DataSource{Source: &waypointv1.DataSource_Git{
			Git: &waypointv1.GitSource{Url: "https://example.com/p.git", Ref: "main", Password: "git password"}}}},
		Apps: []*waypointv1.App{{Project: "p", Name: "a"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// caller is the clients of one principal.
type caller struct {
	jobs     waypointv1connect.JobServiceClient
	projects waypointv1connect.ProjectServiceClient
	agent    waypointv1connect.RunnerAgentServiceClient
	runners  waypointv1connect.RunnerServiceClient
	tail     waypointv1connect.TailServiceClient
}

// inProcess hands requests to a handler, as a principal.
type inProcess struct {
	handler http.Handler
	as      auth.Principal
}

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	p.handler.ServeHTTP(rec, r.WithContext(auth.With(r.Context(), p.as)))
	res := rec.Result()
	res.Request = r
	return res, nil
}

func (s *server) as(p auth.Principal) caller {
	c := &http.Client{Transport: inProcess{s.handler, p}}
	const base = "http://api.test"
	return caller{
		jobs: waypointv1connect.NewJobServiceClient(c, base), projects: waypointv1connect.NewProjectServiceClient(c, base),
		agent: waypointv1connect.NewRunnerAgentServiceClient(c, base), runners: waypointv1connect.NewRunnerServiceClient(c, base),
		tail: waypointv1connect.NewTailServiceClient(c, base),
	}
}

func person(id string, role waypointv1.Role) auth.Principal {
	return auth.Principal{TokenID: id, Kind: waypointv1.TokenKind_TOKEN_KIND_USER, Name: "me", Roles: map[string]waypointv1.Role{"": role}}
}

func runnerToken(labels map[string]string) auth.Principal {
	return auth.Principal{TokenID: "01RUNNER", Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: "r", RunnerLabels: labels,
		Projects: job.Projects{All: true}}
}

func spec(mutate ...func(*waypointv1.JobSpec)) *waypointv1.JobSpec {
	s := &waypointv1.JobSpec{Project: "p", App: "a", Operation: &waypointv1.Operation{Operation: &waypointv1.Operation_Up{Up: &waypointv1.UpOp{}}}}
	for _, m := range mutate {
		m(s)
	}
	return s
}

func (s *server) queue(c caller, mutate ...func(*waypointv1.JobSpec)) *waypointv1.Job {
	s.t.Helper()
	res, err := c.jobs.QueueJob(context.Background(), connect.NewRequest(&waypointv1.QueueJobRequest{Spec: spec(mutate...)}))
	if err != nil {
		s.t.Fatal(err)
	}
	return res.Msg.GetJob()
}

// register registers a runner and returns its id and queue.
func (s *server) register(c caller, kind waypointv1.RunnerKind) (id, queueURL string) {
	s.t.Helper()
	id = s.ID(s.t)
	res, err := c.agent.Register(context.Background(), connect.NewRequest(&waypointv1.RegisterRequest{RunnerId: id, Name: "r", Kind: kind, Concurrency: 1}))
	if err != nil {
		s.t.Fatal(err)
	}
	return id, res.Msg.GetQueueUrl()
}

// announced are the messages in a queue.
func (s *server) announced(url string) []string {
	s.t.Helper()
	res, err := s.SQS.ReceiveMessage(context.Background(), &awssqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, m := range res.Messages {
		out = append(out, aws.ToString(m.Body))
	}
	return out
}

func (s *server) claim(c caller, runner, job, nonce string) *waypointv1.ClaimJobResponse {
	s.t.Helper()
	res, err := c.agent.ClaimJob(context.Background(), connect.NewRequest(&waypointv1.ClaimJobRequest{RunnerId: runner, JobId: job, Nonce: nonce}))
	if err != nil {
		s.t.Fatal(err)
	}
	return res.Msg
}

func line(text string) *waypointv1.OutputEvent {
	return &waypointv1.OutputEvent{Event: &waypointv1.OutputEvent_Line_{Line: &waypointv1.OutputEvent_Line{Text: text}}}
}

const (
	standing = waypointv1.RunnerKind_RUNNER_KIND_STANDING
	cliKind  = waypointv1.RunnerKind_RUNNER_KIND_CLI
	deployer = waypointv1.Role_ROLE_DEPLOYER
)

func TestAJobGoesFromTheQueueToItsReader(t *testing.T) {
	s := newServer(t)
	ctx := context.Background()
	me, agent := s.as(person("01ME", deployer)), s.as(runnerToken(nil))
	runner, url := s.register(agent, standing)
	job := s.queue(me, func(j *waypointv1.JobSpec) { j.DataSourceOverrides = map[string]string{"ref": "feature"} })
	if want := fmt.Sprintf(`{"job_id":%q}`, job.GetId()); !slices.Equal(s.announced(url), []string{want}) {
		t.Errorf("the wake-up message was not sent: %s", want)
	}
	c := s.claim(agent, runner, job.GetId(), "n1")
	git := c.GetDataSource().GetGit()
	if c.GetOutcome() != waypointv1.ClaimJobResponse_OUTCOME_CLAIMED || git.GetRef() != "feature" || git.GetPassword() != "git password" ||
		c.GetLaneFence() != 1 || c.GetLeaseMs() != 30_000 {
		t.Errorf("got %v", c)
	}
	read := make(chan []string)
	go func() { read <- s.follow(me, job.GetId()) }()
	for i, text := range []string{"one", "two", "three"} {
		_, err := agent.agent.AppendOutput(ctx, connect.NewRequest(&waypointv1.AppendOutputRequest{
			Fence: c.GetFence(), Position: int64(i), Events: []*waypointv1.OutputEvent{line(text)}}))
		if err != nil {
			t.Fatal(err)
		}
	}
	done, err := agent.agent.CompleteJob(ctx, connect.NewRequest(&waypointv1.CompleteJobRequest{
		Fence: c.GetFence(), NextOutput: 3, Result: &waypointv1.JobResult{DeployUrl: "http://app"}}))
	if err != nil || done.Msg.GetState() != waypointv1.JobState_JOB_STATE_SUCCEEDED {
		t.Fatalf("got %v, %v", done, err)
	}
	if got, want := <-read, []string{"one", "two", "three", "http://app"}; !slices.Equal(got, want) {
		t.Errorf("the reader saw %v, want %v", got, want)
	}
}

// follow reads a job to its end: the lines, and the deploy URL of its result.
func (s *server) follow(c caller, id string) []string {
	var out []string
	cursor, url := "", ""
	for range 200 {
		res, err := c.tail.TailJob(context.Background(), connect.NewRequest(&waypointv1.TailJobRequest{JobId: id, Cursor: cursor, WaitMs: 5_000}))
		if err != nil {
			return append(out, err.Error())
		}
		for _, e := range res.Msg.GetEvents() {
			out = append(out, e.GetLine().GetText())
		}
		if u := res.Msg.GetJob().GetResult().GetDeployUrl(); u != "" {
			url = u
		}
		cursor = res.Msg.GetNextCursor()
		if res.Msg.GetDone() {
			return append(out, url)
		}
	}
	return append(out, "it never ended")
}

func TestTailSaysForWhichJobAnotherWaits(t *testing.T) {
	s := newServer(t)
	me := s.as(person("01ME", deployer))
	first, second := s.queue(me), s.queue(me)
	s.Clock.Pass(2 * time.Second)
	res, err := me.tail.TailJob(context.Background(), connect.NewRequest(&waypointv1.TailJobRequest{JobId: second.GetId(), WaitMs: 5_000}))
	if err != nil {
		t.Fatal(err)
	}
	why := res.Msg.GetJob().GetWhyNot()
	if why.GetReason() != string(fault.WaitingForLane) || why.GetJobId() != first.GetId() {
		t.Errorf("it waits because of %v", why)
	}
	if res.Msg.GetJob().GetSpec() != nil {
		t.Error("the state carries the specification")
	}
}

func TestTailAnswersAtOnceWithoutAWait(t *testing.T) {
	s := newServer(t)
	me := s.as(person("01ME", deployer))
	job := s.queue(me)
	res, err := me.tail.TailJob(context.Background(), connect.NewRequest(&waypointv1.TailJobRequest{JobId: job.GetId()}))
	if err != nil || res.Msg.GetJob().GetState() != waypointv1.JobState_JOB_STATE_READY {
		t.Fatalf("got %v, %v", res, err)
	}
	again, err := me.tail.TailJob(context.Background(), connect.NewRequest(&waypointv1.TailJobRequest{JobId: job.GetId(), Cursor: res.Msg.GetNextCursor()}))
	if err != nil || again.Msg.GetJob() != nil || again.Msg.GetDone() {
		t.Errorf("nothing is new, yet %v, %v", again, err)
	}
	if _, err := me.tail.TailJob(context.Background(), connect.NewRequest(&waypointv1.TailJobRequest{JobId: job.GetId(), Cursor: "j1.-1.a.b.0"})); !fault.Is(err, fault.InvalidArgument) {
		t.Errorf("a forged cursor: %v", err)
	}
}

func TestQueueJobUnderOneKeyIsOneJob(t *testing.T) {
	s := newServer(t)
	me := s.as(person("01ME", deployer))
	ask := func(key string, j *waypointv1.JobSpec) (*waypointv1.Job, error) {
		req := connect.NewRequest(&waypointv1.QueueJobRequest{Spec: j})
		req.Header().Set("Idempotency-Key", key)
		res, err := me.jobs.QueueJob(context.Background(), req)
		if err != nil {
			return nil, err
		}
		return res.Msg.GetJob(), nil
	}
	first, err := ask("k", spec())
	if err != nil {
		t.Fatal(err)
	}
	again, err := ask("k", spec())
	if err != nil || again.GetId() != first.GetId() {
		t.Errorf("the repeat made %v, %v", again, err)
	}
	if _, err := ask("k", spec(func(j *waypointv1.JobSpec) { j.Workspace = "other" })); !fault.Is(err, fault.IdempotencyReuse) {
		t.Errorf("another request under the key: %v", err)
	}
}

func TestQueueJobRefusesWhatIsOutOfBounds(t *testing.T) {
	s := newServer(t)
	me := s.as(person("01ME", deployer))
	for name, c := range map[string]struct {
		mutate func(*waypointv1.JobSpec)
		want   fault.Reason
	}{
		"no such project":    {func(j *waypointv1.JobSpec) { j.Project = "q" }, fault.ProjectNotFound},
		"no such app":        {func(j *waypointv1.JobSpec) { j.App = "b" }, fault.AppNotFound},
		"a bad name":         {func(j *waypointv1.JobSpec) { j.App = "a#b" }, fault.InvalidArgument},
		"a bad workspace":    {func(j *waypointv1.JobSpec) { j.Workspace = "feature/x" }, fault.InvalidArgument},
		"no operation":       {func(j *waypointv1.JobSpec) { j.Operation = nil }, fault.InvalidArgument},
		"a path that climbs": {func(j *waypointv1.JobSpec) { j.DataSourceOverrides = map[string]string{"path": "../x"} }, fault.InvalidArgument},
		"a password in a url": {func(j *waypointv1.JobSpec) {
			j.DataSourceOverrides = map[string]string{"url": "https://a:b@c.example/d"}
		}, fault.InvalidArgument},
		"a strange override":   {func(j *waypointv1.JobSpec) { j.DataSourceOverrides = map[string]string{"password": "x"} }, fault.InvalidArgument},
		"a local source alone": {func(j *waypointv1.JobSpec) { j.DataSource = localSource() }, fault.InvalidArgument},
		"a huge waypoint.hcl":  {func(j *waypointv1.JobSpec) { j.WaypointHcl = make([]byte, 2<<20+1) }, fault.TooLarge},
		"a negative expiry":    {func(j *waypointv1.JobSpec) { j.ExpiresInSeconds = -1 }, fault.InvalidArgument},
		"a dependency twice":   {func(j *waypointv1.JobSpec) { j.DependsOn = []string{s.ID(t), s.ID(t)}; j.DependsOn[1] = j.DependsOn[0] }, fault.InvalidArgument},
	} {
		_, err := me.jobs.QueueJob(context.Background(), connect.NewRequest(&waypointv1.QueueJobRequest{Spec: spec(c.mutate)}))
		if !fault.Is(err, c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func localSource() *waypointv1.DataSource {
	return &waypointv1.DataSource{Source: &waypointv1.DataSource_Local{Local: &waypointv1.LocalSource{}}}
}

func TestJobsNeedTheirRoles(t *testing.T) {
	s := newServer(t)
	ctx := context.Background()
	job := s.queue(s.as(person("01ME", deployer)))
	viewer := s.as(person("01VIEWER", waypointv1.Role_ROLE_VIEWER))
	stranger := s.as(auth.Principal{TokenID: "01X", Kind: waypointv1.TokenKind_TOKEN_KIND_USER, Roles: map[string]waypointv1.Role{"other": deployer}})
	_, err := viewer.jobs.QueueJob(ctx, connect.NewRequest(&waypointv1.QueueJobRequest{Spec: spec()}))
	denied(t, "a viewer queues", err)
	_, err = viewer.jobs.CancelJob(ctx, connect.NewRequest(&waypointv1.CancelJobRequest{Id: job.GetId()}))
	denied(t, "a viewer cancels", err)
	if _, err := viewer.jobs.GetJob(ctx, connect.NewRequest(&waypointv1.GetJobRequest{Id: job.GetId()})); err != nil {
		t.Errorf("a viewer looks: %v", err)
	}
	_, err = stranger.jobs.GetJob(ctx, connect.NewRequest(&waypointv1.GetJobRequest{Id: job.GetId()}))
	denied(t, "a stranger looks", err)
	_, err = stranger.tail.TailJob(ctx, connect.NewRequest(&waypointv1.TailJobRequest{JobId: job.GetId()}))
	denied(t, "a stranger reads", err)
	_, err = stranger.jobs.ListJobs(ctx, connect.NewRequest(&waypointv1.ListJobsRequest{Project: "p"}))
	denied(t, "a stranger lists", err)
}

func denied(t *testing.T, what string, err error) {
	t.Helper()
	if !fault.Is(err, fault.PermissionDenied) {
		t.Errorf("%s: got %v", what, err)
	}
}

func TestRunnersAreWhatTheirTokenSays(t *testing.T) {
	s := newServer(t)
	ctx := context.Background()
	register := func(c caller, kind waypointv1.RunnerKind, labels map[string]string) (*waypointv1.Runner, error) {
		res, err := c.agent.Register(ctx, connect.NewRequest(&waypointv1.RegisterRequest{RunnerId: s.ID(t), Name: "r", Kind: kind, Labels: labels}))
		if err != nil {
			return nil, err
		}
		return res.Msg.GetRunner(), nil
	}
	arm := s.as(runnerToken(map[string]string{"arch": "arm"}))
	_, err := register(arm, standing, map[string]string{"arch": "x86"})
	denied(t, "another label", err)
	r, err := register(arm, standing, nil)
	if err != nil || r.GetLabels()["arch"] != "arm" || !r.GetOnline() {
		t.Errorf("got %v, %v", r, err)
	}
	_, err = register(s.as(person("01ME", deployer)), standing, nil)
	denied(t, "a user's standing runner", err)
	_, err = register(arm, cliKind, nil)
	denied(t, "a runner's token for a CLI", err)
}

func TestACLIClaimsItsOwnJobByID(t *testing.T) {
	s := newServer(t)
	me := s.as(person("01ME", deployer))
	runner, url := s.register(me, cliKind)
	if url != "" {
		t.Errorf("a CLI's runner got the queue %s", url)
	}
	job := s.queue(me, func(j *waypointv1.JobSpec) {
		j.DataSource = localSource()
		j.Target = &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: runner}}
	})
	if c := s.claim(me, runner, job.GetId(), "n"); c.GetOutcome() != waypointv1.ClaimJobResponse_OUTCOME_CLAIMED {
		t.Errorf("got %v", c)
	}
}

func TestABeatFindsWorkWithoutTheQueue(t *testing.T) {
	s := newServer(t)
	ctx := context.Background()
	me, agent := s.as(person("01ME", deployer)), s.as(runnerToken(nil))
	early := s.queue(me)
	runner, url := s.register(agent, standing)
	if got := s.announced(url); len(got) != 1 {
		t.Errorf("the job that waited for a first runner was announced %d times", len(got))
	}
	beat := func() *waypointv1.BeatResponse {
		res, err := agent.agent.Beat(ctx, connect.NewRequest(&waypointv1.BeatRequest{RunnerId: runner, Free: 1}))
		if err != nil {
			t.Fatal(err)
		}
		return res.Msg
	}
	if got := beat(); !got.GetRegistered() || !slices.Equal(got.GetJobIds(), []string{early.GetId()}) {
		t.Errorf("got %v", got)
	}
	s.claim(agent, runner, early.GetId(), "n")
	if got := beat(); len(got.GetJobIds()) != 0 {
		t.Errorf("got %v", got)
	}
	if _, err := agent.agent.Deregister(ctx, connect.NewRequest(&waypointv1.DeregisterRequest{RunnerId: runner})); err != nil {
		t.Fatal(err)
	}
	if got := beat(); got.GetRegistered() {
		t.Error("a runner that left is still registered")
	}
}

func TestSweepRingsAndGivesLostJobsOn(t *testing.T) {
	s := newServer(t)
	ctx := context.Background()
	me, agent := s.as(person("01ME", deployer)), s.as(runnerToken(nil))
	runner, url := s.register(agent, standing)
	job := s.queue(me)
	s.announced(url) // and lost
	s.Clock.Pass(61 * time.Second)
	report, err := s.sweeper.Run(ctx)
	if err != nil || report.Due != 1 || report.WakeUps != 1 {
		t.Errorf("got %+v, %v", report, err)
	}
	if got := s.announced(url); len(got) != 1 {
		t.Errorf("announced %d times", len(got))
	}
	c := s.claim(agent, runner, job.GetId(), "n")
	s.Clock.Pass(61 * time.Second)
	if report, err = s.sweeper.Run(ctx); err != nil || report.WakeUps != 1 {
		t.Errorf("got %+v, %v", report, err)
	}
	_, err = agent.agent.RenewLease(ctx, connect.NewRequest(&waypointv1.RenewLeaseRequest{Fence: c.GetFence()}))
	if !fault.Is(err, fault.StaleLease) {
		t.Errorf("a zombie renewed: %v", err)
	}
}

func TestCancelReachesTheRunnerWithItsRenewal(t *testing.T) {
	s := newServer(t)
	ctx := context.Background()
	me, agent := s.as(person("01ME", deployer)), s.as(runnerToken(nil))
	runner, _ := s.register(agent, standing)
	job := s.queue(me)
	c := s.claim(agent, runner, job.GetId(), "n")
	res, err := me.jobs.CancelJob(ctx, connect.NewRequest(&waypointv1.CancelJobRequest{Id: job.GetId()}))
	if err != nil || !res.Msg.GetJob().GetCancelRequested() {
		t.Fatalf("got %v, %v", res, err)
	}
	renewed, err := agent.agent.RenewLease(ctx, connect.NewRequest(&waypointv1.RenewLeaseRequest{Fence: c.GetFence()}))
	if err != nil || !renewed.Msg.GetCancelRequested() {
		t.Fatalf("got %v, %v", renewed, err)
	}
	done, err := agent.agent.CompleteJob(ctx, connect.NewRequest(&waypointv1.CompleteJobRequest{
		Fence: c.GetFence(), Error: &waypointv1.JobError{Reason: string(fault.Canceled), Message: "stopped"}}))
	if err != nil || done.Msg.GetState() != waypointv1.JobState_JOB_STATE_CANCELED {
		t.Errorf("got %v, %v", done, err)
	}
}
