package api

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/config"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/projects"
	"github.com/waypoint-serverless/waypoint/functions/internal/queue"
	"github.com/waypoint-serverless/waypoint/functions/internal/runners"
)

// RunnerAgent answers runners: they register, claim jobs, and write for the jobs that they claimed. What they write of records
// and configuration is RecordWrites'.
type RunnerAgent struct {
	RecordWrites
	Dispatch *jobs.Dispatcher
	Runners  *runners.Store
	Queues   *queue.Queues
	// Matches evaluates label selectors of configuration.
	Matches func(selector string, labels map[string]string) bool
	// Shared: the server is not one machine's own. A CLI's own runner then gets no configuration of runners.
	Shared bool
	// OutputEvery is how long a runner is to wait in the long run between two small appends of output; 0: its own default.
	OutputEvery time.Duration
	Logger      *slog.Logger
}

const (
	// beatEvery is how often an idle runner says that it lives.
	beatEvery = 60 * time.Second
	// concurrencyMost bounds what a runner may say of itself.
	concurrencyMost = 1_000
	// waitingMost bounds the jobs that one beat is answered with.
	waitingMost = 10
)

// Register registers a runner, or registers it again.
func (s *RunnerAgent) Register(ctx context.Context, req *connect.Request[waypointv1.RegisterRequest]) (*connect.Response[waypointv1.RegisterResponse], error) {
	p, err := auth.Caller(ctx)
	if err != nil {
		return nil, err
	}
	r, err := runnerOf(p, req.Msg)
	if err != nil {
		return nil, err
	}
	url := ""
	if r.Standing() {
		r.Pool = runners.PoolName(r.Labels, r.Projects.Read())
		if url, err = s.Queues.Ensure(ctx, r.Pool); err != nil {
			return nil, err
		}
	}
	if r, err = s.Runners.Put(ctx, r, url); err != nil {
		return nil, err
	}
	if r.Standing() {
		s.reroute(ctx)
	}
	return connect.NewResponse(&waypointv1.RegisterResponse{
		Runner: r.Proto(s.DB.Now()), QueueUrl: url, Pool: r.Pool, BeatMs: uint32(beatEvery.Milliseconds()),
	}), nil
}

// reroute announces jobs that had no pool until this one. The sweep does what fails here.
func (s *RunnerAgent) reroute(ctx context.Context) {
	const most = 25
	wakeUps, err := s.Dispatch.Reroute(ctx, most)
	if err != nil {
		s.Logger.WarnContext(ctx, "waiting jobs were not routed", "error", err)
	}
	if err := s.Queues.SendWakeUps(ctx, wakeUps); err != nil {
		s.Logger.WarnContext(ctx, "could not send the wake-up message for a job; the next heartbeat will offer it", "error", err)
	}
}

// runnerOf checks a registration against the caller's token: a user's token is for that user's CLI, a runner's token says
// which labels its runner has and which projects it serves.
func runnerOf(p auth.Principal, in *waypointv1.RegisterRequest) (runners.Runner, error) {
	r := runners.Runner{ID: in.GetRunnerId(), Name: in.GetName(), Labels: in.GetLabels(), Kind: int32(in.GetKind()),
		Projects: projects.Bind(p.RunnerProjects()), Owner: p.TokenID, Concurrency: int64(max(in.GetConcurrency(), 1)), Version: in.GetVersion()}
	errs := []error{validate.ID("runner_id", r.ID), validate.Labels("labels", r.Labels)}
	if r.Name == "" || len(r.Name) > validate.MaxTokenName {
		errs = append(errs, invalid("name", "a runner's name must have 1 to %d characters", validate.MaxTokenName))
	}
	if r.Concurrency > concurrencyMost || len(r.Version) > validate.MaxTokenName {
		errs = append(errs, invalid("concurrency", "a runner runs at most %d jobs at once", concurrencyMost))
	}
	cli := in.GetKind() == waypointv1.RunnerKind_RUNNER_KIND_CLI
	known := cli || r.Standing() || in.GetKind() == waypointv1.RunnerKind_RUNNER_KIND_ON_DEMAND
	switch {
	case !known:
		errs = append(errs, invalid("kind", "the kind of runner is missing"))
	case cli != (p.Kind == waypointv1.TokenKind_TOKEN_KIND_USER):
		errs = append(errs, fault.New(connect.CodePermissionDenied, fault.PermissionDenied,
			"a user's token is for that user's CLI, and only a runner's token for other runners").
			WithHint("Make a runner token: `waypoint token create NAME --kind runner --project PROJECT`."))
	case ownLabels(p):
		for k, v := range r.Labels {
			if p.RunnerLabels[k] != v {
				errs = append(errs, fault.New(connect.CodePermissionDenied, fault.PermissionDenied,
					"the runner's token does not have the label %.80q, and a runner has the labels of its token", k+"="+v).
					WithHint("Make a token that has it: `waypoint token create NAME --kind runner --label KEY=VALUE`."))
				break
			}
		}
		r.Labels = maps.Clone(p.RunnerLabels)
	}
	return r, first(errs)
}

// ownLabels reports whether the caller's token alone says which labels its runner has. A CLI's labels open nothing: it
// claims what names it. A runner token that is older than the binding to projects and has no labels lets its runner
// name some, by which jobs may ask for it; configuration is not given by them.
func ownLabels(p auth.Principal) bool {
	return p.Kind == waypointv1.TokenKind_TOKEN_KIND_RUNNER && (!p.Unbound || len(p.RunnerLabels) > 0)
}

// registeredAs reports whether a runner is registered with what its token says now. A token that lives on by an identity
// of AWS can change: its runner then registers again, and gets into another pool.
func registeredAs(p auth.Principal, r runners.Runner) bool {
	now, then := p.RunnerProjects(), r.Projects.Read()
	return now.String() == then.String() && (!ownLabels(p) || maps.Equal(r.Labels, p.RunnerLabels))
}

// Beat notes that a runner lives, and answers with jobs that wait for it.
func (s *RunnerAgent) Beat(ctx context.Context, req *connect.Request[waypointv1.BeatRequest]) (*connect.Response[waypointv1.BeatResponse], error) {
	p, err := auth.Caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := validate.ID("runner_id", req.Msg.GetRunnerId()); err != nil {
		return nil, err
	}
	r, found, err := s.Runners.NoteSeen(ctx, req.Msg.GetRunnerId(), p.TokenID, int64(max(req.Msg.GetRunning(), 0)))
	if err != nil {
		return nil, err
	}
	out := &waypointv1.BeatResponse{Registered: found && registeredAs(p, r)}
	if !out.GetRegistered() || !r.Standing() || req.Msg.GetFree() <= 0 {
		return connect.NewResponse(out), nil
	}
	jobs, err := s.Dispatch.Waiting(ctx, r, p.RunnerProjects(), min(int(req.Msg.GetFree()), waitingMost))
	if err != nil {
		return nil, err
	}
	for _, m := range jobs {
		out.JobIds = append(out.JobIds, m.ID)
	}
	return connect.NewResponse(out), nil
}

// GetQueueCredentials vends keys for the queue of the runner's pool.
func (s *RunnerAgent) GetQueueCredentials(ctx context.Context, req *connect.Request[waypointv1.GetQueueCredentialsRequest]) (*connect.Response[waypointv1.GetQueueCredentialsResponse], error) {
	p, err := auth.Caller(ctx)
	if err != nil {
		return nil, err
	}
	id := req.Msg.GetRunnerId()
	if err := validate.ID("runner_id", id); err != nil {
		return nil, err
	}
	r, found, err := s.Runners.Get(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case !found || r.Owner != p.TokenID || !registeredAs(p, r):
		return nil, runners.NotFound(id)
	case !r.Standing():
		return nil, invalid("runner_id", "only a standing runner has a queue")
	}
	c, err := s.Queues.Credentials(ctx, r.Pool, id)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.GetQueueCredentialsResponse{
		AccessKeyId: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
		ExpiresUnix: c.Expires.Unix(), Region: c.Region, QueueUrl: c.QueueURL,
	}), nil
}

// ClaimJob gives a job to a runner, or says what to do with the message that named it.
func (s *RunnerAgent) ClaimJob(ctx context.Context, req *connect.Request[waypointv1.ClaimJobRequest]) (*connect.Response[waypointv1.ClaimJobResponse], error) {
	p, err := auth.Caller(ctx)
	if err != nil {
		return nil, err
	}
	in := req.Msg
	errs := []error{validate.ID("job_id", in.GetJobId()), validate.ID("runner_id", in.GetRunnerId())}
	if in.GetNonce() == "" || len(in.GetNonce()) > 64 {
		errs = append(errs, invalid("nonce", "a claim needs a nonce of 1 to 64 characters"))
	}
	if err := first(errs); err != nil {
		return nil, err
	}
	c, err := s.Jobs.Claim(ctx, s.Sealer, jobs.ClaimInput{
		JobID: in.GetJobId(), RunnerID: in.GetRunnerId(), Nonce: in.GetNonce(), Owner: p.TokenID,
		Projects: p.RunnerProjects(),
	})
	if err != nil {
		return nil, err
	}
	carryOut(ctx, s.Jobs, s.Queues, s.Logger, c.Grant.Decision)
	out := &waypointv1.ClaimJobResponse{RetryAfterMs: uint32(c.Grant.RetryAfter.Milliseconds())}
	switch c.Grant.Answer {
	case job.Claimed, job.Repeated:
		out.Outcome = waypointv1.ClaimJobResponse_OUTCOME_CLAIMED
	case job.Leased:
		out.Outcome = waypointv1.ClaimJobResponse_OUTCOME_LEASED
		return connect.NewResponse(out), nil
	case job.Over:
		out.Outcome = waypointv1.ClaimJobResponse_OUTCOME_ENDED
		return connect.NewResponse(out), nil
	default:
		out.Outcome = waypointv1.ClaimJobResponse_OUTCOME_NOT_READY
		return connect.NewResponse(out), nil
	}
	l := c.Grant.Lease
	out.Fence = &waypointv1.Fence{JobId: in.GetJobId(), Attempt: int32(l.Attempt), RunnerId: in.GetRunnerId()}
	out.Job, out.LaneFence, out.NextOutput = c.Job, c.Grant.LaneFence, l.NextOutput
	out.LeaseMs = leaseMS()
	if err := s.furnish(ctx, p, c, out); err != nil {
		return nil, err
	}
	return connect.NewResponse(out), nil
}

// A duration, not a time: runners compare it with their own monotonic clock only.
func leaseMS() uint32 { return uint32(job.LeaseTime.Milliseconds()) }

// Which secrets a claim gives, besides those that the job itself was queued with:
//
//	                          git credentials   runner configuration   sensitive input variables
//	runner with a runner      of the project's  by the labels of its   yes
//	token                     source            token
//	CLI, job with a local     no: it needs      on a local server;     yes: they are for the file
//	source                    none              none on a shared one   that it runs
//	CLI, any other job        no                no                     no
//
// A CLI's own runner never runs a job without a local source: who claims one asks for what it has no use for.

// furnish adds to a claim's answer what the runner needs besides the job: the source, its waypoint.hcl and its configuration.
func (s *RunnerAgent) furnish(ctx context.Context, p auth.Principal, c jobs.Claimed, out *waypointv1.ClaimJobResponse) error {
	spec := c.Job.GetSpec()
	local := spec.GetDataSource().GetLocal() != nil
	if err := s.source(ctx, c, out); err != nil {
		return err
	}
	target := config.Target{Workspace: spec.GetWorkspace(), Labels: p.RunnerLabels, RunnerID: c.Runner.ID}
	env, input, err := s.Configs.ForRunner(ctx, config.RunnerRequest{
		Project: spec.GetProject(), App: spec.GetApp(), Target: target, Matches: s.Matches,
		Sensitive: !c.Runner.CLI() || local, Runner: !c.Runner.CLI() || local && !s.Shared,
	}, s.Sealer)
	if err != nil {
		return err
	}
	out.RunnerEnv, out.SensitiveRunnerEnv, out.ServerVariables = env.Values, env.Sensitive, input
	if len(env.Withheld) > 0 && local {
		out.Notices = append(out.Notices, fmt.Sprintf("The configuration for runners (%s) is not given to a command that runs the job itself "+
			"on a shared server. Set these in the environment here, or run the job on a standing runner with -local=false.", strings.Join(env.Withheld, ", ")))
	}
	return nil
}

// source adds where the job's source is, and its waypoint.hcl. The credentials of the project's source are for runners with a
// runner token; those that a job was queued with belong to its user, who alone can claim it otherwise.
func (s *RunnerAgent) source(ctx context.Context, c jobs.Claimed, out *waypointv1.ClaimJobResponse) error {
	spec := c.Job.GetSpec()
	out.DataSource = spec.GetDataSource()
	if out.GetDataSource().GetLocal() != nil {
		return nil
	}
	if out.GetDataSource() == nil {
		src, err := s.Projects.DataSource(ctx, spec.GetProject(), s.Sealer)
		if err != nil {
			return err
		}
		out.DataSource = src
		if c.Runner.CLI() {
			out.DataSource = withoutCredentials(src)
		}
	}
	if len(spec.GetWaypointHcl()) == 0 { // one that the job brings is not sent twice: each may have half a message
		p, err := s.Projects.Get(ctx, spec.GetProject())
		if err != nil {
			return err
		}
		out.WaypointHcl = p.GetProject().GetWaypointHcl()
	}
	out.DataSource = override(out.GetDataSource(), spec.GetDataSourceOverrides())
	return nil
}

// withoutCredentials is a source as anybody may read it.
func withoutCredentials(src *waypointv1.DataSource) *waypointv1.DataSource {
	if src.GetGit() == nil {
		return src
	}
	out := proto.CloneOf(src)
	git := out.GetGit()
	git.Username, git.Password, git.PrivateKeyPem, git.PrivateKeyPassword = "", "", "", ""
	return out
}

// override applies a job's own choices to a git source. Credentials stay with the URL that they were given for.
func override(src *waypointv1.DataSource, with map[string]string) *waypointv1.DataSource {
	if src.GetGit() == nil || len(with) == 0 {
		return src
	}
	out := proto.CloneOf(src)
	git := out.GetGit()
	if ref, ok := with["ref"]; ok {
		git.Ref = ref
	}
	if path, ok := with["path"]; ok {
		git.Path = path
	}
	if url, ok := with["url"]; ok && url != git.GetUrl() {
		out = withoutCredentials(out)
		out.GetGit().Url = url
	}
	return out
}

// Deregister removes a runner that stops. An unknown one is not an error.
func (s *RunnerAgent) Deregister(ctx context.Context, req *connect.Request[waypointv1.DeregisterRequest]) (*connect.Response[waypointv1.DeregisterResponse], error) {
	p, err := auth.Caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := validate.ID("runner_id", req.Msg.GetRunnerId()); err != nil {
		return nil, err
	}
	if err := s.Runners.Drop(ctx, req.Msg.GetRunnerId(), p.TokenID); err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.DeregisterResponse{}), nil
}
