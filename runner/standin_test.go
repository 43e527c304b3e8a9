package runner_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/api/waypoint/v1/waypointv1connect"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// standIn answers a runner over the wire by the rules of the protocol's table, for a few jobs in memory. The real
// server's rows have their own tests; here it is what lets faults be placed between a runner's calls.
type standIn struct {
	waypointv1connect.UnimplementedRunnerAgentServiceHandler
	waypointv1connect.UnimplementedTailServiceHandler
	waypointv1connect.UnimplementedJobServiceHandler
	waypointv1connect.UnimplementedBuildServiceHandler
	waypointv1connect.UnimplementedArtifactServiceHandler
	waypointv1connect.UnimplementedDeploymentServiceHandler
	waypointv1connect.UnimplementedReleaseServiceHandler

	mu      sync.Mutex
	jobs    map[string]*jobItem
	records []*waypointv1.Record // in the order of their first write
	calls   []string
	tokens  int
	reports []*waypointv1.StatusReport
	synced  []*waypointv1.ConfigEntry
	beatIDs []string

	queueURL string
	// leaseMS is how long leases last; 0: 30 s.
	leaseMS uint32
	// broken says what goes wrong with the nth call of a method: "" nothing, "refuse" before, "lose" after it acted.
	broken func(method string, n int) string
	counts map[string]int
	// wrapped stands before the answers, if it is set.
	wrapped func(http.Handler) http.Handler
	// heard is told every request: all that a runner says.
	heard func(method, body string)
}

type jobItem struct {
	job       *waypointv1.Job
	live      bool
	nonces    map[string]*waypointv1.ClaimJobResponse
	output    [][]*waypointv1.OutputEvent
	cancel    bool
	serverHCL []byte
	env       map[string]string
	sensitive []string
	vars      []*waypointv1.Variable
	changed   chan struct{}
}

func newStandIn(t *testing.T) (*standIn, *client.Client) {
	t.Helper()
	s := &standIn{jobs: map[string]*jobItem{}, counts: map[string]int{}}
	mux := http.NewServeMux()
	mux.Handle(waypointv1connect.NewRunnerAgentServiceHandler(s))
	mux.Handle(waypointv1connect.NewTailServiceHandler(s))
	mux.Handle(waypointv1connect.NewJobServiceHandler(s))
	mux.Handle(waypointv1connect.NewBuildServiceHandler(s))
	mux.Handle(waypointv1connect.NewArtifactServiceHandler(s))
	mux.Handle(waypointv1connect.NewDeploymentServiceHandler(s))
	mux.Handle(waypointv1connect.NewReleaseServiceHandler(s))
	server := httptest.NewServer(s.faulty(mux))
	t.Cleanup(server.Close)
	c, err := client.New(client.Options{Address: server.URL, Token: "t", Component: "runner", MaxRetry: patience})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// faulty breaks calls as told: a gateway's bare 502 before or after the handler acted.
func (s *standIn) faulty(answers http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next := answers
		if s.wrapped != nil {
			next = s.wrapped(answers)
		}
		method := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		s.mu.Lock()
		s.counts[method]++
		s.calls = append(s.calls, method)
		what := ""
		if s.broken != nil {
			what = s.broken(method, s.counts[method])
		}
		s.mu.Unlock()
		if s.heard != nil {
			s.heard(method, readBody(r))
		}
		switch what {
		case "refuse":
			w.WriteHeader(http.StatusBadGateway)
		case "lose":
			next.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusBadGateway)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// readBody reads a request's body and puts it back.
func readBody(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.Header.Get("Content-Encoding") == "gzip" {
		if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, _ = io.ReadAll(z)
		}
	}
	return string(body)
}

func (s *standIn) add(id string, spec *waypointv1.JobSpec, state waypointv1.JobState) *jobItem {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := &jobItem{
		job:    &waypointv1.Job{Id: id, Spec: spec, State: state},
		nonces: map[string]*waypointv1.ClaimJobResponse{}, changed: make(chan struct{}),
	}
	s.jobs[id] = j
	return j
}

func (s *standIn) set(id string, f func(*jobItem)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	f(j)
	close(j.changed)
	j.changed = make(chan struct{})
}

// patience bounds every wait for what must happen: the machine may be busy.
const patience = 2 * time.Minute

// await waits until a condition on a job holds.
func (s *standIn) await(t *testing.T, id string, ok func(*jobItem) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		j := s.jobs[id]
		done, changed := ok(j), j.changed
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("job %s is %s", id, s.job(id).GetState())
		}
	}
}

// awaitCall waits until a method has been called.
func (s *standIn) awaitCall(t *testing.T, method string) {
	t.Helper()
	awaitThat(t, method+" is called", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.counts[method] > 0
	})
}

func awaitThat(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func (s *standIn) job(id string) *waypointv1.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return proto.CloneOf(s.jobs[id].job)
}

// text is all that a job printed and said.
func (s *standIn) text(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	for _, batch := range s.jobs[id].output {
		for _, e := range batch {
			b.Write(e.GetRaw().GetData())
			if l := e.GetLine(); l != nil {
				b.WriteString(l.GetText() + "\n")
			}
			if st := e.GetStep(); st.GetText() != "" {
				b.WriteString(st.GetText() + "\n")
			}
		}
	}
	return b.String()
}

func ended(j *jobItem) bool {
	return j.job.GetState() > waypointv1.JobState_JOB_STATE_RUNNING
}

func (s *standIn) lease() uint32 {
	if s.leaseMS == 0 {
		return 30_000
	}
	return s.leaseMS
}

func stale() error {
	return fault.Connect(fault.New(connect.CodeFailedPrecondition, fault.StaleLease, "stale lease"))
}

func notFound() error {
	return fault.Connect(fault.New(connect.CodeNotFound, fault.RecordNotFound, "no such record"))
}

// fenced runs f under a fence.
func (s *standIn) fenced(f *waypointv1.Fence, act func(*jobItem) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[f.GetJobId()]
	if j == nil || !j.live || j.job.GetAttempt() != f.GetAttempt() {
		return stale()
	}
	err := act(j)
	close(j.changed)
	j.changed = make(chan struct{})
	return err
}

func (s *standIn) Register(_ context.Context, req *connect.Request[waypointv1.RegisterRequest]) (*connect.Response[waypointv1.RegisterResponse], error) {
	return connect.NewResponse(&waypointv1.RegisterResponse{QueueUrl: s.queueURL, BeatMs: 60_000}), nil
}

func (s *standIn) Deregister(context.Context, *connect.Request[waypointv1.DeregisterRequest]) (*connect.Response[waypointv1.DeregisterResponse], error) {
	return connect.NewResponse(&waypointv1.DeregisterResponse{}), nil
}

func (s *standIn) Beat(context.Context, *connect.Request[waypointv1.BeatRequest]) (*connect.Response[waypointv1.BeatResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return connect.NewResponse(&waypointv1.BeatResponse{Registered: true, JobIds: slices.Clone(s.beatIDs)}), nil
}

func (s *standIn) GetQueueCredentials(context.Context, *connect.Request[waypointv1.GetQueueCredentialsRequest]) (*connect.Response[waypointv1.GetQueueCredentialsResponse], error) {
	return connect.NewResponse(&waypointv1.GetQueueCredentialsResponse{
		AccessKeyId: "AKIA", SecretAccessKey: "secret", SessionToken: "session", Region: "us-east-1",
		ExpiresUnix: time.Now().Add(time.Hour).Unix(), QueueUrl: s.queueURL,
	}), nil
}

func (s *standIn) ClaimJob(_ context.Context, req *connect.Request[waypointv1.ClaimJobRequest]) (*connect.Response[waypointv1.ClaimJobResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[req.Msg.GetJobId()]
	if j == nil {
		return nil, fault.Connect(fault.New(connect.CodeNotFound, fault.JobNotFound, "no such job"))
	}
	if again := j.nonces[req.Msg.GetNonce()]; again != nil {
		return connect.NewResponse(again), nil
	}
	res := &waypointv1.ClaimJobResponse{}
	switch {
	case ended(j):
		res.Outcome = waypointv1.ClaimJobResponse_OUTCOME_ENDED
	case j.live:
		res.Outcome, res.RetryAfterMs = waypointv1.ClaimJobResponse_OUTCOME_LEASED, 30_000
	case j.job.GetState() == waypointv1.JobState_JOB_STATE_BLOCKED:
		res.Outcome = waypointv1.ClaimJobResponse_OUTCOME_NOT_READY
	default:
		j.live = true
		j.job.Attempt++
		j.job.State = waypointv1.JobState_JOB_STATE_RUNNING
		res = &waypointv1.ClaimJobResponse{
			Outcome: waypointv1.ClaimJobResponse_OUTCOME_CLAIMED, Job: proto.CloneOf(j.job), LaneFence: int64(j.job.Attempt),
			Fence:   &waypointv1.Fence{JobId: j.job.Id, Attempt: j.job.Attempt, RunnerId: req.Msg.GetRunnerId()},
			LeaseMs: s.lease(), NextOutput: int64(len(j.output)), DataSource: j.job.GetSpec().GetDataSource(),
			RunnerEnv: j.env, SensitiveRunnerEnv: j.sensitive, ServerVariables: j.vars, WaypointHcl: j.serverHCL,
		}
		j.nonces[req.Msg.GetNonce()] = res
	}
	close(j.changed)
	j.changed = make(chan struct{})
	return connect.NewResponse(res), nil
}

func (s *standIn) RenewLease(_ context.Context, req *connect.Request[waypointv1.RenewLeaseRequest]) (*connect.Response[waypointv1.RenewLeaseResponse], error) {
	res := &waypointv1.RenewLeaseResponse{LeaseMs: s.lease()}
	err := s.fenced(req.Msg.GetFence(), func(j *jobItem) error { res.CancelRequested = j.cancel; return nil })
	return connect.NewResponse(res), err
}

func (s *standIn) AppendOutput(_ context.Context, req *connect.Request[waypointv1.AppendOutputRequest]) (*connect.Response[waypointv1.AppendOutputResponse], error) {
	res := &waypointv1.AppendOutputResponse{LeaseMs: s.lease()}
	err := s.fenced(req.Msg.GetFence(), func(j *jobItem) error {
		at := int(req.Msg.GetPosition())
		switch {
		case at == len(j.output):
			j.output = append(j.output, req.Msg.GetEvents())
		case at < len(j.output) && len(j.output[at]) == len(req.Msg.GetEvents()) && proto.Equal(j.output[at][0], req.Msg.GetEvents()[0]):
		default:
			return fault.Connect(fault.New(connect.CodeAborted, fault.OutputGap, "position %d, next is %d", at, len(j.output)))
		}
		res.NextOutput, res.CancelRequested = int64(at+1), j.cancel
		return nil
	})
	return connect.NewResponse(res), err
}

func (s *standIn) BeginStep(_ context.Context, req *connect.Request[waypointv1.BeginStepRequest]) (*connect.Response[waypointv1.BeginStepResponse], error) {
	err := s.fenced(req.Msg.GetFence(), func(j *jobItem) error {
		j.job.Steps = slices.DeleteFunc(j.job.Steps, func(x *waypointv1.JobStep) bool { return x.GetName() == req.Msg.GetName() })
		j.job.Steps = append(j.job.Steps, &waypointv1.JobStep{
			Name: req.Msg.GetName(), StartedUnixMs: 1, Rerunnable: req.Msg.GetRerunnable(), Attempt: j.job.GetAttempt(),
		})
		return nil
	})
	return connect.NewResponse(&waypointv1.BeginStepResponse{}), err
}

func (s *standIn) EndStep(_ context.Context, req *connect.Request[waypointv1.EndStepRequest]) (*connect.Response[waypointv1.EndStepResponse], error) {
	err := s.fenced(req.Msg.GetFence(), func(j *jobItem) error {
		for _, x := range j.job.Steps {
			if x.GetName() == req.Msg.GetName() {
				x.EndedUnixMs, x.RecordId = 2, req.Msg.GetRecordId()
			}
		}
		return nil
	})
	return connect.NewResponse(&waypointv1.EndStepResponse{}), err
}

func meta(r *waypointv1.Record) *waypointv1.RecordMeta {
	switch {
	case r.GetBuild() != nil:
		return r.GetBuild().GetMeta()
	case r.GetArtifact() != nil:
		return r.GetArtifact().GetMeta()
	case r.GetDeployment() != nil:
		return r.GetDeployment().GetMeta()
	}
	return r.GetRelease().GetMeta()
}

func (s *standIn) PutRecord(_ context.Context, req *connect.Request[waypointv1.PutRecordRequest]) (*connect.Response[waypointv1.PutRecordResponse], error) {
	r := proto.CloneOf(req.Msg.GetRecord())
	err := s.fenced(req.Msg.GetFence(), func(*jobItem) error {
		at := slices.IndexFunc(s.records, func(x *waypointv1.Record) bool { return meta(x).GetId() == meta(r).GetId() })
		if at >= 0 {
			meta(r).Sequence = meta(s.records[at]).GetSequence()
			s.records[at] = r
			return nil
		}
		n := int64(1)
		for _, x := range s.records {
			if fmt.Sprintf("%T", x.GetRecord()) == fmt.Sprintf("%T", r.GetRecord()) {
				n++
			}
		}
		meta(r).Sequence = n
		s.records = append(s.records, r)
		return nil
	})
	return connect.NewResponse(&waypointv1.PutRecordResponse{Record: r}), err
}

func (s *standIn) PutStatusReport(_ context.Context, req *connect.Request[waypointv1.PutStatusReportRequest]) (*connect.Response[waypointv1.PutStatusReportResponse], error) {
	err := s.fenced(req.Msg.GetFence(), func(*jobItem) error { s.reports = append(s.reports, req.Msg.GetReport()); return nil })
	return connect.NewResponse(&waypointv1.PutStatusReportResponse{}), err
}

func (s *standIn) ReportJob(_ context.Context, req *connect.Request[waypointv1.ReportJobRequest]) (*connect.Response[waypointv1.ReportJobResponse], error) {
	err := s.fenced(req.Msg.GetFence(), func(j *jobItem) error {
		j.job.Source, j.job.VariablesUsed = req.Msg.GetSource(), req.Msg.GetVariablesUsed()
		return nil
	})
	return connect.NewResponse(&waypointv1.ReportJobResponse{}), err
}

func (s *standIn) CreateEntrypointToken(_ context.Context, req *connect.Request[waypointv1.CreateEntrypointTokenRequest]) (*connect.Response[waypointv1.CreateEntrypointTokenResponse], error) {
	res := &waypointv1.CreateEntrypointTokenResponse{}
	err := s.fenced(req.Msg.GetFence(), func(*jobItem) error {
		s.tokens++
		res.Token = fmt.Sprintf("wp_entrypoint_%d", s.tokens)
		return nil
	})
	return connect.NewResponse(res), err
}

func (s *standIn) SyncConfig(_ context.Context, req *connect.Request[waypointv1.SyncConfigRequest]) (*connect.Response[waypointv1.SyncConfigResponse], error) {
	err := s.fenced(req.Msg.GetFence(), func(*jobItem) error { s.synced = req.Msg.GetEntries(); return nil })
	return connect.NewResponse(&waypointv1.SyncConfigResponse{}), err
}

func (s *standIn) CompleteJob(_ context.Context, req *connect.Request[waypointv1.CompleteJobRequest]) (*connect.Response[waypointv1.CompleteJobResponse], error) {
	s.mu.Lock()
	if j := s.jobs[req.Msg.GetFence().GetJobId()]; ended(j) && j.job.GetAttempt() == req.Msg.GetFence().GetAttempt() {
		defer s.mu.Unlock()
		return connect.NewResponse(&waypointv1.CompleteJobResponse{State: j.job.GetState()}), nil
	}
	s.mu.Unlock()
	err := s.fenced(req.Msg.GetFence(), func(j *jobItem) error {
		if req.Msg.GetNextOutput() != int64(len(j.output)) {
			return fault.Connect(fault.New(connect.CodeAborted, fault.OutputGap, "output is missing"))
		}
		j.job.State = waypointv1.JobState_JOB_STATE_SUCCEEDED
		if j.job.Error = req.Msg.GetError(); j.job.Error != nil {
			j.job.State = waypointv1.JobState_JOB_STATE_FAILED
		}
		if j.cancel {
			j.job.State = waypointv1.JobState_JOB_STATE_CANCELED
		}
		j.job.Result, j.live = req.Msg.GetResult(), false
		return nil
	})
	return connect.NewResponse(&waypointv1.CompleteJobResponse{}), err
}

func (s *standIn) HandBackJob(_ context.Context, req *connect.Request[waypointv1.HandBackJobRequest]) (*connect.Response[waypointv1.HandBackJobResponse], error) {
	err := s.fenced(req.Msg.GetFence(), func(j *jobItem) error {
		j.job.State, j.live = waypointv1.JobState_JOB_STATE_READY, false
		return nil
	})
	return connect.NewResponse(&waypointv1.HandBackJobResponse{}), err
}

func (s *standIn) TailJob(ctx context.Context, req *connect.Request[waypointv1.TailJobRequest]) (*connect.Response[waypointv1.TailJobResponse], error) {
	s.mu.Lock()
	j := s.jobs[req.Msg.GetJobId()]
	if j == nil {
		s.mu.Unlock()
		return nil, fault.Connect(fault.New(connect.CodeNotFound, fault.JobNotFound, "no such job"))
	}
	changed, seen := j.changed, req.Msg.GetCursor() == j.job.GetState().String()
	s.mu.Unlock()
	if seen {
		select {
		case <-changed:
		case <-ctx.Done():
		case <-time.After(time.Duration(req.Msg.GetWaitMs()) * time.Millisecond):
		}
	}
	now := s.job(req.Msg.GetJobId())
	now.Spec = nil
	return connect.NewResponse(&waypointv1.TailJobResponse{Job: now, NextCursor: now.GetState().String()}), nil
}

func (s *standIn) CancelJob(_ context.Context, req *connect.Request[waypointv1.CancelJobRequest]) (*connect.Response[waypointv1.CancelJobResponse], error) {
	s.set(req.Msg.GetId(), func(j *jobItem) {
		if j.cancel = true; !j.live {
			j.job.State = waypointv1.JobState_JOB_STATE_CANCELED
		}
	})
	return connect.NewResponse(&waypointv1.CancelJobResponse{Job: s.job(req.Msg.GetId())}), nil
}

// find is the record with an id, or the newest that succeeded and that kind accepts.
func (s *standIn) find(ref *waypointv1.RecordRef, kind func(*waypointv1.Record) bool) (*waypointv1.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range slices.Backward(s.records) {
		if !kind(r) {
			continue
		}
		if id := ref.GetId(); id == meta(r).GetId() || id == "" && meta(r).GetState() == waypointv1.RecordState_RECORD_STATE_SUCCESS {
			return proto.CloneOf(r), nil
		}
	}
	return nil, notFound()
}

func (s *standIn) GetBuild(_ context.Context, req *connect.Request[waypointv1.GetBuildRequest]) (*connect.Response[waypointv1.GetBuildResponse], error) {
	r, err := s.find(req.Msg.GetRef(), func(r *waypointv1.Record) bool { return r.GetBuild() != nil })
	return connect.NewResponse(&waypointv1.GetBuildResponse{Build: r.GetBuild()}), err
}

func (s *standIn) GetArtifact(_ context.Context, req *connect.Request[waypointv1.GetArtifactRequest]) (*connect.Response[waypointv1.GetArtifactResponse], error) {
	r, err := s.find(req.Msg.GetRef(), func(r *waypointv1.Record) bool { return r.GetArtifact() != nil })
	return connect.NewResponse(&waypointv1.GetArtifactResponse{Artifact: r.GetArtifact()}), err
}

func (s *standIn) GetDeployment(_ context.Context, req *connect.Request[waypointv1.GetDeploymentRequest]) (*connect.Response[waypointv1.GetDeploymentResponse], error) {
	r, err := s.find(req.Msg.GetRef(), func(r *waypointv1.Record) bool { return r.GetDeployment() != nil })
	return connect.NewResponse(&waypointv1.GetDeploymentResponse{Deployment: r.GetDeployment()}), err
}

func (s *standIn) GetRelease(_ context.Context, req *connect.Request[waypointv1.GetReleaseRequest]) (*connect.Response[waypointv1.GetReleaseResponse], error) {
	r, err := s.find(req.Msg.GetRef(), func(r *waypointv1.Record) bool { return r.GetRelease() != nil })
	return connect.NewResponse(&waypointv1.GetReleaseResponse{Release: r.GetRelease()}), err
}

func (s *standIn) ListDeployments(context.Context, *connect.Request[waypointv1.ListDeploymentsRequest]) (*connect.Response[waypointv1.ListDeploymentsResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	res := &waypointv1.ListDeploymentsResponse{}
	for _, r := range slices.Backward(s.records) {
		if d := r.GetDeployment(); d != nil {
			res.Deployments = append(res.Deployments, proto.CloneOf(d))
		}
	}
	return connect.NewResponse(res), nil
}

func (s *standIn) ListReleases(context.Context, *connect.Request[waypointv1.ListReleasesRequest]) (*connect.Response[waypointv1.ListReleasesResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	res := &waypointv1.ListReleasesResponse{}
	for _, r := range slices.Backward(s.records) {
		if d := r.GetRelease(); d != nil {
			res.Releases = append(res.Releases, proto.CloneOf(d))
		}
	}
	return connect.NewResponse(res), nil
}
