// Package lifecycle runs one claimed job from its source to its result: fetch the source, evaluate waypoint.hcl,
// run the operation's steps through plugins, and keep the server's records of them.
//
// It writes to the server only what its fence allows, begins no step without a fresh lease, and resumes after the
// last step that an earlier attempt finished. Claiming, renewing, output and completion are the runner's.
package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/api/waypoint/v1/waypointv1connect"
	"github.com/waypoint-serverless/waypoint/runner/guard"
	"github.com/waypoint-serverless/waypoint/runner/lease"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// Server is what a job calls.
type Server struct {
	Agent       waypointv1connect.RunnerAgentServiceClient
	Projects    waypointv1connect.ProjectServiceClient
	Builds      waypointv1connect.BuildServiceClient
	Artifacts   waypointv1connect.ArtifactServiceClient
	Deployments waypointv1connect.DeploymentServiceClient
	Releases    waypointv1connect.ReleaseServiceClient
}

// Host is the runner that a job runs on.
type Host struct {
	Server  Server
	Catalog *catalog.Catalog
	Logger  *slog.Logger
	// StateDir outlives jobs; Entrypoint is a waypoint-entrypoint binary, or empty.
	StateDir, Entrypoint string
	// EntrypointServerAddr is what deployed apps use to reach the API.
	EntrypointServerAddr string
	// LocalServer, Sealer and ServerID: see plugin.Host.
	LocalServer plugin.LocalServer
	Sealer      plugin.Sealer
	ServerID    func(ctx context.Context) (string, error)
	// LocalDir is what a local source means; empty on standing runners.
	LocalDir string
	// BeforeDeploy, if set, is awaited before a job changes what runs: others are to be through before. It returns the
	// cause of ctx when that ends.
	BeforeDeploy func(ctx context.Context) error
	// Environ is the runner's environment; Hostname its machine's name.
	Environ  []string
	Hostname string
	Now      func() time.Time
	// EntrypointDigest may be shared by several runners of a process.
	EntrypointDigest *EntrypointDigest
}

// Outcome of a run. Exactly one of these holds: Stale, HandBack, Err set, or the job succeeded.
type Outcome struct {
	Result *waypointv1.JobResult
	Err    *waypointv1.JobError
	// HandBack: the job stopped between two steps because the runner drains.
	HandBack bool
	// Stale: the lease is lost; nothing may be written.
	Stale bool
}

// UI is the job's output. Flush returns when what was shown before it is with the server, or never will be.
type UI interface {
	plugin.UI
	Flush(ctx context.Context) error
	// Next is how many positions of output were accepted, from all attempts.
	Next() int64
}

// errHandBack stops a job between two steps.
var errHandBack = errors.New("the runner drains")

// job is one run: its operations and the stages that act for them. What it stands on is in layers, each of which knows
// those below alone: attempt (the claim, its steps and calls), records (what the server keeps), evaluation (source and
// waypoint.hcl) and stages (a stage of the app and its plugin). reports and removals stand beside it, on the stages.
type job struct {
	*stages
	reports  *reports
	removals *removals
	// given is the artifact that was made for the job before; nil: the job made its own.
	given *waypointv1.Artifact
}

func newJob(h *Host, claim *waypointv1.ClaimJobResponse, renewer *lease.Renewer, ui UI, secrets *redact.Secrets, drain <-chan struct{}) *job {
	a := &attempt{
		h: h, claim: claim, spec: claim.GetJob().GetSpec(), ui: ui, lease: renewer, drain: drain, secrets: secrets, log: secrets.Logger(h.Logger),
		result: &waypointv1.JobResult{},
	}
	s := &stages{&evaluation{
		records: &records{attempt: a}, environ: environment(h.Environ, claim.GetRunnerEnv()), appEnviron: plugin.AppEnviron(h.Environ),
	}, fingerprints{}}
	return &job{stages: s, reports: &reports{s}, removals: &removals{s}}
}

// Run runs the job. ctx bounds everything, writes included; what the lease says stops the plugins alone. drain, when
// closed, stops the job before its next step. secrets, which ui hides too, is filled with the job's sensitive values.
func Run(
	ctx context.Context, h *Host, claim *waypointv1.ClaimJobResponse, renewer *lease.Renewer, ui UI, secrets *redact.Secrets, drain <-chan struct{},
) Outcome {
	j := newJob(h, claim, renewer, ui, secrets, drain)
	j.learn()
	err := j.run(ctx)
	switch {
	case err == nil:
		return Outcome{Result: j.result}
	case errors.Is(err, lease.ErrStale):
		return Outcome{Stale: true}
	case errors.Is(err, errHandBack):
		return Outcome{HandBack: true}
	}
	return Outcome{Result: j.result, Err: jobError(err, j.current, secrets)}
}

func (j *job) run(ctx context.Context) error {
	if j.spec.GetOperation().GetNoop() != nil {
		return j.lease.Ready(ctx)
	}
	temp, err := newJobDir()
	if err != nil {
		return err
	}
	defer func() {
		if err := temp.remove(); err != nil {
			j.log.WarnContext(ctx, "could not remove a job's directory", "error", err)
		}
	}()
	j.temp = temp.path
	for _, notice := range j.claim.GetNotices() {
		j.ui.Line(plugin.Warning, "%s", notice)
	}
	defer guard.From(ctx).Dir(temp.path)() // a runner that is killed cannot remove it
	defer func() {
		if j.stopEvaluating != nil {
			j.stopEvaluating()
		}
	}()
	if err := j.prepare(ctx); err != nil {
		return err
	}
	return j.operate(ctx)
}

// operate runs the operation's steps.
func (j *job) operate(ctx context.Context) error {
	switch op := j.spec.GetOperation().GetOperation().(type) {
	case *waypointv1.Operation_Init:
		return j.init(ctx)
	case *waypointv1.Operation_Build:
		_, err := j.buildAndPush(ctx, !op.Build.GetDisablePush())
		return err
	case *waypointv1.Operation_Push:
		build, err := j.findBuild(ctx, op.Push.GetBuildId())
		if err != nil {
			return err
		}
		_, err = j.push(ctx, build)
		return err
	case *waypointv1.Operation_Deploy:
		return j.deployOperation(ctx, op.Deploy)
	case *waypointv1.Operation_Release:
		return j.releaseOperation(ctx, op.Release)
	case *waypointv1.Operation_Up:
		return j.up(ctx, op.Up)
	case *waypointv1.Operation_Destroy:
		return j.removals.destroy(ctx, op.Destroy)
	case *waypointv1.Operation_Status:
		return j.reports.status(ctx, op.Status)
	}
	return &failure{
		reason: "INVALID_ARGUMENT", message: "this runner does not know the job's operation",
		hint: "Upgrade the runner.",
	}
}

// up is build, push, deploy, release in one job. What serves and would be made again is left as it is.
func (j *job) up(ctx context.Context, op *waypointv1.UpOp) error {
	var artifact *waypointv1.Artifact
	if j.finished(stepDeploy) == nil {
		var err error
		if artifact, err = j.artifactFor(ctx, op); err != nil {
			return err
		}
		if !op.GetForce() {
			if done, err := j.upToDate(ctx, artifact, op.GetPrune()); done || err != nil {
				return err
			}
		}
	}
	deployment, err := j.deploy(ctx, artifact)
	if err != nil {
		return err
	}
	return j.release(ctx, deployment, false, op.GetPrune())
}

func (j *job) deployOperation(ctx context.Context, op *waypointv1.DeployOp) error {
	var artifact *waypointv1.Artifact
	if j.finished(stepDeploy) == nil {
		var err error
		if artifact, err = j.findArtifact(ctx, op.GetArtifactId()); err != nil {
			return err
		}
	}
	deployment, err := j.deploy(ctx, artifact)
	if err != nil || !op.GetRelease() {
		return err
	}
	return j.release(ctx, deployment, false, op.GetPrune())
}

func (j *job) releaseOperation(ctx context.Context, op *waypointv1.ReleaseOp) error {
	deployment, err := j.findDeployment(ctx, op.GetDeploymentId())
	if err != nil {
		return err
	}
	return j.release(ctx, deployment, op.GetRepeat(), op.GetPrune())
}

// artifactFor returns the artifact that was made for an up, if this runner can reach it, or makes one.
func (j *job) artifactFor(ctx context.Context, op *waypointv1.UpOp) (*waypointv1.Artifact, error) {
	if op.GetArtifactId() == "" {
		return j.buildAndPush(ctx, true)
	}
	artifact, err := j.findArtifact(ctx, op.GetArtifactId())
	if err != nil && !missing(err) {
		return nil, err
	}
	if err != nil || j.reachable("artifact", artifact.GetMeta(), artifact.GetResult()) != nil {
		return j.buildAndPush(ctx, true)
	}
	j.result.Artifact, j.given = artifact, artifact
	return artifact, nil
}

// buildAndPush makes the artifact, or loads what an earlier attempt made and this runner can use.
func (j *job) buildAndPush(ctx context.Context, push bool) (*waypointv1.Artifact, error) {
	if done := j.finished(stepPush); done != nil {
		artifact, err := j.findArtifact(ctx, done.GetRecordId())
		if err != nil {
			return nil, err
		}
		if artifact.GetResult().GetPortable() {
			j.result.Artifact = artifact
			return artifact, nil
		}
	}
	build, err := j.build(ctx)
	if err != nil || !push {
		return nil, err
	}
	return j.push(ctx, build)
}
