package api

import (
	"context"
	"slices"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/runners"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Runners shows the runners to people.
type Runners struct {
	DB      *store.DB
	Runners *runners.Store
}

// ListRunners lists the runners that registered within the last days, by name. Those of projects that the caller may not
// read are left out, which can make a page shorter than asked.
func (s *Runners) ListRunners(ctx context.Context, req *connect.Request[waypointv1.ListRunnersRequest]) (*connect.Response[waypointv1.ListRunnersResponse], error) {
	p, err := auth.Caller(ctx)
	if err != nil {
		return nil, err
	}
	runners, next, err := s.Runners.List(ctx, validate.PageSize(req.Msg.GetPage().GetSize()), req.Msg.GetPage().GetToken())
	if err != nil {
		return nil, err
	}
	out := &waypointv1.ListRunnersResponse{NextPageToken: next}
	for _, r := range runners {
		if shown := runnerFor(p, r.Proto(s.DB.Now())); shown != nil {
			out.Runners = append(out.Runners, shown)
		}
	}
	return connect.NewResponse(out), nil
}

// GetRunner shows one runner.
func (s *Runners) GetRunner(ctx context.Context, req *connect.Request[waypointv1.GetRunnerRequest]) (*connect.Response[waypointv1.GetRunnerResponse], error) {
	p, err := auth.Caller(ctx)
	if err != nil {
		return nil, err
	}
	id := req.Msg.GetId()
	if err := validate.ID("id", id); err != nil {
		return nil, err
	}
	r, found, err := s.Runners.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	shown := runnerFor(p, r.Proto(s.DB.Now()))
	if !found || shown == nil {
		return nil, runners.NotFound(id)
	}
	return connect.NewResponse(&waypointv1.GetRunnerResponse{Runner: shown}), nil
}

// runnerFor is a runner as the caller may see it: with the projects among its own that the caller may read, or nil if
// there are none. A runner that serves all projects serves the caller's too.
func runnerFor(p auth.Principal, r *waypointv1.Runner) *waypointv1.Runner {
	if r.GetAllProjects() {
		return r
	}
	r.Projects = slices.DeleteFunc(slices.Clone(r.GetProjects()), func(project string) bool { return project == "" || !p.May(auth.RunnerRead, project) })
	if len(r.GetProjects()) == 0 {
		return nil
	}
	return r
}
