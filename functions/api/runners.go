package api

import (
	"context"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/table"
)

// Runners shows the runners to people.
type Runners struct {
	Table *table.Table
}

// ListRunners lists the runners that registered within the last days, by name.
func (s *Runners) ListRunners(ctx context.Context, req *connect.Request[waypointv1.ListRunnersRequest]) (*connect.Response[waypointv1.ListRunnersResponse], error) {
	if err := maySeeRunners(ctx); err != nil {
		return nil, err
	}
	runners, next, err := s.Table.Runners(ctx, validate.PageSize(req.Msg.GetPage().GetSize()), req.Msg.GetPage().GetToken())
	if err != nil {
		return nil, err
	}
	out := &waypointv1.ListRunnersResponse{NextPageToken: next}
	for _, r := range runners {
		out.Runners = append(out.Runners, r.Proto(s.Table.Now()))
	}
	return connect.NewResponse(out), nil
}

// GetRunner shows one runner.
func (s *Runners) GetRunner(ctx context.Context, req *connect.Request[waypointv1.GetRunnerRequest]) (*connect.Response[waypointv1.GetRunnerResponse], error) {
	if err := maySeeRunners(ctx); err != nil {
		return nil, err
	}
	id := req.Msg.GetId()
	if err := validate.ID("id", id); err != nil {
		return nil, err
	}
	r, found, err := s.Table.Runner(ctx, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, table.RunnerNotFound(id)
	}
	return connect.NewResponse(&waypointv1.GetRunnerResponse{Runner: r.Proto(s.Table.Now())}), nil
}

// maySeeRunners: they belong to no project, so a viewer of any may see them.
func maySeeRunners(ctx context.Context) error {
	p, err := authenticated(ctx)
	if err != nil || p.MayAny(viewer) {
		return err
	}
	_, err = auth.Require(ctx, "", viewer)
	return err
}
