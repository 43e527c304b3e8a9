package api

import (
	"context"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/logs"
	"github.com/waypoint-serverless/waypoint/functions/internal/projects"
	"github.com/waypoint-serverless/waypoint/functions/internal/records"
)

// Records reads what operations left: builds, artifacts, deployments and releases. Runners write them.
type Records struct {
	Records  *records.Store
	Projects *projects.Store
	Logs     *logs.Store
}

// DefaultWorkspace is what an empty workspace means for one record or job (for a list it means all).
const DefaultWorkspace = "default"

func workspaceOr(name string) string {
	if name == "" {
		return DefaultWorkspace
	}
	return name
}

// list checks a selector and reads one page.
func (s *Records) list(ctx context.Context, in records.ListRequest, sel *waypointv1.RecordSelector, page *waypointv1.Page) ([]*waypointv1.Record, string, error) {
	if err := checkSelector(sel); err != nil {
		return nil, "", err
	}
	in.Project, in.App, in.Workspace = sel.GetProject(), sel.GetApp(), sel.GetWorkspace()
	in.Size, in.Token = validate.PageSize(page.GetSize()), page.GetToken()
	out, next, err := s.Records.List(ctx, in)
	if err == nil && len(out) == 0 && in.Token == "" {
		err = s.Projects.CheckApp(ctx, in.Project, in.App) // an empty list of an app that is not there is a mistake to name
	}
	return out, next, err
}

func checkSelector(sel *waypointv1.RecordSelector) error {
	errs := []error{validate.Name("project", sel.GetProject()), validate.Name("app", sel.GetApp())}
	if sel.GetWorkspace() != "" {
		errs = append(errs, validate.Workspace(sel.GetWorkspace()))
	}
	return first(errs)
}

// get reads one record by id, by sequence, or the latest of a workspace that succeeded.
func (s *Records) get(ctx context.Context, kind records.Kind, ref *waypointv1.RecordRef) (*waypointv1.Record, error) {
	switch x := ref.GetRef().(type) {
	case *waypointv1.RecordRef_Id:
		return s.byID(ctx, kind, x.Id)
	case *waypointv1.RecordRef_Sequence:
		q := x.Sequence
		if err := first([]error{validate.Name("project", q.GetProject()), validate.Name("app", q.GetApp())}); err != nil {
			return nil, err
		}
		if q.GetSequence() <= 0 {
			return nil, invalid("sequence", "sequences count from 1")
		}
		if _, err := auth.Require(ctx, auth.RecordRead, q.GetProject()); err != nil {
			return nil, err
		}
		return s.Records.BySequence(ctx, kind, q.GetProject(), q.GetApp(), q.GetSequence())
	case *waypointv1.RecordRef_Latest:
		sel := x.Latest
		if err := checkSelector(sel); err != nil {
			return nil, err
		}
		if _, err := auth.Require(ctx, auth.RecordRead, sel.GetProject()); err != nil {
			return nil, err
		}
		return s.Records.Latest(ctx, kind, sel.GetProject(), sel.GetApp(), workspaceOr(sel.GetWorkspace()))
	}
	return nil, invalid("ref", "missing %s: give an id, a sequence number or latest", kind)
}

// byID decides by the record's own project.
func (s *Records) byID(ctx context.Context, kind records.Kind, id string) (*waypointv1.Record, error) {
	if err := validate.ID("id", id); err != nil {
		return nil, err
	}
	record, err := s.Records.ByID(ctx, kind, id)
	if err != nil {
		return nil, err
	}
	_, meta, _ := records.Parts(record)
	if _, err := auth.RequireOf(ctx, auth.RecordRead, meta.GetProject(), kind.String()+" "+id); err != nil {
		return nil, err
	}
	return record, nil
}

// ListBuilds lists builds, newest first.
func (s *Records) ListBuilds(ctx context.Context, req *connect.Request[waypointv1.ListBuildsRequest]) (*connect.Response[waypointv1.ListBuildsResponse], error) {
	records, next, err := s.list(ctx, records.ListRequest{Kind: records.Builds}, req.Msg.GetSelector(), req.Msg.GetPage())
	if err != nil {
		return nil, err
	}
	out := &waypointv1.ListBuildsResponse{NextPageToken: next}
	for _, r := range records {
		out.Builds = append(out.Builds, r.GetBuild())
	}
	return connect.NewResponse(out), nil
}

// GetBuild reads one build.
func (s *Records) GetBuild(ctx context.Context, req *connect.Request[waypointv1.GetBuildRequest]) (*connect.Response[waypointv1.GetBuildResponse], error) {
	r, err := s.get(ctx, records.Builds, req.Msg.GetRef())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.GetBuildResponse{Build: r.GetBuild()}), nil
}

// ListArtifacts lists artifacts, newest first.
func (s *Records) ListArtifacts(ctx context.Context, req *connect.Request[waypointv1.ListArtifactsRequest]) (*connect.Response[waypointv1.ListArtifactsResponse], error) {
	records, next, err := s.list(ctx, records.ListRequest{Kind: records.Artifacts}, req.Msg.GetSelector(), req.Msg.GetPage())
	if err != nil {
		return nil, err
	}
	out := &waypointv1.ListArtifactsResponse{NextPageToken: next}
	for _, r := range records {
		out.Artifacts = append(out.Artifacts, r.GetArtifact())
	}
	return connect.NewResponse(out), nil
}

// GetArtifact reads one artifact.
func (s *Records) GetArtifact(ctx context.Context, req *connect.Request[waypointv1.GetArtifactRequest]) (*connect.Response[waypointv1.GetArtifactResponse], error) {
	r, err := s.get(ctx, records.Artifacts, req.Msg.GetRef())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.GetArtifactResponse{Artifact: r.GetArtifact()}), nil
}

// ListDeployments lists deployments, newest first; filters may make a page shorter than asked.
func (s *Records) ListDeployments(ctx context.Context, req *connect.Request[waypointv1.ListDeploymentsRequest]) (*connect.Response[waypointv1.ListDeploymentsResponse], error) {
	in := records.ListRequest{Kind: records.Deployments, State: req.Msg.GetState(), Physical: req.Msg.GetPhysicalState(), Living: req.Msg.GetLiving()}
	records, next, err := s.list(ctx, in, req.Msg.GetSelector(), req.Msg.GetPage())
	if err != nil {
		return nil, err
	}
	out := &waypointv1.ListDeploymentsResponse{NextPageToken: next}
	for _, r := range records {
		out.Deployments = append(out.Deployments, r.GetDeployment())
	}
	return connect.NewResponse(out), nil
}

// GetDeployment reads one deployment and the latest report about it.
func (s *Records) GetDeployment(ctx context.Context, req *connect.Request[waypointv1.GetDeploymentRequest]) (*connect.Response[waypointv1.GetDeploymentResponse], error) {
	r, err := s.get(ctx, records.Deployments, req.Msg.GetRef())
	if err != nil {
		return nil, err
	}
	status, err := s.Records.LatestStatus(ctx, r.GetDeployment().GetMeta().GetId())
	if err != nil {
		return nil, err
	}
	out := &waypointv1.GetDeploymentResponse{Deployment: r.GetDeployment(), Status: status}
	live, err := s.Logs.LiveInstances(ctx, r.GetDeployment().GetMeta().GetId())
	if err != nil {
		return nil, err
	}
	for _, instance := range live {
		for _, p := range instance.Problems {
			out.Problems = append(out.Problems, &waypointv1.InstanceProblem{InstanceId: instance.ID, Problem: p})
		}
	}
	return connect.NewResponse(out), nil
}

// ListReleases lists releases, newest first; filters may make a page shorter than asked.
func (s *Records) ListReleases(ctx context.Context, req *connect.Request[waypointv1.ListReleasesRequest]) (*connect.Response[waypointv1.ListReleasesResponse], error) {
	in := records.ListRequest{Kind: records.Releases, State: req.Msg.GetState(), Physical: req.Msg.GetPhysicalState(), Living: req.Msg.GetLiving()}
	records, next, err := s.list(ctx, in, req.Msg.GetSelector(), req.Msg.GetPage())
	if err != nil {
		return nil, err
	}
	out := &waypointv1.ListReleasesResponse{NextPageToken: next}
	for _, r := range records {
		out.Releases = append(out.Releases, r.GetRelease())
	}
	return connect.NewResponse(out), nil
}

// GetRelease reads one release and the latest report about it.
func (s *Records) GetRelease(ctx context.Context, req *connect.Request[waypointv1.GetReleaseRequest]) (*connect.Response[waypointv1.GetReleaseResponse], error) {
	r, err := s.get(ctx, records.Releases, req.Msg.GetRef())
	if err != nil {
		return nil, err
	}
	status, err := s.Records.LatestStatus(ctx, r.GetRelease().GetMeta().GetId())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.GetReleaseResponse{Release: r.GetRelease(), Status: status}), nil
}
