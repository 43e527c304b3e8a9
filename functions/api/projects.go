package api

import (
	"context"
	"slices"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/projects"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Projects keeps projects and their apps.
type Projects struct {
	DB       *store.DB
	Projects *projects.Store
	Sealer   store.Sealer
	Remains  Remains
}

// appsMost keeps an upsert in one transaction.
const appsMost = 90

// UpsertProject creates or changes a project. A new one needs the role deployer on all projects or on its name.
func (s *Projects) UpsertProject(ctx context.Context, req *connect.Request[waypointv1.UpsertProjectRequest]) (*connect.Response[waypointv1.UpsertProjectResponse], error) {
	if err := checkProject(req.Msg); err != nil {
		return nil, err
	}
	name := req.Msg.GetProject().GetName()
	m, err := person(ctx, s.DB, name, req)
	if err != nil {
		return nil, err
	}
	out, err := s.Projects.Upsert(ctx, req.Msg, s.Sealer, func() ([]store.Action, error) {
		return m.actions(map[string]string{"project": name}, map[string]string{"project": name})
	})
	_, done, err := m.repeat(err)
	if err != nil {
		return nil, err
	}
	if done {
		if out, err = s.again(ctx, req.Msg); err != nil {
			return nil, err
		}
	}
	return connect.NewResponse(out), nil
}

// again answers a repeat: what was made, as it is now.
func (s *Projects) again(ctx context.Context, in *waypointv1.UpsertProjectRequest) (*waypointv1.UpsertProjectResponse, error) {
	got, err := s.Projects.Get(ctx, in.GetProject().GetName())
	if err != nil {
		return nil, err
	}
	out := &waypointv1.UpsertProjectResponse{Project: got.GetProject()}
	for _, app := range got.GetApps() {
		if slices.ContainsFunc(in.GetApps(), func(a *waypointv1.App) bool { return a.GetName() == app.GetName() }) {
			out.Apps = append(out.Apps, app)
		}
	}
	return out, nil
}

func checkProject(in *waypointv1.UpsertProjectRequest) error {
	p := in.GetProject()
	if len(in.GetApps()) > appsMost {
		return invalid("apps", "%d apps are too many for one request: at most %d", len(in.GetApps()), appsMost)
	}
	errs := []error{
		validate.Name("project", p.GetName()),
		validate.Labels("labels", p.GetLabels()),
		validate.Size("waypoint_hcl", len(p.GetWaypointHcl()), validate.MaxWaypointHCL),
		CheckDataSource(p.GetDataSource()),
	}
	seen := map[string]bool{}
	for _, app := range in.GetApps() {
		errs = append(errs, validate.Name("app", app.GetName()), validate.Labels("labels", app.GetLabels()))
		if seen[app.GetName()] {
			errs = append(errs, invalid("apps", "the app %s is named twice", app.GetName()))
		}
		seen[app.GetName()] = true
	}
	return first(errs)
}

// first is the first error that is none.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// sourceMost bounds the text of a git source: keys and known hosts included.
const sourceMost = 64 << 10

// CheckDataSource checks a data source that somebody gave; nil is none.
func CheckDataSource(src *waypointv1.DataSource) error {
	git := src.GetGit()
	if git == nil {
		return nil
	}
	if git.GetUrl() == "" {
		return invalid("data_source.git.url", "the URL of the git repository is missing")
	}
	_, _, _, err := validate.SplitGitURL("data_source.git.url", git.GetUrl())
	size := len(git.GetUrl()) + len(git.GetRef()) + len(git.GetUsername()) + len(git.GetPassword()) + len(git.GetPrivateKeyPem()) +
		len(git.GetPrivateKeyPassword()) + len(git.GetKnownHosts())
	return first([]error{
		err,
		validate.Size("data_source.git", size, sourceMost),
		validate.RelativePath("data_source.git.path", git.GetPath()),
	})
}

// GetProject reads a project, its apps and workspaces.
func (s *Projects) GetProject(ctx context.Context, req *connect.Request[waypointv1.GetProjectRequest]) (*connect.Response[waypointv1.GetProjectResponse], error) {
	name := req.Msg.GetName()
	if err := validate.Name("project", name); err != nil {
		return nil, err
	}
	out, err := s.Projects.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(out), nil
}

// ListProjects lists, by name, the projects that the caller may see.
func (s *Projects) ListProjects(ctx context.Context, req *connect.Request[waypointv1.ListProjectsRequest]) (*connect.Response[waypointv1.ListProjectsResponse], error) {
	p, err := auth.Caller(ctx)
	if err != nil {
		return nil, err
	}
	mine := p.Where(auth.ProjectRead)
	var only []string
	if !mine.All {
		only = mine.Names
	}
	page := req.Msg.GetPage()
	projects, next, err := s.Projects.List(ctx, validate.PageSize(page.GetSize()), page.GetToken(), only)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&waypointv1.ListProjectsResponse{Projects: projects, NextPageToken: next}), nil
}
