package api

import (
	"context"
	"log/slog"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/audit"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/queue"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Jobs queues, shows and cancels jobs.
type Jobs struct {
	DB     *store.DB
	Jobs   *jobs.Store
	Sealer store.Sealer
	Queues *queue.Queues
	Logger *slog.Logger
}

// maxExpiry bounds a queue expiry: a year.
const maxExpiry = 366 * 24 * 3600

// QueueJob queues a job. Under an idempotency key a repeat finds the job that the first request made.
func (s *Jobs) QueueJob(ctx context.Context, req *connect.Request[waypointv1.QueueJobRequest]) (*connect.Response[waypointv1.QueueJobResponse], error) {
	spec := req.Msg.GetSpec()
	if err := checkSpec(spec); err != nil {
		return nil, err
	}
	m, err := person(ctx, s.DB, spec.GetProject(), req)
	if err != nil {
		return nil, err
	}
	if spec.GetWorkspace() == "" {
		spec.Workspace = workspaceOr("")
	}
	id, err := s.DB.NewID()
	if err != nil {
		return nil, err
	}
	audit, err := m.audit(map[string]string{"job": id, "operation": jobs.OperationName(spec.GetOperation()), "app": spec.GetApp(), "workspace": spec.GetWorkspace()})
	if err != nil {
		return nil, err
	}
	queued, err := s.Jobs.Queue(ctx, s.Sealer, jobs.NewJob{
		ID: id, Spec: spec, Owner: m.principal.TokenID, QueuedBy: m.principal.Name, Intent: m.intent, Audit: audit,
		MayFollow: func(project string) bool { return m.principal.May(auth.JobRead, project) },
	})
	if err != nil {
		return nil, err
	}
	if queued.Earlier != "" {
		earlier, _, _, err := s.Jobs.Get(ctx, queued.Earlier)
		if err != nil {
			return nil, err
		}
		return connect.NewResponse(&waypointv1.QueueJobResponse{Job: earlier}), nil
	}
	carryOut(ctx, s.Jobs, s.Queues, s.Logger, queued.Decision)
	out := jobs.Proto(queued.Meta)
	out.Spec = jobs.PublicSpec(spec)
	return connect.NewResponse(&waypointv1.QueueJobResponse{Job: out}), nil
}

// carryOut does what is owed after a decision was committed. What fails here the sweep does within a minute, so that the
// caller's answer stands.
func carryOut(ctx context.Context, j *jobs.Store, q *queue.Queues, log *slog.Logger, d job.Decision) {
	if err := q.SendWakeUps(ctx, d.WakeUps); err != nil {
		log.WarnContext(ctx, "could not send the wake-up message for a job; the next heartbeat will offer it", "error", err)
	}
	wakeUps, err := j.Follow(ctx, d)
	if err != nil {
		log.WarnContext(ctx, "dependents were not settled", "error", err)
	}
	if err := q.SendWakeUps(ctx, wakeUps); err != nil {
		log.WarnContext(ctx, "could not send the wake-up message for a job; the next heartbeat will offer it", "error", err)
	}
}

// GetJob says everything of a job but its output.
func (s *Jobs) GetJob(ctx context.Context, req *connect.Request[waypointv1.GetJobRequest]) (*connect.Response[waypointv1.GetJobResponse], error) {
	if err := validate.ID("id", req.Msg.GetId()); err != nil {
		return nil, err
	}
	out, m, lease, err := s.Jobs.Get(ctx, req.Msg.GetId())
	if err != nil {
		return nil, err
	}
	if _, err := auth.RequireOf(ctx, auth.JobRead, m.Project, "job "+m.ID); err != nil {
		return nil, err
	}
	if out.WhyNot, err = s.Jobs.WhyNot(ctx, m, lease); err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.GetJobResponse{Job: out}), nil
}

// ListJobs lists a project's jobs, newest first. A filter that few jobs pass can make a page shorter than asked.
func (s *Jobs) ListJobs(ctx context.Context, req *connect.Request[waypointv1.ListJobsRequest]) (*connect.Response[waypointv1.ListJobsResponse], error) {
	in := req.Msg
	if err := validate.Name("project", in.GetProject()); err != nil {
		return nil, err
	}
	filter := jobs.Filter{App: in.GetApp(), Workspace: in.GetWorkspace(), States: map[job.State]bool{}}
	for _, state := range in.GetStates() {
		if jobs.StateOf(state) == "" {
			return nil, invalid("states", "the job state %d does not exist", state)
		}
		filter.States[jobs.StateOf(state)] = true
	}
	found, next, err := s.Jobs.List(ctx, in.GetProject(), filter, validate.PageSize(in.GetPage().GetSize()), in.GetPage().GetToken())
	if err != nil {
		return nil, err
	}
	out := &waypointv1.ListJobsResponse{NextPageToken: next}
	for _, m := range found {
		out.Jobs = append(out.Jobs, jobs.Proto(m))
	}
	return connect.NewResponse(out), nil
}

// CancelJob cancels a queued job at once, and asks a running one to stop, or ends it by force. A job that has ended
// is answered as it is.
func (s *Jobs) CancelJob(ctx context.Context, req *connect.Request[waypointv1.CancelJobRequest]) (*connect.Response[waypointv1.CancelJobResponse], error) {
	id := req.Msg.GetId()
	if err := validate.ID("id", id); err != nil {
		return nil, err
	}
	meta, err := s.Jobs.Meta(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := auth.RequireOf(ctx, auth.JobCancel, meta.Project, "job "+id); err != nil {
		return nil, err
	}
	m, err := person(ctx, s.DB, meta.Project, req)
	if err != nil {
		return nil, err
	}
	facts := map[string]string{"job": id}
	if req.Msg.GetForce() {
		facts["force"] = "true"
	}
	audit, err := m.audit(facts)
	if err != nil {
		return nil, err
	}
	d, err := s.Jobs.Cancel(ctx, jobs.Cancellation{JobID: id, Force: req.Msg.GetForce(), By: m.principal.Name, Intent: m.intent, Audit: audit})
	if err != nil {
		return nil, err
	}
	carryOut(ctx, s.Jobs, s.Queues, s.Logger, d)
	out, _, _, err := s.Jobs.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.CancelJobResponse{Job: out}), nil
}

// audit is the entry of the mutation, for those that write it themselves.
func (m mutation) audit(facts map[string]string) (*audit.Entry, error) {
	id, err := m.db.NewID()
	if err != nil {
		return nil, err
	}
	return &audit.Entry{ID: id, PrincipalID: m.principal.TokenID, PrincipalName: m.principal.Name, Method: m.method,
		Project: m.project, Facts: facts}, nil
}

// checkSpec checks names and limits of a job.
func checkSpec(spec *waypointv1.JobSpec) error {
	if spec == nil {
		return invalid("spec", "the job is missing")
	}
	errs := []error{validate.Name("project", spec.GetProject())}
	if spec.GetApp() != "" {
		errs = append(errs, validate.Name("app", spec.GetApp()))
	}
	if spec.GetWorkspace() != "" {
		errs = append(errs, validate.Workspace(spec.GetWorkspace()))
	}
	if jobs.OperationName(spec.GetOperation()) == "" {
		errs = append(errs, invalid("operation", "the operation is missing"))
	}
	errs = append(errs,
		validate.Labels("labels", spec.GetLabels()),
		validate.Labels("target.labels", spec.GetTarget().GetLabels().GetLabels()),
		validate.Size("waypoint_hcl", len(spec.GetWaypointHcl()), validate.MaxWaypointHCL),
		CheckDataSource(spec.GetDataSource()),
		validate.Size("the job", proto.Size(spec), validate.MaxJobSpec),
		checkTarget(spec), checkVariablesGiven(spec.GetVariables()), checkDependencies(spec), checkOverrides(spec.GetDataSourceOverrides()),
	)
	if s := spec.GetExpiresInSeconds(); s < 0 || s > maxExpiry {
		errs = append(errs, invalid("expires_in_seconds", "a job cannot expire after %d seconds", s))
	}
	if n := len(spec.GetSingletonId()); n > 256 {
		errs = append(errs, invalid("singleton_id", "the singleton id has %d characters: at most 256", n))
	}
	return first(errs)
}

func checkTarget(spec *waypointv1.JobSpec) error {
	id := spec.GetTarget().GetRunnerId()
	if id != "" {
		return validate.ID("target.runner_id", id)
	}
	if spec.GetDataSource().GetLocal() != nil {
		return invalid("target", "a job with a local source must name the runner that has the source")
	}
	return nil
}

func checkVariablesGiven(vars []*waypointv1.Variable) error {
	if len(vars) > validate.MaxVariables {
		return invalid("variables", "%d variables are too many: at most %d", len(vars), validate.MaxVariables)
	}
	total := 0
	for _, v := range vars {
		if v.GetName() == "" || len(v.GetName()) > 256 {
			return invalid("variables", "a variable's name must have 1 to 256 characters")
		}
		total += len(v.GetName()) + len(v.GetValue()) + len(v.GetOrigin())
		if err := validate.Size("variable "+v.GetName(), len(v.GetValue()), validate.MaxConfigValue); err != nil {
			return err
		}
	}
	return validate.Size("all variables of the job together", total, validate.MaxJobVariables)
}

func checkDependencies(spec *waypointv1.JobSpec) error {
	if n := len(spec.GetDependsOn()); n > validate.MaxDependencies {
		return invalid("depends_on", "%d dependencies are too many: at most %d", n, validate.MaxDependencies)
	}
	seen := map[string]bool{}
	for _, id := range spec.GetDependsOn() {
		if err := validate.ID("depends_on", id); err != nil {
			return err
		}
		if seen[id] {
			return invalid("depends_on", "the job depends on %s twice", id)
		}
		seen[id] = true
	}
	for _, id := range spec.GetDependsOnAllowFailure() {
		if !seen[id] {
			return invalid("depends_on_allow_failure", "the job does not depend on %.40q", id)
		}
	}
	return nil
}

func checkOverrides(overrides map[string]string) error {
	for field, value := range overrides {
		switch field {
		case "ref", "username", "ignore_changes_outside_path", "recurse_submodules": // the runner reads them
		case "url":
			clean, _, _, err := validate.SplitGitURL("data_source_overrides.url", value)
			if err != nil {
				return err
			}
			if clean != value { // overrides are shown with the job
				return invalid("data_source_overrides.url", "the URL contains a user name or password").
					WithHint("Give the credentials to the project's data source; they are used for every URL of its host.")
			}
		case "path":
			if err := validate.RelativePath("data_source_overrides.path", value); err != nil {
				return err
			}
		default:
			return invalid("data_source_overrides", "the source's %.40q cannot be overridden", field).WithHint("These can: ref, path, url, username, ignore_changes_outside_path, recurse_submodules.")
		}
	}
	return nil
}
