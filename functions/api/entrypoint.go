package api

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/config"
	"github.com/waypoint-serverless/waypoint/functions/internal/logs"
	"github.com/waypoint-serverless/waypoint/functions/internal/projects"
	"github.com/waypoint-serverless/waypoint/functions/internal/records"
	"github.com/waypoint-serverless/waypoint/functions/internal/selector"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Entrypoints answers the entrypoints inside apps. A token opens its own deployment and no other.
type Entrypoints struct {
	DB       *store.DB
	Records  *records.Store
	Projects *projects.Store
	Configs  *config.Store
	Logs     *logs.Store
	Sealer   store.Sealer
	// Logs bounds what is kept of an app's logs.
	Quota  *logs.Quota
	Logger *slog.Logger
	// ConfigEvery is how often an entrypoint asks for its configuration, LogsEvery how often at most one sends lines while
	// its app goes on printing and nobody reads; 0: the defaults. They never hold a read: a thousand idle apps would be a
	// thousand functions running.
	ConfigEvery, LogsEvery time.Duration
}

// How often entrypoints call where nothing else is set: each call costs money on AWS.
const (
	configEvery = 30 * time.Second
	logsEvery   = 15 * time.Second
	// logsTailed is while somebody reads the logs.
	logsTailed = time.Second
)

// RegisterInstance notes that an instance of the app has started, and answers its configuration.
func (s *Entrypoints) RegisterInstance(ctx context.Context, req *connect.Request[waypointv1.RegisterInstanceRequest]) (*connect.Response[waypointv1.RegisterInstanceResponse], error) {
	in := req.Msg
	if err := checkInstance(in.GetDeploymentId(), in.GetInstanceId()); err != nil {
		return nil, err
	}
	if err := validate.Size("version", len(in.GetVersion()), validate.MaxLabelValue); err != nil {
		return nil, err
	}
	if err := s.Logs.SeeInstance(ctx, in.GetDeploymentId(), in.GetInstanceId(), in.GetVersion()); err != nil {
		return nil, err
	}
	if err := s.report(ctx, in.GetDeploymentId(), in.GetInstanceId(), in.GetReport()); err != nil {
		return nil, err
	}
	config, err := s.config(ctx, in.GetDeploymentId())
	if err != nil {
		return nil, err
	}
	intervals, err := s.intervals(ctx, in.GetDeploymentId())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.RegisterInstanceResponse{Config: config, Intervals: intervals}), nil
}

func checkInstance(deployment, instance string) error {
	return first([]error{validate.ID("deployment_id", deployment), validate.ID("instance_id", instance)})
}

// GetAppConfig answers the app's configuration, or that it is unchanged: that costs one weak read (half a
// unit). Every few minutes it answers in full all the same, and notes that the instance lives.
func (s *Entrypoints) GetAppConfig(ctx context.Context, req *connect.Request[waypointv1.GetAppConfigRequest]) (*connect.Response[waypointv1.GetAppConfigResponse], error) {
	in := req.Msg
	if err := checkInstance(in.GetDeploymentId(), in.GetInstanceId()); err != nil {
		return nil, err
	}
	if err := s.report(ctx, in.GetDeploymentId(), in.GetInstanceId(), in.GetReport()); err != nil {
		return nil, err
	}
	tag, known := parseEtag(in.GetEtag())
	heartbeatDue := s.DB.Now().Unix()-tag.beat >= int64(logs.HeartbeatInterval.Seconds())
	if known && !heartbeatDue {
		clock, _, err := s.Configs.Clock(ctx)
		if err != nil {
			return nil, err
		}
		if clock == tag.clock {
			return connect.NewResponse(&waypointv1.GetAppConfigResponse{Unchanged: true}), nil
		}
	}
	if heartbeatDue {
		if err := s.Logs.SeeInstance(ctx, in.GetDeploymentId(), in.GetInstanceId(), ""); err != nil {
			return nil, err
		}
	}
	config, err := s.config(ctx, in.GetDeploymentId())
	if err != nil {
		return nil, err
	}
	intervals, err := s.intervals(ctx, in.GetDeploymentId())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.GetAppConfigResponse{Config: config, Intervals: intervals}), nil
}

// Bounds of a report. Entrypoints cut theirs to them.
const (
	problemsMost     = 20
	problemBytesMost = 500
)

// report keeps what an instance says of itself, if it says anything.
func (s *Entrypoints) report(ctx context.Context, deployment, instance string, r *waypointv1.InstanceReport) error {
	if r == nil {
		return nil
	}
	if len(r.GetProblems()) > problemsMost {
		return invalid("report.problems", "%d problems are too many: at most %d", len(r.GetProblems()), problemsMost)
	}
	for _, p := range r.GetProblems() {
		if err := validate.Size("report.problems", len(p), problemBytesMost); err != nil {
			return err
		}
	}
	return s.Logs.ReportInstance(ctx, deployment, instance, r.GetProblems())
}

// etag holds what an answer was made of: the clock of all configuration changes, and when the instance was
// last noted. It is no secret and no authority.
type etag struct{ clock, beat int64 }

func (e etag) String() string {
	return strconv.FormatInt(e.clock, 36) + "." + strconv.FormatInt(e.beat, 36)
}

func parseEtag(s string) (etag, bool) {
	clock, beat, ok := strings.Cut(s, ".")
	c, err := strconv.ParseInt(clock, 36, 64)
	if err != nil || !ok {
		return etag{}, false
	}
	b, err := strconv.ParseInt(beat, 36, 64)
	return etag{c, b}, err == nil
}

// config resolves and opens the variables of a deployment's app. The clock is read first: a change during
// the reads after it is answered again, never missed.
func (s *Entrypoints) config(ctx context.Context, deployment string) (*waypointv1.AppConfig, error) {
	clock, _, err := s.Configs.Clock(ctx)
	if err != nil {
		return nil, err
	}
	record, err := s.Records.ByID(ctx, records.Deployments, deployment)
	if err != nil {
		return nil, err
	}
	// The gate looked at the token a moment ago; this is the deployment itself, read strongly.
	if record.GetDeployment().GetPhysicalState() == waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED {
		return nil, auth.DeploymentEnded()
	}
	meta := record.GetDeployment().GetMeta()
	candidates, err := s.Configs.Candidates(ctx, meta.GetProject(), meta.GetApp(), false)
	if err != nil {
		return nil, err
	}
	target := config.Target{Workspace: meta.GetWorkspace(), Labels: withWorkspace(meta.GetLabels(), meta.GetWorkspace())}
	out := &waypointv1.AppConfig{Env: map[string]string{}, Files: map[string]string{}}
	for _, v := range config.Resolve(candidates, target, selector.Matches) {
		if v.GetInternal() {
			continue
		}
		if err := config.Open(ctx, s.Sealer, v); err != nil {
			return nil, err
		}
		if v.GetFile() {
			out.Files[v.GetName()] = v.GetValue()
		} else {
			out.Env[v.GetName()] = v.GetValue()
		}
	}
	if out.FileChangeSignal, err = s.Projects.FileChangeSignal(ctx, meta.GetProject(), meta.GetApp()); err != nil {
		return nil, err
	}
	out.Etag = etag{clock: clock, beat: s.DB.Now().Unix()}.String()
	return out, nil
}

func (s *Entrypoints) intervals(ctx context.Context, deployment string) (*waypointv1.Intervals, error) {
	tailed, err := s.Logs.Tailed(ctx, deployment)
	if err != nil {
		return nil, err
	}
	lines := cmp.Or(s.LogsEvery, logsEvery)
	if tailed {
		lines = min(lines, logsTailed)
	}
	return &waypointv1.Intervals{
		ConfigMs: uint32(cmp.Or(s.ConfigEvery, configEvery).Milliseconds()), LogsMs: uint32(lines.Milliseconds()),
	}, nil
}

// logLinesMost bounds a batch of log lines; entrypoints send at 64 KB.
const logLinesMost = 20_000

// PutLogs appends log lines. A repeat of a batch, told by instance and sequence, is harmless.
func (s *Entrypoints) PutLogs(ctx context.Context, req *connect.Request[waypointv1.PutLogsRequest]) (*connect.Response[waypointv1.PutLogsResponse], error) {
	in := req.Msg
	if err := checkInstance(in.GetDeploymentId(), in.GetInstanceId()); err != nil {
		return nil, err
	}
	if err := checkLogs(in); err != nil {
		return nil, err
	}
	verdict, err := s.Quota.Admit(ctx, in)
	if err != nil {
		return nil, err
	}
	if verdict.Hold > 0 && verdict.Batch != nil {
		s.Logger.WarnContext(ctx, "an app has logged too much today", "deployment", in.GetDeploymentId(), "instance", in.GetInstanceId(),
			"lines", len(in.GetLines()), "dropped", in.GetDropped())
	}
	if verdict.Batch != nil {
		if err := s.Logs.Put(ctx, verdict.Batch); err != nil {
			return nil, err
		}
	}
	intervals, err := s.intervals(ctx, in.GetDeploymentId())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.PutLogsResponse{Intervals: intervals, HoldMs: uint32(verdict.Hold.Milliseconds())}), nil
}

func checkLogs(in *waypointv1.PutLogsRequest) error {
	if in.GetSequence() < 0 || in.GetSequence() > logs.MaxSequence {
		return invalid("sequence", "batches count from 0 to %d", int64(logs.MaxSequence))
	}
	if len(in.GetLines()) > logLinesMost {
		return fault.New(connect.CodeInvalidArgument, fault.TooLarge, "%d lines are too many for one batch: at most %d", len(in.GetLines()), logLinesMost)
	}
	if err := validate.Size("lines", int(logs.LinesBytes(in)), validate.MaxAppendBytes); err != nil {
		return fmt.Errorf("accepting logs: %w", err)
	}
	return nil
}
