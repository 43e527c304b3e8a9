package api

import (
	"context"
	"io"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/config"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/logs"
	"github.com/waypoint-serverless/waypoint/functions/internal/projects"
	"github.com/waypoint-serverless/waypoint/functions/internal/records"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
	"github.com/waypoint-serverless/waypoint/functions/internal/tokens"
)

// RecordWrites is the part of the runner's service that writes what operations leave. Every write stands
// under the fence of the job that it is for: a runner writes to the job that it claimed and to nothing else.
type RecordWrites struct {
	DB      *store.DB
	Jobs    *jobs.Store
	Records *records.Store
	Writer  *records.Writer
	Tokens  *tokens.Store
	Configs *config.Store
	// Projects keeps the apps' file_change_signal, and has the sources of their projects.
	Projects *projects.Store
	Logs     *logs.Store
	Sealer   store.Sealer
	// Rand is where tokens come from. It must be safe for concurrent use.
	Rand io.Reader
}

// fenced finds the caller, its fence and the job that it writes for. The job's project, app and workspace never
// change, so that a weak read does; whether the lease holds is decided in the write's own transaction.
func (s *RecordWrites) fenced(ctx context.Context, f *waypointv1.Fence) (auth.Principal, jobs.Fence, job.Meta, error) {
	p, err := auth.Caller(ctx)
	if err != nil {
		return p, jobs.Fence{}, job.Meta{}, err
	}
	if err := validate.ID("fence.job_id", f.GetJobId()); err != nil {
		return p, jobs.Fence{}, job.Meta{}, err
	}
	meta, err := s.Jobs.Meta(ctx, f.GetJobId())
	if err != nil {
		return p, jobs.Fence{}, job.Meta{}, err
	}
	fence := fenceOf(p, f)
	if !fence.MayRead(meta.Project) {
		return p, fence, job.Meta{}, s.Jobs.StaleLease(ctx, fence) // before a refusal could name what the job is about
	}
	return p, fence, meta, nil
}

// staleLease words the loss of a lease; other errors pass.
func (s *RecordWrites) staleLease(ctx context.Context, fence jobs.Fence, err error) error {
	if jobs.FenceLost(err) {
		return s.Jobs.StaleLease(ctx, fence)
	}
	return err
}

// PutRecord writes a build, artifact, deployment or release of the job.
func (s *RecordWrites) PutRecord(ctx context.Context, req *connect.Request[waypointv1.PutRecordRequest]) (*connect.Response[waypointv1.PutRecordResponse], error) {
	_, fence, of, err := s.fenced(ctx, req.Msg.GetFence())
	if err != nil {
		return nil, err
	}
	if err := checkRecord(req.Msg.GetRecord(), of); err != nil {
		return nil, err
	}
	sealed, err := s.sealFingerprint(ctx, req.Msg.GetRecord(), req.Msg.GetFingerprint())
	if err != nil {
		return nil, err
	}
	record, err := s.Writer.Put(ctx, fence, req.Msg.GetRecord(), sealed)
	if err != nil {
		return nil, s.staleLease(ctx, fence, err)
	}
	return connect.NewResponse(&waypointv1.PutRecordResponse{Record: record}), nil
}

// checkRecord checks a record and fills in what it leaves out: whose it is. A job may replace a record that an
// earlier job made (a destroy changes a deployment's physical state), but only in its own project, app and workspace.
func checkRecord(r *waypointv1.Record, of job.Meta) error {
	_, meta, _ := records.Parts(r)
	if meta == nil {
		return invalid("record", "the record, or its meta data, is missing")
	}
	short := validate.ShortMeta(meta)
	meta.Error, meta.Source = short.GetError(), short.GetSource()
	if meta.GetProject() == "" {
		meta.Project = of.Project
	}
	if meta.GetApp() == "" {
		meta.App = of.App
	}
	if meta.GetWorkspace() == "" {
		meta.Workspace = of.Workspace
	}
	if meta.GetJobId() == "" {
		meta.JobId = of.ID
	}
	errs := []error{
		validate.ID("record.meta.id", meta.GetId()),
		validate.ID("record.meta.job_id", meta.GetJobId()),
		validate.Name("app", meta.GetApp()),
		validate.Labels("record.meta.labels", meta.GetLabels()),
	}
	switch {
	case meta.GetProject() != of.Project, meta.GetWorkspace() != of.Workspace, of.App != "" && meta.GetApp() != of.App:
		errs = append(errs, fault.New(connect.CodePermissionDenied, fault.PermissionDenied,
			"job %s writes records of %s/%s in workspace %s only", of.ID, of.Project, of.App, of.Workspace))
	case meta.GetSequence() < 0:
		errs = append(errs, invalid("record.meta.sequence", "sequences count from 1"))
	case meta.GetState() == waypointv1.RecordState_RECORD_STATE_UNSPECIFIED:
		errs = append(errs, invalid("record.meta.state", "the state of the record is missing"))
	}
	return first(errs)
}

// PutStatusReport keeps what a job found out about a deployment or release.
func (s *RecordWrites) PutStatusReport(ctx context.Context, req *connect.Request[waypointv1.PutStatusReportRequest]) (*connect.Response[waypointv1.PutStatusReportResponse], error) {
	_, fence, of, err := s.fenced(ctx, req.Msg.GetFence())
	if err != nil {
		return nil, err
	}
	report := validate.ShortStatus(req.Msg.GetReport())
	kind, id := records.Deployments, report.GetDeploymentId()
	if report.GetReleaseId() != "" {
		kind, id = records.Releases, report.GetReleaseId()
	}
	if _, err := s.ofJob(ctx, kind, id, of); err != nil {
		return nil, err
	}
	if kind == records.Deployments {
		if report.Instances, err = s.Logs.CountLive(ctx, id); err != nil {
			return nil, err
		}
	}
	if err := s.Writer.PutStatus(ctx, fence, report); err != nil {
		return nil, s.staleLease(ctx, fence, err)
	}
	return connect.NewResponse(&waypointv1.PutStatusReportResponse{}), nil
}

// ofJob finds a record that belongs to the job's project, app and workspace.
func (s *RecordWrites) ofJob(ctx context.Context, kind records.Kind, id string, of job.Meta) (*waypointv1.Record, error) {
	if err := validate.ID(kind.String()+"_id", id); err != nil {
		return nil, err
	}
	record, err := s.Records.Recent(ctx, kind, of.Project, of.App, id)
	if err != nil {
		return nil, err
	}
	_, meta, _ := records.Parts(record)
	if meta.GetProject() != of.Project || meta.GetWorkspace() != of.Workspace || (of.App != "" && meta.GetApp() != of.App) {
		return nil, records.NotFound(kind, "with the id "+id+" in the job's app and workspace")
	}
	return record, nil
}

// CreateEntrypointToken makes a token that opens one deployment of the job, in place of the one that an earlier attempt
// got. It has no time of its own to expire, since a deployment may run for years: it ends with the attempt unless the
// deployment is recorded as made, and with the deployment; it can be revoked before.
func (s *RecordWrites) CreateEntrypointToken(ctx context.Context, req *connect.Request[waypointv1.CreateEntrypointTokenRequest]) (*connect.Response[waypointv1.CreateEntrypointTokenResponse], error) {
	p, fence, of, err := s.fenced(ctx, req.Msg.GetFence())
	if err != nil {
		return nil, err
	}
	deployment := req.Msg.GetDeploymentId()
	record, err := s.ofJob(ctx, records.Deployments, deployment, of)
	if err != nil {
		return nil, err
	}
	id, err := s.DB.NewID()
	if err != nil {
		return nil, err
	}
	tok := &waypointv1.Token{
		Id: id, Kind: waypointv1.TokenKind_TOKEN_KIND_ENTRYPOINT, Name: "deployment " + deployment,
		CreatedUnix: s.DB.Now().Unix(), DeploymentId: deployment, CreatedBy: p.Name,
	}
	secret, hash, err := newSecret(tok, s.Rand)
	if err != nil {
		return nil, err
	}
	if err := s.Tokens.IssueForEntrypoint(ctx, tokens.EntrypointToken{Token: tok, Hash: hash, Fence: fence, Deployment: record}); err != nil {
		return nil, s.staleLease(ctx, fence, err)
	}
	return connect.NewResponse(&waypointv1.CreateEntrypointTokenResponse{Token: secret}), nil
}

// signalMost bounds the name of a signal; the longest that Linux knows has nine characters.
const signalMost = 32

// SyncConfig sets what waypoint.hcl's config stanzas say. Keys that are not in the file stay (reference §8).
func (s *RecordWrites) SyncConfig(ctx context.Context, req *connect.Request[waypointv1.SyncConfigRequest]) (*connect.Response[waypointv1.SyncConfigResponse], error) {
	p, fence, of, err := s.fenced(ctx, req.Msg.GetFence())
	if err != nil {
		return nil, err
	}
	vars := make([]*waypointv1.ConfigVariable, len(req.Msg.GetEntries()))
	for i, e := range req.Msg.GetEntries() {
		scope := &waypointv1.ConfigScope{Level: levelProject, Project: of.Project, Workspace: e.GetWorkspace()}
		if e.GetAppScope() {
			scope.Level, scope.App = levelApp, of.App
		}
		vars[i] = &waypointv1.ConfigVariable{Name: e.GetName(), Value: e.GetValue(), Internal: e.GetInternal(), File: e.GetFile(), Sensitive: e.GetSensitive(), Scope: scope}
	}
	if len(vars) > 0 {
		if _, err := checkVariables(vars); err != nil {
			return nil, err
		}
	}
	// The signal first: entrypoints are told of it with the variables.
	if req.Msg.FileChangeSignal != nil && of.App != "" {
		signal := req.Msg.GetFileChangeSignal()
		if err := validate.Size("file_change_signal", len(signal), signalMost); err != nil {
			return nil, err
		}
		if err := s.Projects.SetFileChangeSignal(ctx, of.Project, of.App, signal, jobs.FenceCheck(fence)); err != nil {
			return nil, s.staleLease(ctx, fence, err)
		}
	}
	if _, err := s.Configs.Set(ctx, config.Change{Variables: vars, InParts: true, By: p.Name}, s.Sealer, []store.Action{jobs.FenceCheck(fence)}, nil); err != nil {
		return nil, s.staleLease(ctx, fence, err)
	}
	return connect.NewResponse(&waypointv1.SyncConfigResponse{}), nil
}
