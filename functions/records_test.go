package functions_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

const (
	running = waypointv1.RecordState_RECORD_STATE_RUNNING
	success = waypointv1.RecordState_RECORD_STATE_SUCCESS
	failed  = waypointv1.RecordState_RECORD_STATE_ERROR
)

func build(id string, state waypointv1.RecordState) *waypointv1.Record {
	return &waypointv1.Record{Record: &waypointv1.Record_Build{Build: &waypointv1.Build{
		Meta: &waypointv1.RecordMeta{Id: id, State: state, Plugin: "null"}, Result: &waypointv1.PluginResult{StateJson: []byte("{}")},
	}}}
}

func deployment(id string, state waypointv1.RecordState, physical waypointv1.PhysicalState) *waypointv1.Record {
	return &waypointv1.Record{Record: &waypointv1.Record_Deployment{Deployment: &waypointv1.Deployment{
		Meta: &waypointv1.RecordMeta{Id: id, State: state, Labels: map[string]string{"env": "prod"}}, PhysicalState: physical,
	}}}
}

func (c *caller) put(t *testing.T, fence *waypointv1.Fence, r *waypointv1.Record) *waypointv1.Record {
	t.Helper()
	return must[waypointv1.PutRecordResponse](t)(c.agent.PutRecord(t.Context(), ask(&waypointv1.PutRecordRequest{Fence: fence, Record: r}))).GetRecord()
}

func TestRecordsAreNumberedFoundAndListed(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	fence := c.claimed(t, noop())
	var ids []string
	for i, state := range []waypointv1.RecordState{success, failed, running} {
		id := w.ID(t)
		ids = append(ids, id)
		got := c.put(t, fence, build(id, state)).GetBuild().GetMeta()
		if got.GetSequence() != int64(i+1) || got.GetProject() != "shop" || got.GetApp() != "web" || got.GetWorkspace() != "default" || got.GetJobId() != fence.GetJobId() {
			t.Errorf("build %d: %v", i, got)
		}
	}
	repeat := c.put(t, fence, build(ids[1], failed)).GetBuild().GetMeta()
	if repeat.GetSequence() != 2 {
		t.Errorf("a repeat got number %d", repeat.GetSequence())
	}
	latest := &waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Latest{Latest: &waypointv1.RecordSelector{Project: "shop", App: "web"}}}
	if got := must[waypointv1.GetBuildResponse](t)(c.builds.GetBuild(ctx, ask(&waypointv1.GetBuildRequest{Ref: latest}))); got.GetBuild().GetMeta().GetId() != ids[0] {
		t.Errorf("the latest that succeeded is %v", got)
	}
	c.put(t, fence, build(ids[2], success))
	c.put(t, fence, build(ids[0], success)) // an older one again must not move LATEST back
	for name, ref := range map[string]*waypointv1.RecordRef{
		"latest": latest,
		"id":     {Ref: &waypointv1.RecordRef_Id{Id: ids[2]}},
		"number": {Ref: &waypointv1.RecordRef_Sequence{Sequence: &waypointv1.RecordSequence{Project: "shop", App: "web", Sequence: 3}}},
	} {
		got := must[waypointv1.GetBuildResponse](t)(c.builds.GetBuild(ctx, ask(&waypointv1.GetBuildRequest{Ref: ref})))
		if m := got.GetBuild().GetMeta(); m.GetId() != ids[2] || m.GetState() != success {
			t.Errorf("by %s: %v", name, m)
		}
	}
	for _, workspace := range []string{"", "default"} {
		sel := &waypointv1.RecordSelector{Project: "shop", App: "web", Workspace: workspace}
		page := must[waypointv1.ListBuildsResponse](t)(c.builds.ListBuilds(ctx, ask(&waypointv1.ListBuildsRequest{Selector: sel, Page: &waypointv1.Page{Size: 2}})))
		rest := must[waypointv1.ListBuildsResponse](t)(c.builds.ListBuilds(ctx, ask(&waypointv1.ListBuildsRequest{Selector: sel, Page: &waypointv1.Page{Size: 2, Token: page.GetNextPageToken()}})))
		var got []int64
		for _, b := range append(page.GetBuilds(), rest.GetBuilds()...) {
			got = append(got, b.GetMeta().GetSequence())
		}
		if len(page.GetBuilds()) != 2 || len(got) != 3 || got[0] != 3 || got[2] != 1 {
			t.Errorf("workspace %q: %v", workspace, got)
		}
	}
	project := must[waypointv1.GetProjectResponse](t)(c.projects.GetProject(ctx, ask(&waypointv1.GetProjectRequest{Name: "shop"})))
	if ws := project.GetWorkspaces(); len(ws) != 1 || ws[0].GetName() != "default" {
		t.Errorf("workspaces %v", ws)
	}
}

func TestRecordsThatAreNotThereHaveTypedAnswers(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	_, err := c.builds.GetBuild(ctx, ask(&waypointv1.GetBuildRequest{Ref: &waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Id{Id: w.ID(t)}}}))
	wantFault(t, err, fault.RecordNotFound)
	_, err = c.builds.GetBuild(ctx, ask(&waypointv1.GetBuildRequest{}))
	wantFault(t, err, fault.InvalidArgument)
	list := func(project, app string) error {
		_, err := c.builds.ListBuilds(ctx, ask(&waypointv1.ListBuildsRequest{Selector: &waypointv1.RecordSelector{Project: project, App: app}}))
		return err
	}
	wantFault(t, list("shop", "nope"), fault.AppNotFound)
	wantFault(t, list("nope", "web"), fault.ProjectNotFound)
	wantFault(t, list("shop", ""), fault.InvalidArgument)
	if err := list("shop", "web"); err != nil {
		t.Error(err)
	}
}

func TestDeploymentListsFilter(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	fence := c.claimed(t, noop())
	const destroyed, created = waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED, waypointv1.PhysicalState_PHYSICAL_STATE_CREATED
	c.put(t, fence, deployment(w.ID(t), success, created))
	for range 5 {
		c.put(t, fence, deployment(w.ID(t), success, destroyed))
	}
	c.put(t, fence, deployment(w.ID(t), failed, created))
	got := must[waypointv1.ListDeploymentsResponse](t)(c.deployments.ListDeployments(ctx, ask(&waypointv1.ListDeploymentsRequest{
		Selector: &waypointv1.RecordSelector{Project: "shop", App: "web", Workspace: "default"}, Page: &waypointv1.Page{Size: 2},
		PhysicalState: created, State: success,
	})))
	if len(got.GetDeployments()) != 1 || got.GetDeployments()[0].GetMeta().GetSequence() != 1 || got.GetNextPageToken() != "" {
		t.Errorf("%v", got)
	}
}

func TestOnlyTheHolderOfTheJobWritesAndOnlyIntoItsApp(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	fence := c.claimed(t, noop())
	put := func(c *caller, f *waypointv1.Fence, change func(*waypointv1.RecordMeta)) error {
		r := build(w.ID(t), success)
		change(r.GetBuild().GetMeta())
		_, err := c.agent.PutRecord(ctx, ask(&waypointv1.PutRecordRequest{Fence: f, Record: r}))
		return err
	}
	same := func(*waypointv1.RecordMeta) {}
	old := &waypointv1.Fence{JobId: fence.GetJobId(), Attempt: fence.GetAttempt() - 1, RunnerId: fence.GetRunnerId()}
	wantFault(t, put(c, old, same), fault.StaleLease)
	wantFault(t, put(c, &waypointv1.Fence{JobId: w.ID(t), Attempt: 1}, same), fault.JobNotFound)
	wantFault(t, put(c, fence, func(m *waypointv1.RecordMeta) { m.Project = "blog" }), fault.PermissionDenied)
	wantFault(t, put(c, fence, func(m *waypointv1.RecordMeta) { m.App = "other" }), fault.PermissionDenied)
	wantFault(t, put(c, fence, func(m *waypointv1.RecordMeta) { m.Workspace = "prod" }), fault.PermissionDenied)
	wantFault(t, put(c, fence, func(m *waypointv1.RecordMeta) { m.State = 0 }), fault.InvalidArgument)
	wantFault(t, put(c, fence, func(m *waypointv1.RecordMeta) { m.Id = "x" }), fault.InvalidArgument)
	wantFault(t, put(c, fence, func(m *waypointv1.RecordMeta) { m.Sequence = 7 }), fault.Conflict)
	other := must[waypointv1.CreateTokenResponse](t)(c.tokens.CreateToken(ctx, ask(&waypointv1.CreateTokenRequest{
		Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: "other",
	}))).GetSecret()
	wantFault(t, put(w.as(other), fence, same), fault.StaleLease)
	if err := put(c, fence, same); err != nil {
		t.Error(err)
	}
	must[waypointv1.CompleteJobResponse](t)(c.agent.CompleteJob(ctx, ask(&waypointv1.CompleteJobRequest{Fence: fence})))
	wantFault(t, put(c, fence, same), fault.StaleLease)
}

func TestStatusReportsBelongToTheirDeployment(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	fence := c.claimed(t, noop())
	d := c.put(t, fence, deployment(w.ID(t), success, waypointv1.PhysicalState_PHYSICAL_STATE_CREATED)).GetDeployment().GetMeta().GetId()
	for _, health := range []waypointv1.Health{waypointv1.Health_HEALTH_DOWN, waypointv1.Health_HEALTH_READY} {
		must[waypointv1.PutStatusReportResponse](t)(c.agent.PutStatusReport(ctx, ask(&waypointv1.PutStatusReportRequest{
			Fence: fence, Report: &waypointv1.StatusReport{DeploymentId: d, Health: health},
		})))
		w.Clock.Pass(time.Second)
	}
	got := must[waypointv1.GetDeploymentResponse](t)(c.deployments.GetDeployment(ctx, ask(&waypointv1.GetDeploymentRequest{
		Ref: &waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Id{Id: d}},
	})))
	if got.GetStatus().GetHealth() != waypointv1.Health_HEALTH_READY {
		t.Errorf("%v", got.GetStatus())
	}
	_, err := c.agent.PutStatusReport(ctx, ask(&waypointv1.PutStatusReportRequest{Fence: fence, Report: &waypointv1.StatusReport{DeploymentId: w.ID(t)}}))
	wantFault(t, err, fault.RecordNotFound)
}

func TestGitCredentialsAreWriteOnly(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	const password = "hunter2-hunter2"
	upsert := func(url, password string) *waypointv1.UpsertProjectResponse {
		return must[waypointv1.UpsertProjectResponse](t)(c.projects.UpsertProject(ctx, ask(&waypointv1.UpsertProjectRequest{
			Project: &waypointv1.Project{Name: "shop", DataSource: &waypointv1.DataSource{Source: &waypointv1.DataSource_Git{Git: &waypointv1.GitSource{
				Url: url, Username: "bot", Password: password, Path: "app",
			}}}},
			UpdateFields: []string{"data_source"}, Apps: []*waypointv1.App{{Name: "web"}},
		})))
	}
	sent := func() string {
		return c.claimedSource(t).GetGit().GetPassword()
	}
	res := upsert("https://git.example/a", password)
	got := must[waypointv1.GetProjectResponse](t)(c.projects.GetProject(ctx, ask(&waypointv1.GetProjectRequest{Name: "shop"})))
	if s := res.String() + got.String() + w.log.String(); strings.Contains(s, password) {
		t.Error("the password came back")
	}
	if git := got.GetProject().GetDataSource().GetGit(); git.GetUsername() != "bot" || git.GetPath() != "app" {
		t.Errorf("%v", git)
	}
	if sent() != password {
		t.Error("a claim does not get the password")
	}
	upsert("https://git.example/a", "")
	if sent() != password {
		t.Error("the password was lost by an upsert without one")
	}
	upsert("https://evil.example/a", "")
	if sent() != "" {
		t.Error("the password travels to another host")
	}
}

func TestCredentialsInAGitURLAreSealed(t *testing.T) {
	const secret = "hunter2-hunter2"
	cases := map[string]struct {
		given, sent *waypointv1.GitSource
	}{
		"a password": {
			&waypointv1.GitSource{Url: "https://bot:" + secret + "@git.example/a"},
			&waypointv1.GitSource{Url: "https://git.example/a", Username: "bot", Password: secret},
		},
		"a token in the place of the name": {
			&waypointv1.GitSource{Url: "https://" + secret + "@git.example/a"},
			&waypointv1.GitSource{Url: "https://git.example/a", Username: secret},
		},
		"a token before a word": {
			&waypointv1.GitSource{Url: "https://" + secret + ":x-oauth-basic@git.example/a"},
			&waypointv1.GitSource{Url: "https://git.example/a", Username: secret, Password: "x-oauth-basic"},
		},
		"credentials given apart win": {
			&waypointv1.GitSource{Url: "https://old:" + secret + "@git.example/a", Username: "bot", Password: "other"},
			&waypointv1.GitSource{Url: "https://git.example/a", Username: "bot", Password: "other"},
		},
		"a password for ssh": {
			&waypointv1.GitSource{Url: "ssh://git:" + secret + "@git.example/a"},
			&waypointv1.GitSource{Url: "ssh://git@git.example/a", Password: secret},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ctx, c := t.Context(), w.as(w.admin)
			source := &waypointv1.DataSource{Source: &waypointv1.DataSource_Git{Git: test.given}}
			res := must[waypointv1.UpsertProjectResponse](t)(c.projects.UpsertProject(ctx, ask(&waypointv1.UpsertProjectRequest{
				Project: &waypointv1.Project{Name: "shop", DataSource: source}, Apps: []*waypointv1.App{{Name: "web"}},
			})))
			got := must[waypointv1.GetProjectResponse](t)(c.projects.GetProject(ctx, ask(&waypointv1.GetProjectRequest{Name: "shop"})))
			list := must[waypointv1.ListProjectsResponse](t)(c.projects.ListProjects(ctx, ask(&waypointv1.ListProjectsRequest{})))
			if s := res.String() + got.String() + list.String() + w.log.String(); strings.Contains(s, secret) {
				t.Errorf("the secret came back: %s", s)
			}
			if sent := c.claimedSource(t).GetGit(); !proto.Equal(sent, test.sent) {
				t.Errorf("a runner gets %v", sent)
			}
		})
	}
	t.Run("one that cannot be read is refused without quoting it", func(t *testing.T) {
		w := newWorld(t)
		_, err := w.as(w.admin).projects.UpsertProject(t.Context(), ask(&waypointv1.UpsertProjectRequest{
			Project: &waypointv1.Project{Name: "shop", DataSource: &waypointv1.DataSource{Source: &waypointv1.DataSource_Git{
				Git: &waypointv1.GitSource{Url: "https://bot:" + secret + "%@git.example/a"}}}},
		}))
		wantFault(t, err, fault.InvalidArgument)
		if strings.Contains(err.Error()+w.log.String(), secret) {
			t.Error(err)
		}
	})
}

func TestUpsertKeepsWhatIsNotNamedAndWritesNoChangeTwice(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	first := must[waypointv1.UpsertProjectResponse](t)(c.projects.UpsertProject(ctx, ask(&waypointv1.UpsertProjectRequest{
		Project: &waypointv1.Project{Name: "shop", RemoteEnabled: true, Labels: map[string]string{"a": "1"}, WaypointHcl: []byte(strings.Repeat("project = \"shop\"\n", 1000))},
		Apps:    []*waypointv1.App{{Name: "web"}},
	})))
	if !first.GetCreated() {
		t.Error("not created")
	}
	req := &waypointv1.UpsertProjectRequest{
		Project: &waypointv1.Project{Name: "shop", Labels: map[string]string{"a": "2"}}, UpdateFields: []string{"labels"},
		Apps: []*waypointv1.App{{Name: "api"}},
	}
	must[waypointv1.UpsertProjectResponse](t)(c.projects.UpsertProject(ctx, ask(req)))
	must[waypointv1.UpsertProjectResponse](t)(c.projects.UpsertProject(ctx, ask(req)))
	if got := c.used(t, "w"); got != 0 {
		t.Errorf("an upsert without change cost %v write units", got)
	}
	got := must[waypointv1.GetProjectResponse](t)(c.projects.GetProject(ctx, ask(&waypointv1.GetProjectRequest{Name: "shop"})))
	p := got.GetProject()
	if !p.GetRemoteEnabled() || p.GetLabels()["a"] != "2" || len(p.GetWaypointHcl()) != 17_000 || len(got.GetApps()) != 2 {
		t.Errorf("%v %v", p, got.GetApps())
	}
	_, err := c.projects.UpsertProject(ctx, ask(&waypointv1.UpsertProjectRequest{Project: &waypointv1.Project{Name: "shop"}, UpdateFields: []string{"nope"}}))
	wantFault(t, err, fault.InvalidArgument)
	_, err = c.projects.UpsertProject(ctx, ask(&waypointv1.UpsertProjectRequest{Project: &waypointv1.Project{Name: "a#b"}}))
	wantFault(t, err, fault.InvalidArgument)
	_, err = c.projects.GetProject(ctx, ask(&waypointv1.GetProjectRequest{Name: "nope"}))
	wantFault(t, err, fault.ProjectNotFound)
}

func TestProjectListsShowWhatTheTokenMaySee(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	for _, name := range []string{"shop", "blog", "api"} {
		c.project(t, name)
	}
	names := func(c *caller) string {
		var out []string
		for _, p := range must[waypointv1.ListProjectsResponse](t)(c.projects.ListProjects(ctx, ask(&waypointv1.ListProjectsRequest{}))).GetProjects() {
			out = append(out, p.GetName())
		}
		return strings.Join(out, " ")
	}
	if got := names(c); got != "api blog shop" {
		t.Error(got)
	}
	one := must[waypointv1.CreateTokenResponse](t)(c.tokens.CreateToken(ctx, ask(&waypointv1.CreateTokenRequest{
		Kind: user, Name: "one", Roles: map[string]waypointv1.Role{"shop": waypointv1.Role_ROLE_VIEWER, "gone": waypointv1.Role_ROLE_VIEWER},
	}))).GetSecret()
	if got := names(w.as(one)); got != "shop" {
		t.Error(got)
	}
}
