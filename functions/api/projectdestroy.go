package api

import (
	"context"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/config"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/logs"
	"github.com/waypoint-serverless/waypoint/functions/internal/projects"
	"github.com/waypoint-serverless/waypoint/functions/internal/records"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
	"github.com/waypoint-serverless/waypoint/functions/internal/tokens"
)

// Remains are the stores that hold what a project leaves when it goes.
type Remains struct {
	Dispatch *jobs.Dispatcher
	Records  *records.Store
	Logs     *logs.Store
	Configs  *config.Store
	Tokens   *tokens.Store
}

// removedPerCall bounds a call's work: some 20 transactions, a second or two on AWS.
const removedPerCall = 2000

// DestroyProject removes a project, one stage or bounded part a call: see package projects. The first call only marks it, and the
// next looks for jobs again: by then the index shows one that was queued just before the mark.
func (s *Projects) DestroyProject(ctx context.Context, req *connect.Request[waypointv1.DestroyProjectRequest]) (*connect.Response[waypointv1.DestroyProjectResponse], error) {
	name := req.Msg.GetName()
	if err := validate.Name("project", name); err != nil {
		return nil, err
	}
	m, err := person(ctx, s.DB, name, req)
	if err != nil {
		return nil, err
	}
	stage, err := s.Projects.DestroyStage(ctx, name)
	if err != nil {
		return nil, err
	}
	out := &waypointv1.DestroyProjectResponse{}
	switch stage {
	case projects.NotDestroying:
		err = s.mark(ctx, m, req.Msg)
	case projects.Marked:
		if err = s.inUse(ctx, req.Msg); err != nil {
			if back := s.Projects.Unmark(ctx, name); back != nil {
				return nil, back
			}
			return nil, err
		}
		err = s.Projects.BeginRemoval(ctx, name)
	case projects.Removing:
		out.Removed, out.Done, err = s.remove(ctx, m, name)
	}
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(out), nil
}

func (s *Projects) mark(ctx context.Context, m mutation, in *waypointv1.DestroyProjectRequest) error {
	if err := s.inUse(ctx, in); err != nil {
		return err
	}
	actions, err := m.actions(map[string]string{"project": in.GetName()}, map[string]string{"project": in.GetName(), "stage": "begin"})
	if err != nil {
		return err
	}
	_, _, err = m.repeat(s.DB.Transact(ctx, *new(store.Tx).Add(actions...).Add(projects.MarkDestroying(in.GetName()))))
	if projects.StageTaken(err) {
		return nil // by somebody else: the next call goes on
	}
	return err
}

// inUse refuses a project of which a job has not ended, or something still runs.
func (s *Projects) inUse(ctx context.Context, in *waypointv1.DestroyProjectRequest) error {
	name := in.GetName()
	job, unfinished, err := s.Remains.Dispatch.Unfinished(ctx, name)
	if err != nil {
		return err
	}
	if unfinished {
		return fault.New(connect.CodeFailedPrecondition, fault.ProjectInUse, "job %s of the project %q has not ended", job.ID, name).
			WithHint("Wait for it, or cancel it: `waypoint job cancel %s`.", job.ID).WithFact("project", name).WithFact("job", job.ID)
	}
	if in.GetSkipDestroyResources() {
		return nil
	}
	p, err := s.Projects.Get(ctx, name)
	if err != nil {
		return err
	}
	for _, app := range p.GetApps() {
		record, err := s.Remains.Records.InUse(ctx, name, app.GetName())
		if err != nil {
			return err
		}
		if record != nil {
			kind, meta, _ := records.Parts(record)
			return fault.New(connect.CodeFailedPrecondition, fault.ProjectInUse, "%s v%d of %s in workspace %s was not destroyed",
				kind, meta.GetSequence(), app.GetName(), meta.GetWorkspace()).
				WithHint("Run `waypoint destroy -project %s -workspace %s` first, or leave it running and forget it with -skip-destroy-resources.", name, meta.GetWorkspace()).
				WithFact("project", name)
		}
	}
	return nil
}

// remove removes a part of what a project has; at last the project itself, with the audit record.
func (s *Projects) remove(ctx context.Context, m mutation, name string) (removed int64, done bool, err error) {
	p, err := s.Projects.Get(ctx, name)
	if err != nil {
		return 0, false, err
	}
	left := removedPerCall
	parts := []func(most int) (int, error){}
	for _, app := range p.GetApps() {
		parts = append(parts, func(most int) (int, error) {
			return s.Remains.Records.RemoveOfApp(ctx, name, app.GetName(), most, s.ofDeployment)
		})
	}
	parts = append(parts,
		func(most int) (int, error) { return s.Remains.Configs.Remove(ctx, name, most) },
		func(most int) (int, error) { return s.Projects.RemoveParts(ctx, name, most) })
	for _, part := range parts {
		n, err := part(left)
		if left -= n; err != nil {
			return 0, false, err
		}
		if left <= 0 {
			return removedPerCall, false, nil
		}
	}
	actions, err := m.actions(map[string]string{"project": name}, map[string]string{"project": name, "stage": "end"})
	if err != nil {
		return 0, false, err
	}
	_, _, err = m.repeat(s.DB.Transact(ctx, *new(store.Tx).Add(actions...).Add(projects.Remove(name))))
	if projects.StageTaken(err) {
		err = nil // somebody else was as far
	}
	return int64(removedPerCall - left + 1), err == nil, err
}

// ofDeployment removes what a deployment has besides its records: the token of its entrypoints, and its logs.
func (s *Projects) ofDeployment(ctx context.Context, deployment string, most int) (int, error) {
	if err := s.Remains.Tokens.RevokeOfDeployment(ctx, deployment); err != nil {
		return 0, err
	}
	return s.Remains.Logs.Remove(ctx, deployment, most)
}
