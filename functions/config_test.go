package functions_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func appVar(name, value string) *waypointv1.ConfigVariable {
	return &waypointv1.ConfigVariable{Name: name, Value: value, Scope: &waypointv1.ConfigScope{
		Level: waypointv1.ConfigScope_LEVEL_APP, Project: "shop", App: "web",
	}}
}

func (c *caller) set(t *testing.T, vars ...*waypointv1.ConfigVariable) *waypointv1.SetConfigResponse {
	t.Helper()
	return must[waypointv1.SetConfigResponse](t)(c.configs.SetConfig(t.Context(), ask(&waypointv1.SetConfigRequest{Variables: vars})))
}

func (c *caller) get(t *testing.T, in *waypointv1.GetConfigRequest) string {
	t.Helper()
	var out []string
	for _, v := range must[waypointv1.GetConfigResponse](t)(c.configs.GetConfig(t.Context(), ask(in))).GetVariables() {
		out = append(out, v.GetName()+"="+v.GetValue())
	}
	return strings.Join(out, " ")
}

func TestConfigurationIsSetReadAndDeleted(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	app := &waypointv1.GetConfigRequest{Project: "shop", App: "web"}
	v1 := c.set(t, appVar("DB", "postgres://secret"), appVar("DEBUG", "1")).GetVersion()
	if got := c.get(t, app); got != "DB=postgres://secret DEBUG=1" {
		t.Error(got)
	}
	if got := c.get(t, &waypointv1.GetConfigRequest{Project: "shop", App: "web", Prefix: "DE"}); got != "DEBUG=1" {
		t.Error(got)
	}
	v2 := c.set(t, appVar("DEBUG", "")).GetVersion()
	if got := c.get(t, app); got != "DB=postgres://secret" || v2 <= v1 {
		t.Errorf("%s, versions %d %d", got, v1, v2)
	}
	if v3 := c.set(t, appVar("DB", "postgres://secret")).GetVersion(); v3 != v2 {
		t.Errorf("setting the same value made version %d of %d", v3, v2)
	}
	del := must[waypointv1.DeleteConfigResponse](t)(c.configs.DeleteConfig(t.Context(), ask(&waypointv1.DeleteConfigRequest{
		Variables: []*waypointv1.ConfigVariable{appVar("db", ""), appVar("nope", "")},
	})))
	if got := c.get(t, app); got != "" || del.GetDeleted() != 1 {
		t.Errorf("%q, deleted %d", got, del.GetDeleted())
	}
}

func TestConfigurationValuesAreSealedAndOnlyForThoseWhoUseThem(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	c.set(t, appVar("DB", "postgres://secret"))
	viewer := must[waypointv1.CreateTokenResponse](t)(c.tokens.CreateToken(t.Context(), ask(&waypointv1.CreateTokenRequest{
		Kind: user, Name: "viewer", Roles: map[string]waypointv1.Role{"shop": waypointv1.Role_ROLE_VIEWER},
	}))).GetSecret()
	if got := w.as(viewer).get(t, &waypointv1.GetConfigRequest{Project: "shop", App: "web"}); got != "DB=" {
		t.Error(got)
	}
	_, err := w.as(viewer).configs.SetConfig(t.Context(), ask(&waypointv1.SetConfigRequest{Variables: []*waypointv1.ConfigVariable{appVar("A", "b")}}))
	wantFault(t, err, fault.PermissionDenied)
	deployer := must[waypointv1.CreateTokenResponse](t)(c.tokens.CreateToken(t.Context(), ask(&waypointv1.CreateTokenRequest{
		Kind: user, Name: "deployer", Roles: map[string]waypointv1.Role{"shop": waypointv1.Role_ROLE_DEPLOYER},
	}))).GetSecret()
	_, err = w.as(deployer).configs.SetConfig(t.Context(), ask(&waypointv1.SetConfigRequest{Variables: []*waypointv1.ConfigVariable{
		{Name: "A", Value: "b", Scope: &waypointv1.ConfigScope{Level: waypointv1.ConfigScope_LEVEL_GLOBAL}},
	}}))
	wantFault(t, err, fault.PermissionDenied)
	if strings.Contains(w.log.String(), "postgres") {
		t.Error("the log holds the value")
	}
	for _, item := range w.items(t, "C#shop") {
		if strings.Contains(fmt.Sprint(item), "postgres") {
			t.Error("the table holds the value in clear")
		}
	}
}

// A value that is sensitive is sent to who asks for it and may set it; apps and runners get it as before.
func TestSensitiveConfigurationIsRevealedToThoseWhoAskAndMay(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	secret := appVar("DB", "postgres://secret")
	secret.Sensitive = true
	c.set(t, secret, appVar("DEBUG", "1"))
	ask := func(reveal bool) *waypointv1.GetConfigRequest {
		return &waypointv1.GetConfigRequest{Project: "shop", App: "web", Reveal: reveal}
	}
	token := func(role waypointv1.Role) string {
		return must[waypointv1.CreateTokenResponse](t)(c.tokens.CreateToken(t.Context(), connect.NewRequest(&waypointv1.CreateTokenRequest{
			Kind: user, Name: role.String(), Roles: map[string]waypointv1.Role{"shop": role},
		}))).GetSecret()
	}
	deployer, viewer := w.as(token(waypointv1.Role_ROLE_DEPLOYER)), w.as(token(waypointv1.Role_ROLE_VIEWER))
	for name, got := range map[string]string{
		"admin": c.get(t, ask(false)), "deployer": deployer.get(t, ask(false)),
	} {
		if got != "DB= DEBUG=1" {
			t.Errorf("%s, without asking: %s", name, got)
		}
	}
	for name, got := range map[string]string{
		"admin": c.get(t, ask(true)), "deployer": deployer.get(t, ask(true)),
		"of the project": c.get(t, &waypointv1.GetConfigRequest{Project: "shop", Reveal: true}),
	} {
		if got != "DB=postgres://secret DEBUG=1" {
			t.Errorf("%s, asking: %s", name, got)
		}
	}
	if got := viewer.get(t, ask(false)); got != "DB= DEBUG=" {
		t.Error(got)
	}
	_, err := viewer.configs.GetConfig(t.Context(), connect.NewRequest(ask(true)))
	wantFault(t, err, fault.PermissionDenied)
	// Set again without the flag it stays so, and a change of the flag alone is a change.
	c.set(t, appVar("DB", "postgres://new"), appVar("DEBUG", "1"))
	if got := c.get(t, ask(false)); got != "DB= DEBUG=1" {
		t.Error(got)
	}
	debug := appVar("DEBUG", "1")
	debug.Sensitive = true
	c.set(t, debug)
	if got := c.get(t, ask(false)); got != "DB= DEBUG=" {
		t.Error(got)
	}
	c.set(t, appVar("DB", ""))
	c.set(t, appVar("DB", "sqlite"))
	if got := c.get(t, ask(false)); got != "DB=sqlite DEBUG=" {
		t.Error(got)
	}
	// The values of input variables are revealed to nobody.
	c.set(t, &waypointv1.ConfigVariable{Name: "password", Value: "swordfish", Sensitive: true, Scope: &waypointv1.ConfigScope{
		Level: waypointv1.ConfigScope_LEVEL_PROJECT, Project: "shop", Input: true,
	}})
	if got := c.get(t, &waypointv1.GetConfigRequest{Project: "shop", Input: true, Reveal: true}); got != "password=" {
		t.Error(got)
	}
}

func TestConfigurationThatMakesNoSenseIsRefused(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	scoped := func(s *waypointv1.ConfigScope) *waypointv1.ConfigVariable {
		return &waypointv1.ConfigVariable{Name: "A", Value: "b", Scope: s}
	}
	const global, project, app = waypointv1.ConfigScope_LEVEL_GLOBAL, waypointv1.ConfigScope_LEVEL_PROJECT, waypointv1.ConfigScope_LEVEL_APP
	for name, vars := range map[string][]*waypointv1.ConfigVariable{
		"nothing":           {},
		"without scope":     {scoped(nil)},
		"global of a proj":  {scoped(&waypointv1.ConfigScope{Level: global, Project: "shop"})},
		"project unnamed":   {scoped(&waypointv1.ConfigScope{Level: project})},
		"app unnamed":       {scoped(&waypointv1.ConfigScope{Level: app, Project: "shop"})},
		"bad workspace":     {scoped(&waypointv1.ConfigScope{Level: global, Workspace: "A B"})},
		"bad selector":      {scoped(&waypointv1.ConfigScope{Level: global, LabelSelector: "env =="})},
		"runner id alone":   {scoped(&waypointv1.ConfigScope{Level: global, RunnerId: w.ID(t)})},
		"name with =":       {appVar("A=B", "c")},
		"value too large":   {appVar("A", strings.Repeat("x", 64<<10+1))},
		"two projects":      {appVar("A", "b"), scoped(&waypointv1.ConfigScope{Level: project, Project: "blog"})},
		"more than allowed": make([]*waypointv1.ConfigVariable, 501),
	} {
		_, err := c.configs.SetConfig(t.Context(), ask(&waypointv1.SetConfigRequest{Variables: vars}))
		if !fault.Is(err, fault.InvalidArgument) && !fault.Is(err, fault.TooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// deployed is a deployment of shop/web and the token of its entrypoints.
func (c *caller) deployed(t *testing.T) (id string, entrypoint *caller, fence *waypointv1.Fence) {
	t.Helper()
	fence = c.claimed(t, noop())
	id = c.put(t, fence, deployment(c.ID(t), success, waypointv1.PhysicalState_PHYSICAL_STATE_CREATED)).GetDeployment().GetMeta().GetId()
	token := must[waypointv1.CreateEntrypointTokenResponse](t)(c.agent.CreateEntrypointToken(t.Context(), ask(&waypointv1.CreateEntrypointTokenRequest{
		Fence: fence, DeploymentId: id,
	}))).GetToken()
	return id, c.as(token), fence
}

// A poll that finds nothing new reads the token strongly (a unit) and the clock of configuration weakly (half).
func TestEntrypointGetsItsConfigurationAndLearnsOfChangesForAUnitAndAHalf(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	file, internal := appVar("etc/app.conf", "x=1"), appVar("HIDDEN", "h")
	file.File, internal.Internal = true, true
	c.set(t, appVar("DB", "a"), file, internal)
	d, e, _ := c.deployed(t)
	instance := w.ID(t)
	reg := must[waypointv1.RegisterInstanceResponse](t)(e.entrypoint.RegisterInstance(ctx, ask(&waypointv1.RegisterInstanceRequest{DeploymentId: d, InstanceId: instance, Version: "1"})))
	conf := reg.GetConfig()
	if len(conf.GetEnv()) != 1 || conf.GetEnv()["DB"] != "a" || conf.GetFiles()["etc/app.conf"] != "x=1" || conf.GetFileChangeSignal() != "HUP" {
		t.Errorf("%v", conf)
	}
	if iv := reg.GetIntervals(); iv.GetConfigMs() != 30_000 || iv.GetLogsMs() != 15_000 {
		t.Errorf("%v", iv)
	}
	poll := func(etag string) *waypointv1.GetAppConfigResponse {
		return must[waypointv1.GetAppConfigResponse](t)(e.entrypoint.GetAppConfig(ctx, ask(&waypointv1.GetAppConfigRequest{DeploymentId: d, InstanceId: instance, Etag: etag})))
	}
	if got := poll(conf.GetEtag()); !got.GetUnchanged() || e.used(t, "r") != 1.5 || e.used(t, "w") != 0 {
		t.Errorf("%v, cost %s", got, e.cost)
	}
	c.set(t, appVar("DB", "b"))
	changed := poll(conf.GetEtag())
	if changed.GetUnchanged() || changed.GetConfig().GetEnv()["DB"] != "b" || !poll(changed.GetConfig().GetEtag()).GetUnchanged() {
		t.Errorf("%v", changed)
	}
	w.Clock.Pass(5 * time.Minute)
	if got := poll(changed.GetConfig().GetEtag()); got.GetUnchanged() || e.used(t, "w") == 0 {
		t.Errorf("the instance's life was not noted: %v, %s", got, e.cost)
	}
	for _, bad := range []string{"", "x", "1.", ".1", "zz.zz.zz"} {
		if poll(bad).GetUnchanged() {
			t.Errorf("etag %q counts as current", bad)
		}
	}
}

func TestEntrypointTokenOpensItsDeploymentOnly(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	_, e, fence := c.deployed(t)
	must[waypointv1.CompleteJobResponse](t)(c.agent.CompleteJob(ctx, ask(&waypointv1.CompleteJobRequest{Fence: fence})))
	other, _, _ := c.deployed(t)
	_, err := e.entrypoint.RegisterInstance(ctx, ask(&waypointv1.RegisterInstanceRequest{DeploymentId: other, InstanceId: w.ID(t)}))
	wantFault(t, err, fault.PermissionDenied)
	_, err = e.projects.ListProjects(ctx, ask(&waypointv1.ListProjectsRequest{}))
	wantFault(t, err, fault.PermissionDenied)
	_, err = e.configs.GetConfig(ctx, ask(&waypointv1.GetConfigRequest{Project: "shop", App: "web"}))
	wantFault(t, err, fault.PermissionDenied)
	_, err = e.jobs.ListJobs(ctx, ask(&waypointv1.ListJobsRequest{Project: "shop"}))
	wantFault(t, err, fault.PermissionDenied)
	_, err = e.agent.ClaimJob(ctx, ask(&waypointv1.ClaimJobRequest{RunnerId: w.ID(t), JobId: w.ID(t), Nonce: "n"}))
	wantFault(t, err, fault.PermissionDenied)
	_, err = c.agent.CreateEntrypointToken(ctx, ask(&waypointv1.CreateEntrypointTokenRequest{Fence: fence, DeploymentId: other}))
	wantFault(t, err, fault.StaleLease)
}

func TestAppLogsAreTailedWithoutGapOrRepeat(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	d, e, _ := c.deployed(t)
	a, b := w.ID(t), w.ID(t)
	for _, instance := range []string{a, b} {
		must[waypointv1.RegisterInstanceResponse](t)(e.entrypoint.RegisterInstance(ctx, ask(&waypointv1.RegisterInstanceRequest{DeploymentId: d, InstanceId: instance})))
	}
	line := 0
	send := func(instance string, sequence int64, lines int) *waypointv1.PutLogsResponse {
		in := &waypointv1.PutLogsRequest{DeploymentId: d, InstanceId: instance, Sequence: sequence}
		for range lines {
			line++
			in.Lines = append(in.Lines, &waypointv1.LogLine{TimeUnixMs: int64(line), Text: fmt.Sprintf("line %d", line)})
		}
		res := must[waypointv1.PutLogsResponse](t)(e.entrypoint.PutLogs(ctx, ask(in)))
		must[waypointv1.PutLogsResponse](t)(e.entrypoint.PutLogs(ctx, ask(in))) // the answer was lost
		return res
	}
	if got := send(a, 0, 3).GetIntervals().GetLogsMs(); got != 15_000 {
		t.Errorf("nobody tails: %d ms", got)
	}
	send(b, 0, 2)
	tail := func(cursor string, backlog int32) *waypointv1.TailLogsResponse {
		return must[waypointv1.TailLogsResponse](t)(c.tail.TailLogs(ctx, ask(&waypointv1.TailLogsRequest{
			Project: "shop", App: "web", Cursor: cursor, Backlog: backlog,
		})))
	}
	first := tail("", 4)
	if got := texts(first); got != "line 2,line 3,line 4,line 5" {
		t.Error(got)
	}
	if l := first.GetLines()[0]; l.GetDeploymentId() != d || l.GetInstanceId() != a || l.GetDeploymentSequence() != 1 {
		t.Errorf("%v", l)
	}
	if got := send(a, 1, 1).GetIntervals().GetLogsMs(); got != 1_000 {
		t.Errorf("somebody tails: %d ms", got)
	}
	second := tail(first.GetNextCursor(), 0)
	send(b, 1, 2)
	third := tail(second.GetNextCursor(), 0)
	none := tail(third.GetNextCursor(), 0)
	if got := texts(second) + "|" + texts(third) + "|" + texts(none); got != "line 6|line 7,line 8|" {
		t.Error(got)
	}
	fresh := w.ID(t) // an instance that the cursor does not know yet
	must[waypointv1.RegisterInstanceResponse](t)(e.entrypoint.RegisterInstance(ctx, ask(&waypointv1.RegisterInstanceRequest{DeploymentId: d, InstanceId: fresh})))
	send(fresh, 0, 1)
	if got := texts(tail(none.GetNextCursor(), 0)); got != "line 9" {
		t.Error(got)
	}
	_, err := c.tail.TailLogs(ctx, ask(&waypointv1.TailLogsRequest{Project: "shop", App: "web", Cursor: "!"}))
	wantFault(t, err, fault.InvalidArgument)
	_, err = c.tail.TailLogs(ctx, ask(&waypointv1.TailLogsRequest{Project: "shop", App: "nope"}))
	wantFault(t, err, fault.AppNotFound)
	_, err = c.tail.TailLogs(ctx, ask(&waypointv1.TailLogsRequest{Project: "blog", App: "web", DeploymentId: d}))
	wantFault(t, err, fault.RecordNotFound)
}

func texts(res *waypointv1.TailLogsResponse) string {
	var out []string
	for _, l := range res.GetLines() {
		out = append(out, l.GetText())
	}
	return strings.Join(out, ",")
}

func TestSyncConfigWritesUnderTheFence(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	fence := c.claimed(t, noop())
	entries := []*waypointv1.ConfigEntry{{Name: "A", Value: "app", AppScope: true}, {Name: "A", Value: "project"}, {Name: "B", Value: "prod", AppScope: true, Workspace: "prod"}}
	sync := func(f *waypointv1.Fence) error {
		_, err := c.agent.SyncConfig(ctx, ask(&waypointv1.SyncConfigRequest{Fence: f, Entries: entries}))
		return err
	}
	if err := sync(fence); err != nil {
		t.Fatal(err)
	}
	if err := sync(fence); err != nil {
		t.Fatal(err)
	}
	if got := c.get(t, &waypointv1.GetConfigRequest{Project: "shop", App: "web"}); got != "A=app" {
		t.Error(got)
	}
	if got := c.get(t, &waypointv1.GetConfigRequest{Project: "shop", App: "web", Workspace: "prod"}); got != "A=app B=prod" {
		t.Error(got)
	}
	must[waypointv1.CompleteJobResponse](t)(c.agent.CompleteJob(ctx, ask(&waypointv1.CompleteJobRequest{Fence: fence})))
	wantFault(t, sync(fence), fault.StaleLease)
}

// The signal that waypoint.hcl names reaches the entrypoints of the app, with the variables of the same job.
func TestTheFileChangeSignalTravelsWithTheConfiguration(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop") // with the signal HUP
	d, e, fence := c.deployed(t)
	instance, etag := w.ID(t), ""
	signal := func() string {
		t.Helper()
		res := must[waypointv1.GetAppConfigResponse](t)(e.entrypoint.GetAppConfig(ctx, ask(&waypointv1.GetAppConfigRequest{DeploymentId: d, InstanceId: instance, Etag: etag})))
		if res.GetUnchanged() {
			t.Fatal("the entrypoint is told of no change")
		}
		etag = res.GetConfig().GetEtag()
		return res.GetConfig().GetFileChangeSignal()
	}
	if got := signal(); got != "HUP" {
		t.Errorf("at first %q", got)
	}
	for i, tt := range []struct {
		sent *string
		want string
	}{{proto.String("USR1"), "USR1"}, {nil, "USR1"}, {proto.String(""), ""}, {proto.String("SIGHUP"), "SIGHUP"}} {
		entry := &waypointv1.ConfigEntry{Name: "etc/app.conf", Value: fmt.Sprint(i), File: true, AppScope: true}
		must[waypointv1.SyncConfigResponse](t)(c.agent.SyncConfig(ctx, ask(&waypointv1.SyncConfigRequest{
			Fence: fence, Entries: []*waypointv1.ConfigEntry{entry}, FileChangeSignal: tt.sent,
		})))
		if got := signal(); got != tt.want {
			t.Errorf("sync %d: %q, want %q", i, got, tt.want)
		}
	}
	must[waypointv1.CompleteJobResponse](t)(c.agent.CompleteJob(ctx, ask(&waypointv1.CompleteJobRequest{Fence: fence})))
	_, err := c.agent.SyncConfig(ctx, ask(&waypointv1.SyncConfigRequest{Fence: fence, FileChangeSignal: proto.String("USR2")}))
	wantFault(t, err, fault.StaleLease)
}

// What an instance cannot do stands beside its deployment until it takes it back, or is gone.
func TestProblemsOfInstancesStandBesideTheirDeployment(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	d, e, _ := c.deployed(t)
	instance := w.ID(t)
	report := func(problems ...string) *waypointv1.InstanceReport {
		return &waypointv1.InstanceReport{Problems: problems}
	}
	reg := must[waypointv1.RegisterInstanceResponse](t)(e.entrypoint.RegisterInstance(ctx, ask(&waypointv1.RegisterInstanceRequest{
		DeploymentId: d, InstanceId: instance, Version: "1", Report: report("one"),
	})))
	shown := func() string {
		t.Helper()
		got := must[waypointv1.GetDeploymentResponse](t)(c.deployments.GetDeployment(ctx, ask(&waypointv1.GetDeploymentRequest{
			Ref: &waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Id{Id: d}},
		})))
		var all []string
		for _, p := range got.GetProblems() {
			if p.GetInstanceId() != instance {
				t.Errorf("a problem of instance %s", p.GetInstanceId())
			}
			all = append(all, p.GetProblem())
		}
		return strings.Join(all, ",")
	}
	say := func(r *waypointv1.InstanceReport) error {
		_, err := e.entrypoint.GetAppConfig(ctx, ask(&waypointv1.GetAppConfigRequest{
			DeploymentId: d, InstanceId: instance, Etag: reg.GetConfig().GetEtag(), Report: r,
		}))
		return err
	}
	if got := shown(); got != "one" {
		t.Errorf("after the first word: %q", got)
	}
	for _, step := range []struct {
		report *waypointv1.InstanceReport
		want   string
	}{{report("two", "three"), "two,three"}, {nil, "two,three"}, {report(), ""}, {report("four"), "four"}} {
		if err := say(step.report); err != nil {
			t.Fatal(err)
		}
		if got := shown(); got != step.want {
			t.Errorf("got %q, want %q", got, step.want)
		}
	}
	wantFault(t, say(report(strings.Repeat("x", 501))), fault.TooLarge)
	if err := say(report(make([]string, 21)...)); err == nil {
		t.Error("21 problems are taken")
	}
	w.Clock.Pass(10 * time.Minute)
	if got := shown(); got != "" {
		t.Errorf("of an instance that is gone: %q", got)
	}
}
