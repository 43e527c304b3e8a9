package functions_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/waypoint-serverless/waypoint/api/access"
	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions"
	"github.com/waypoint-serverless/waypoint/functions/internal/auth"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// What the tests look for in answers to those whom it is none of the business of.
const (
	gitPassword  = "MARKER-git-password"
	runnerSecret = "MARKER-runner-configuration"
	inputSecret  = "MARKER-input-variable"
	appSecret    = "MARKER-app-configuration"
	globalSecret = "MARKER-global-configuration"
)

// shared is a server that is not one machine's own.
func shared(t *testing.T) *world {
	t.Helper()
	return newWorldFor(t, install(t), func(s *functions.Settings) { s.Platform = "aws" })
}

// token makes a token and returns a caller with it.
func (c *caller) newToken(t *testing.T, in *waypointv1.CreateTokenRequest) *caller {
	t.Helper()
	in.Name = "made for a test"
	return c.as(must[waypointv1.CreateTokenResponse](t)(c.tokens.CreateToken(t.Context(), ask(in))).GetSecret())
}

// runnerOf is a caller with a runner token for projects.
func (c *caller) runnerOf(t *testing.T, labels map[string]string, projects ...string) *caller {
	t.Helper()
	return c.newToken(t, &waypointv1.CreateTokenRequest{Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, RunnerLabels: labels, Projects: projects,
		AllProjects: len(projects) == 0})
}

// deployerOf is a caller with a user token for projects.
func (c *caller) deployerOf(t *testing.T, projects ...string) *caller {
	t.Helper()
	roles := map[string]waypointv1.Role{}
	for _, p := range projects {
		roles[p] = waypointv1.Role_ROLE_DEPLOYER
	}
	return c.newToken(t, &waypointv1.CreateTokenRequest{Kind: waypointv1.TokenKind_TOKEN_KIND_USER, Roles: roles})
}

// stands registers a standing runner and returns its id and its queue.
func (c *caller) stands(t *testing.T) (id, queue string) {
	t.Helper()
	id = c.ID(t)
	res := must[waypointv1.RegisterResponse](t)(c.agent.Register(t.Context(), ask(&waypointv1.RegisterRequest{
		RunnerId: id, Name: "standing", Kind: waypointv1.RunnerKind_RUNNER_KIND_STANDING, Concurrency: 1,
	})))
	return id, res.GetQueueUrl()
}

// here registers a runner of the caller's own CLI.
func (c *caller) here(t *testing.T, labels map[string]string) string {
	t.Helper()
	id := c.ID(t)
	must[waypointv1.RegisterResponse](t)(c.agent.Register(t.Context(), ask(&waypointv1.RegisterRequest{
		RunnerId: id, Name: "here", Kind: waypointv1.RunnerKind_RUNNER_KIND_CLI, Concurrency: 1, Labels: labels,
	})))
	return id
}

// anywhere queues a job of a project for any runner.
func (c *caller) anywhere(t *testing.T, project string, change ...func(*waypointv1.JobSpec)) string {
	t.Helper()
	spec := &waypointv1.JobSpec{Project: project, App: "web", Operation: noop(),
		Target: &waypointv1.Target{Target: &waypointv1.Target_Any{Any: &waypointv1.AnyRunner{}}}}
	for _, f := range change {
		f(spec)
	}
	return must[waypointv1.QueueJobResponse](t)(c.jobs.QueueJob(t.Context(), ask(&waypointv1.QueueJobRequest{Spec: spec}))).GetJob().GetId()
}

func (c *caller) tryClaim(t *testing.T, runner, job string) *waypointv1.ClaimJobResponse {
	t.Helper()
	return must[waypointv1.ClaimJobResponse](t)(c.agent.ClaimJob(t.Context(), ask(&waypointv1.ClaimJobRequest{RunnerId: runner, JobId: job, Nonce: c.ID(t)})))
}

// secretProject makes a project that has every kind of secret.
func (c *caller) secretProject(t *testing.T, name string) {
	t.Helper()
	must[waypointv1.UpsertProjectResponse](t)(c.projects.UpsertProject(t.Context(), ask(&waypointv1.UpsertProjectRequest{
		Project: &waypointv1.Project{Name: name, DataSource: &waypointv1.DataSource{Source: &waypointv1.DataSource_Git{Git: &waypointv1.GitSource{
			Url: "https://git.example/" + name, Username: "bot", Password: gitPassword,
		}}}},
		Apps: []*waypointv1.App{{Name: "web"}},
	})))
	scope := func(s *waypointv1.ConfigScope) *waypointv1.ConfigScope {
		s.Level, s.Project = waypointv1.ConfigScope_LEVEL_PROJECT, name
		return s
	}
	c.set(t,
		&waypointv1.ConfigVariable{Name: "APP", Value: appSecret, Scope: scope(&waypointv1.ConfigScope{})},
		&waypointv1.ConfigVariable{Name: "RUNNER", Value: runnerSecret, Scope: scope(&waypointv1.ConfigScope{Runner: true})},
		&waypointv1.ConfigVariable{Name: "PROD_AWS_KEY", Value: runnerSecret + "-prod", Scope: scope(&waypointv1.ConfigScope{Runner: true, LabelSelector: "env == prod"})},
		&waypointv1.ConfigVariable{Name: "hidden", Value: inputSecret, Sensitive: true, Scope: scope(&waypointv1.ConfigScope{Input: true})},
		&waypointv1.ConfigVariable{Name: "plain", Value: "shown", Scope: scope(&waypointv1.ConfigScope{Input: true})},
	)
	c.set(t, &waypointv1.ConfigVariable{Name: "GLOBAL", Value: globalSecret, Scope: &waypointv1.ConfigScope{Level: waypointv1.ConfigScope_LEVEL_GLOBAL}},
		&waypointv1.ConfigVariable{Name: "GLOBAL_RUNNER", Value: runnerSecret + "-global", Scope: &waypointv1.ConfigScope{Level: waypointv1.ConfigScope_LEVEL_GLOBAL, Runner: true}})
}

// messages counts those that are in a queue.
func (w *world) messages(t *testing.T, url string) string {
	t.Helper()
	const visible = types.QueueAttributeNameApproximateNumberOfMessages
	res, err := w.SQS.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{visible}})
	if err != nil {
		t.Fatal(err)
	}
	return res.Attributes[string(visible)]
}

// forget takes attributes out of a token's item, as it was before there were any.
func (w *world) forget(t *testing.T, token string, attributes ...string) {
	t.Helper()
	sum := sha256.Sum256([]byte(token))
	change := store.Set("REMOVE #" + strings.Join(attributes, ", #"))
	if err := w.DB.Update(t.Context(), store.Token(hex.EncodeToString(sum[:])), change, store.Exists()); err != nil {
		t.Fatal(err)
	}
}

// raw sends a request as curl does, and returns the status and the whole answer.
func (c *caller) raw(t *testing.T, method, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://waypoint.test/waypoint.v1."+method, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(out)
}

// methods are all methods of the contract, as SERVICE/METHOD.
func methods(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, m := range access.Methods() {
		out = append(out, strings.TrimPrefix(m.Procedure, "/waypoint.v1."))
	}
	if len(out) < 45 {
		t.Fatalf("only %d methods were found", len(out))
	}
	return out
}

// A runner token of project blog tries every call there is on what belongs to project shop, with every id known.
func TestARunnerTokenOfAnotherProjectGetsNothing(t *testing.T) {
	w := shared(t)
	admin := w.as(w.admin)
	admin.secretProject(t, "shop")
	admin.project(t, "blog")
	admin.set(t, &waypointv1.ConfigVariable{Name: "BLOG", Value: "seen", Scope: &waypointv1.ConfigScope{Level: waypointv1.ConfigScope_LEVEL_PROJECT, Project: "blog"}})

	mine := admin.runnerOf(t, nil, "shop")
	shopRunner, _ := mine.stands(t)
	ready, held, ended := admin.anywhere(t, "shop"), admin.anywhere(t, "shop"), admin.anywhere(t, "shop")
	claim := mine.tryClaim(t, shopRunner, held)
	if claim.GetOutcome() != waypointv1.ClaimJobResponse_OUTCOME_CLAIMED || claim.GetDataSource().GetGit().GetPassword() != gitPassword ||
		claim.GetRunnerEnv()["RUNNER"] != runnerSecret || claim.GetRunnerEnv()["PROD_AWS_KEY"] != "" {
		t.Fatalf("the project's own runner gets %v", claim)
	}
	d := mine.put(t, claim.GetFence(), deployment(w.ID(t), success, waypointv1.PhysicalState_PHYSICAL_STATE_CREATED)).GetDeployment().GetMeta().GetId()
	b := mine.put(t, claim.GetFence(), build(w.ID(t), success)).GetBuild().GetMeta().GetId()
	must[waypointv1.CreateEntrypointTokenResponse](t)(mine.agent.CreateEntrypointToken(t.Context(), ask(&waypointv1.CreateEntrypointTokenRequest{Fence: claim.GetFence(), DeploymentId: d})))
	last := mine.tryClaim(t, shopRunner, ended)
	must[waypointv1.CompleteJobResponse](t)(mine.agent.CompleteJob(t.Context(), ask(&waypointv1.CompleteJobRequest{Fence: last.GetFence()})))

	evil := admin.runnerOf(t, map[string]string{"team": "evil"}, "blog")
	evilRunner, evilQueue := evil.stands(t)
	fence := fmt.Sprintf(`"fence":{"jobId":%q,"attempt":1,"runnerId":%q}`, held, shopRunner)
	meta := fmt.Sprintf(`{"build":{"meta":{"id":%q,"state":"RECORD_STATE_SUCCESS"}}}`, w.ID(t))
	byID := func(id string) string { return fmt.Sprintf(`{"ref":{"id":%q}}`, id) }
	shop := `{"selector":{"project":"shop","app":"web"}}`
	scope := `{"level":"LEVEL_PROJECT","project":"shop"}`
	// Those marked with ! may succeed, and are looked through like the others.
	attempts := map[string][]string{
		"ServerService/GetServerInfo":    {`!{}`},
		"ServerService/ExchangeIdentity": {`{}`},
		"TokenService/CreateToken":       {`{"kind":"TOKEN_KIND_RUNNER","name":"x","allProjects":true}`},
		"TokenService/ListTokens":        {`{}`, `{"entrypoints":true}`},
		"TokenService/RevokeToken":       {fmt.Sprintf(`{"id":%q}`, w.ID(t))},

		"ProjectService/UpsertProject": {`{"project":{"name":"shop"}}`, `{"project":{"name":"blog"}}`},
		"ProjectService/GetProject":    {`{"name":"shop"}`},
		"ProjectService/ListProjects":  {`!{}`},

		"BuildService/ListBuilds":           {shop},
		"BuildService/GetBuild":             {byID(b), `{"ref":{"sequence":{"project":"shop","app":"web","sequence":1}}}`, `{"ref":{"latest":{"project":"shop","app":"web"}}}`},
		"ArtifactService/ListArtifacts":     {shop},
		"ArtifactService/GetArtifact":       {byID(b), `{"ref":{"sequence":{"project":"shop","app":"web","sequence":1}}}`, `{"ref":{"latest":{"project":"shop","app":"web"}}}`},
		"DeploymentService/ListDeployments": {shop},
		"DeploymentService/GetDeployment":   {byID(d), `{"ref":{"sequence":{"project":"shop","app":"web","sequence":1}}}`, `{"ref":{"latest":{"project":"shop","app":"web"}}}`},
		"ReleaseService/ListReleases":       {shop},
		"ReleaseService/GetRelease":         {byID(d), `{"ref":{"latest":{"project":"shop","app":"web"}}}`},

		"ProjectService/DestroyProject": {`{"name":"shop"}`, `{"name":"shop","skipDestroyResources":true}`, `{"name":"blog"}`},

		"JobService/QueueJob": {`{"spec":{"project":"shop","app":"web","operation":{"noop":{}}}}`, `{"spec":{"project":"blog","app":"web","operation":{"noop":{}}}}`},
		"JobService/GetJob":   {fmt.Sprintf(`{"id":%q}`, ready), fmt.Sprintf(`{"id":%q}`, held), fmt.Sprintf(`{"id":%q}`, ended)},
		"JobService/ListJobs": {`{"project":"shop"}`},
		"JobService/CancelJob": {fmt.Sprintf(`{"id":%q}`, ready), fmt.Sprintf(`{"id":%q,"force":true}`, held),
			fmt.Sprintf(`{"id":%q}`, ended)},
		"TailService/TailJob": {fmt.Sprintf(`{"jobId":%q}`, ready), fmt.Sprintf(`{"jobId":%q}`, held), fmt.Sprintf(`{"jobId":%q}`, ended)},
		"TailService/TailLogs": {`{"project":"shop","app":"web"}`, fmt.Sprintf(`{"project":"shop","app":"web","deploymentId":%q}`, d),
			fmt.Sprintf(`{"project":"blog","app":"web","deploymentId":%q}`, d)},

		"RunnerService/ListRunners": {`!{}`},
		"RunnerService/GetRunner":   {fmt.Sprintf(`{"id":%q}`, shopRunner)},
		"ConfigService/SetConfig":   {fmt.Sprintf(`{"variables":[{"name":"A","value":"b","scope":%s}]}`, scope)},
		"ConfigService/GetConfig": {`{"project":"shop"}`, `{"project":"shop","app":"web","runner":true,"labels":{"env":"prod"}}`, `{"project":"shop","input":true}`,
			`{}`, `{"runner":true}`, `!{"project":"blog"}`, `!{"project":"blog","app":"web","runner":true}`},
		"ConfigService/DeleteConfig":         {fmt.Sprintf(`{"variables":[{"name":"APP","scope":%s}]}`, scope)},
		"EntrypointService/RegisterInstance": {fmt.Sprintf(`{"deploymentId":%q,"instanceId":%q}`, d, w.ID(t))},
		"EntrypointService/GetAppConfig":     {fmt.Sprintf(`{"deploymentId":%q,"instanceId":%q}`, d, w.ID(t))},
		"EntrypointService/PutLogs":          {fmt.Sprintf(`{"deploymentId":%q,"instanceId":%q,"lines":[{"text":"x"}]}`, d, w.ID(t))},

		"RunnerAgentService/Register": {fmt.Sprintf(`{"runnerId":%q,"name":"x","kind":"RUNNER_KIND_STANDING"}`, shopRunner),
			fmt.Sprintf(`{"runnerId":%q,"name":"x","kind":"RUNNER_KIND_STANDING","labels":{"env":"prod"}}`, w.ID(t)),
			fmt.Sprintf(`{"runnerId":%q,"name":"x","kind":"RUNNER_KIND_CLI"}`, w.ID(t))},
		"RunnerAgentService/Beat":                {fmt.Sprintf(`!{"runnerId":%q,"free":9}`, evilRunner), fmt.Sprintf(`!{"runnerId":%q,"free":9}`, shopRunner)},
		"RunnerAgentService/GetQueueCredentials": {fmt.Sprintf(`{"runnerId":%q}`, shopRunner)},
		"RunnerAgentService/ClaimJob": {fmt.Sprintf(`!{"jobId":%q,"runnerId":%q,"nonce":"n"}`, ready, evilRunner), fmt.Sprintf(`!{"jobId":%q,"runnerId":%q,"nonce":"n"}`, held, evilRunner),
			fmt.Sprintf(`!{"jobId":%q,"runnerId":%q,"nonce":"n"}`, ended, evilRunner), fmt.Sprintf(`{"jobId":%q,"runnerId":%q,"nonce":"n"}`, ready, shopRunner)},
		"RunnerAgentService/RenewLease":            {"{" + fence + "}"},
		"RunnerAgentService/AppendOutput":          {"{" + fence + `,"position":0,"events":[{"line":{"text":"x"}}]}`},
		"RunnerAgentService/BeginStep":             {"{" + fence + `,"name":"build"}`, "{" + fence + `,"name":"build","again":true}`},
		"RunnerAgentService/EndStep":               {"{" + fence + `,"name":"build"}`},
		"RunnerAgentService/PutRecord":             {"{" + fence + `,"record":` + meta + `}`, "{" + fence + `}`},
		"RunnerAgentService/MatchFingerprints":     {"{" + fence + fmt.Sprintf(`,"records":[{"kind":"RECORD_KIND_DEPLOYMENT","recordId":%q}]}`, d)},
		"RunnerAgentService/PutStatusReport":       {"{" + fence + fmt.Sprintf(`,"report":{"deploymentId":%q}}`, d)},
		"RunnerAgentService/ReportJob":             {"{" + fence + "}"},
		"RunnerAgentService/CreateEntrypointToken": {"{" + fence + fmt.Sprintf(`,"deploymentId":%q}`, d)},
		"RunnerAgentService/SyncConfig":            {"{" + fence + `,"entries":[{"name":"A","value":"b"}]}`},
		"RunnerAgentService/CompleteJob":           {"{" + fence + "}"},
		"RunnerAgentService/HandBackJob":           {"{" + fence + "}"},
		"RunnerAgentService/Deregister":            {fmt.Sprintf(`!{"runnerId":%q}`, shopRunner)},
	}
	for _, method := range methods(t) {
		bodies := attempts[method]
		if len(bodies) == 0 {
			t.Errorf("%s is not tried", method)
		}
		for _, body := range bodies {
			may := strings.HasPrefix(body, "!")
			body = strings.TrimPrefix(body, "!")
			status, answer := evil.raw(t, method, body)
			if status == http.StatusOK && !may {
				t.Errorf("%s %s is answered: %s", method, body, answer)
			}
			for _, secret := range []string{"MARKER", "CLAIMED", "ENDED", "SUCCEEDED", "RUNNING", "READY\"", ready, "shop"} {
				if strings.Contains(answer, secret) && !strings.Contains(body, secret) && !strings.Contains(answer, "NOT_READY") {
					t.Errorf("%s %s tells %s: %s", method, body, secret, answer)
				}
			}
		}
	}
	if !strings.HasSuffix(evilQueue, "/") && strings.Contains(evilQueue, "shop") {
		t.Error(evilQueue)
	}
	// What is shop's is as it was.
	if got := must[waypointv1.GetJobResponse](t)(admin.jobs.GetJob(t.Context(), ask(&waypointv1.GetJobRequest{Id: ready}))).GetJob(); got.GetState() != waypointv1.JobState_JOB_STATE_READY {
		t.Errorf("the waiting job is %v", got.GetState())
	}
	must[waypointv1.RenewLeaseResponse](t)(mine.agent.RenewLease(t.Context(), ask(&waypointv1.RenewLeaseRequest{Fence: claim.GetFence()})))
	if got := must[waypointv1.GetRunnerResponse](t)(admin.runners.GetRunner(t.Context(), ask(&waypointv1.GetRunnerRequest{Id: shopRunner}))).GetRunner(); got.GetName() != "standing" || !slices.Equal(got.GetProjects(), []string{"shop"}) {
		t.Errorf("the runner is %v", got)
	}
}

// A deployer of project blog tries the runner's calls on a job of shop: one of them names what the job is about.
func TestADeployerOfAnotherProjectLearnsNothingOfAJob(t *testing.T) {
	w := newWorld(t)
	admin := w.as(w.admin)
	admin.secretProject(t, "shop")
	admin.project(t, "blog")
	fence := admin.claimed(t, noop())
	d := admin.put(t, fence, deployment(w.ID(t), success, waypointv1.PhysicalState_PHYSICAL_STATE_CREATED)).GetDeployment().GetMeta().GetId()
	eve := admin.deployerOf(t, "blog")
	runner := eve.here(t, nil)
	f := fmt.Sprintf(`"fence":{"jobId":%q,"attempt":1,"runnerId":%q}`, fence.GetJobId(), fence.GetRunnerId())
	for method, body := range map[string]string{
		"RunnerAgentService/RenewLease":            "{" + f + "}",
		"RunnerAgentService/CompleteJob":           "{" + f + "}",
		"RunnerAgentService/PutRecord":             "{" + f + fmt.Sprintf(`,"record":{"build":{"meta":{"id":%q,"project":"blog","state":"RECORD_STATE_SUCCESS"}}}}`, w.ID(t)),
		"RunnerAgentService/CreateEntrypointToken": "{" + f + fmt.Sprintf(`,"deploymentId":%q}`, d),
		"JobService/GetJob":                        fmt.Sprintf(`{"id":%q}`, fence.GetJobId()),
		"JobService/CancelJob":                     fmt.Sprintf(`{"id":%q}`, fence.GetJobId()),
		"TailService/TailJob":                      fmt.Sprintf(`{"jobId":%q}`, fence.GetJobId()),
		"DeploymentService/GetDeployment":          fmt.Sprintf(`{"ref":{"id":%q}}`, d),
	} {
		status, answer := eve.raw(t, method, body)
		if status == http.StatusOK || strings.Contains(answer, "shop") || strings.Contains(answer, "RUNNING") {
			t.Errorf("%s: %d %s", method, status, answer)
		}
	}
	must[waypointv1.CompleteJobResponse](t)(admin.agent.CompleteJob(t.Context(), ask(&waypointv1.CompleteJobRequest{Fence: fence})))
	if got := eve.tryClaim(t, runner, fence.GetJobId()); got.GetOutcome() != waypointv1.ClaimJobResponse_OUTCOME_NOT_READY {
		t.Errorf("a claim tells that the job is %v", got.GetOutcome())
	}
}

// Two projects whose runners have equal labels: each job wakes its own, and waits for no other.
func TestJobsGoToRunnersOfTheirProject(t *testing.T) {
	w := shared(t)
	ctx, admin := t.Context(), w.as(w.admin)
	admin.project(t, "shop")
	admin.project(t, "blog")
	blog := admin.runnerOf(t, nil, "blog")
	blogRunner, blogQueue := blog.stands(t)
	job := admin.anywhere(t, "shop")
	why := func() string {
		return must[waypointv1.GetJobResponse](t)(admin.jobs.GetJob(ctx, ask(&waypointv1.GetJobRequest{Id: job}))).GetJob().GetWhyNot().GetMessage()
	}
	if got := why(); !strings.Contains(got, "may run jobs of project shop") || strings.Contains(got, "blog") {
		t.Errorf("why not: %s", got)
	}
	beat := func(c *caller, runner string) []string {
		return must[waypointv1.BeatResponse](t)(c.agent.Beat(ctx, ask(&waypointv1.BeatRequest{RunnerId: runner, Free: 5}))).GetJobIds()
	}
	if got := beat(blog, blogRunner); len(got) != 0 {
		t.Errorf("a runner of another project is offered %v", got)
	}
	if got := blog.tryClaim(t, blogRunner, job); got.GetOutcome() != waypointv1.ClaimJobResponse_OUTCOME_NOT_READY || got.GetJob() != nil {
		t.Errorf("it claims it: %v", got)
	}
	if got := w.messages(t, blogQueue); got != "0" {
		t.Errorf("its queue is announced %s times", got)
	}
	shop := admin.runnerOf(t, nil, "shop", "other")
	shopRunner, shopQueue := shop.stands(t)
	if shopQueue == blogQueue {
		t.Error("runners of different projects share a queue")
	}
	if got := w.messages(t, shopQueue); got != "1" {
		t.Errorf("the job that waited is announced %s times", got)
	}
	if got := beat(shop, shopRunner); !slices.Equal(got, []string{job}) {
		t.Errorf("its own runner is offered %v", got)
	}
	// One job names a runner that may not run it: it says so instead of waiting in silence.
	named := admin.anywhere(t, "shop", func(s *waypointv1.JobSpec) {
		s.Target = &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: blogRunner}}
	})
	got := must[waypointv1.GetJobResponse](t)(admin.jobs.GetJob(ctx, ask(&waypointv1.GetJobRequest{Id: named}))).GetJob().GetWhyNot()
	if got.GetReason() != string(fault.NoRunner) || !strings.Contains(got.GetMessage(), "does not let it run jobs of project shop") {
		t.Errorf("why not: %v", got)
	}
	if got := shop.tryClaim(t, shopRunner, job); got.GetOutcome() != waypointv1.ClaimJobResponse_OUTCOME_CLAIMED {
		t.Errorf("its own runner: %v", got.GetOutcome())
	}
	// Who reads one project sees its runners, and of their projects that one.
	reader := admin.newToken(t, &waypointv1.CreateTokenRequest{Kind: waypointv1.TokenKind_TOKEN_KIND_USER, Roles: map[string]waypointv1.Role{"shop": waypointv1.Role_ROLE_VIEWER}})
	runners := must[waypointv1.ListRunnersResponse](t)(reader.runners.ListRunners(ctx, ask(&waypointv1.ListRunnersRequest{}))).GetRunners()
	if len(runners) != 1 || runners[0].GetId() != shopRunner || !slices.Equal(runners[0].GetProjects(), []string{"shop"}) {
		t.Errorf("a viewer of shop sees %v", runners)
	}
	if all := must[waypointv1.ListRunnersResponse](t)(admin.runners.ListRunners(ctx, ask(&waypointv1.ListRunnersRequest{}))).GetRunners(); len(all) != 2 {
		t.Errorf("the admin sees %v", all)
	}
}

// A runner whose token was narrowed since it registered gets nothing of what it lost, and is told to register again.
func TestARunnerFollowsItsToken(t *testing.T) {
	w := shared(t)
	ctx, admin := t.Context(), w.as(w.admin)
	admin.project(t, "shop")
	secret := must[waypointv1.CreateTokenResponse](t)(admin.tokens.CreateToken(ctx, ask(&waypointv1.CreateTokenRequest{
		Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: "r", AllProjects: true,
	})))
	r := admin.as(secret.GetSecret())
	id, before := r.stands(t)
	waiting := admin.anywhere(t, "shop")
	tok := secret.GetToken()
	if ok, err := w.Tokens.Extend(ctx, tok.GetId(), tok.GetCreatedBy(), w.Clock.Now().Unix()+3600, nil, job.Projects{Names: []string{"blog"}}); err != nil || !ok {
		t.Fatal(ok, err)
	}
	w.Clock.Pass(auth.CacheFor)
	if got := must[waypointv1.BeatResponse](t)(r.agent.Beat(ctx, ask(&waypointv1.BeatRequest{RunnerId: id, Free: 1}))); got.GetRegistered() || len(got.GetJobIds()) != 0 {
		t.Errorf("a heartbeat: %v", got)
	}
	_, err := r.agent.GetQueueCredentials(ctx, ask(&waypointv1.GetQueueCredentialsRequest{RunnerId: id}))
	wantFault(t, err, fault.RunnerNotFound)
	if got := r.tryClaim(t, id, waiting); got.GetOutcome() != waypointv1.ClaimJobResponse_OUTCOME_NOT_READY {
		t.Errorf("it claims %v", got)
	}
	again := must[waypointv1.RegisterResponse](t)(r.agent.Register(ctx, ask(&waypointv1.RegisterRequest{RunnerId: id, Name: "r", Kind: waypointv1.RunnerKind_RUNNER_KIND_STANDING})))
	if again.GetQueueUrl() == before || !slices.Equal(again.GetRunner().GetProjects(), []string{"blog"}) {
		t.Errorf("registered again: %v", again)
	}
}

// Tokens that were made before tokens were bound to projects go on as they were: all projects, and labels of their own for jobs.
func TestRunnerTokensOfEarlierVersionsGoOn(t *testing.T) {
	w := shared(t)
	ctx, admin := t.Context(), w.as(w.admin)
	admin.secretProject(t, "shop")
	made := must[waypointv1.CreateTokenResponse](t)(admin.tokens.CreateToken(ctx, ask(&waypointv1.CreateTokenRequest{
		Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: "old", AllProjects: true,
	})))
	w.forget(t, made.GetSecret(), "projects")
	old := admin.as(made.GetSecret())
	id := w.ID(t)
	must[waypointv1.RegisterResponse](t)(old.agent.Register(ctx, ask(&waypointv1.RegisterRequest{
		RunnerId: id, Name: "old", Kind: waypointv1.RunnerKind_RUNNER_KIND_STANDING, Labels: map[string]string{"env": "prod"},
	})))
	job := admin.anywhere(t, "shop", func(s *waypointv1.JobSpec) {
		s.Target = &waypointv1.Target{Target: &waypointv1.Target_Labels{Labels: &waypointv1.LabelTarget{Labels: map[string]string{"env": "prod"}}}}
	})
	got := old.tryClaim(t, id, job)
	if got.GetOutcome() != waypointv1.ClaimJobResponse_OUTCOME_CLAIMED || got.GetRunnerEnv()["RUNNER"] != runnerSecret {
		t.Errorf("got %v", got)
	}
	if got.GetRunnerEnv()["PROD_AWS_KEY"] != "" {
		t.Error("labels of its own open configuration")
	}
	list := must[waypointv1.ListTokensResponse](t)(admin.tokens.ListTokens(ctx, ask(&waypointv1.ListTokensRequest{}))).GetTokens()
	if i := slices.IndexFunc(list, func(tok *waypointv1.Token) bool { return tok.GetName() == "old" }); i < 0 || !list[i].GetAllProjects() {
		t.Errorf("listed as %v", list)
	}
}

func TestARunnerTokenSaysWhichProjectsItIsFor(t *testing.T) {
	runner := waypointv1.TokenKind_TOKEN_KIND_RUNNER
	for name, tt := range map[string]struct {
		world func(*testing.T) *world
		in    *waypointv1.CreateTokenRequest
		ok    bool
	}{
		"one":                       {shared, &waypointv1.CreateTokenRequest{Kind: runner, Projects: []string{"shop"}}, true},
		"all":                       {shared, &waypointv1.CreateTokenRequest{Kind: runner, AllProjects: true}, true},
		"neither":                   {shared, &waypointv1.CreateTokenRequest{Kind: runner}, false},
		"neither, on one machine":   {newWorld, &waypointv1.CreateTokenRequest{Kind: runner}, true},
		"both":                      {shared, &waypointv1.CreateTokenRequest{Kind: runner, Projects: []string{"shop"}, AllProjects: true}, false},
		"twice":                     {shared, &waypointv1.CreateTokenRequest{Kind: runner, Projects: []string{"shop", "shop"}}, false},
		"an empty name":             {shared, &waypointv1.CreateTokenRequest{Kind: runner, Projects: []string{""}}, false},
		"the sign for all":          {newWorld, &waypointv1.CreateTokenRequest{Kind: runner, Projects: []string{"*"}}, false},
		"of a user, who has roles":  {shared, &waypointv1.CreateTokenRequest{Kind: waypointv1.TokenKind_TOKEN_KIND_USER, Roles: map[string]waypointv1.Role{"shop": 2}, Projects: []string{"shop"}}, false},
		"of a user, who has roles ": {shared, &waypointv1.CreateTokenRequest{Kind: waypointv1.TokenKind_TOKEN_KIND_USER, Roles: map[string]waypointv1.Role{"shop": 2}, AllProjects: true}, false},
	} {
		w := tt.world(t)
		tt.in.Name = "x"
		_, err := w.as(w.admin).tokens.CreateToken(t.Context(), ask(tt.in))
		if (err == nil) != tt.ok || err != nil && !fault.Is(err, fault.InvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// everything is all that a claim's answer says, as text.
func everything(t *testing.T, c *waypointv1.ClaimJobResponse) string {
	t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A deployer names labels for a runner of his own, and claims his own job in each way that there is.
func TestALabelThatAClientNamesOpensNothing(t *testing.T) {
	for platform, make := range map[string]func(*testing.T) *world{"local": newWorld, "shared": shared} {
		w := make(t)
		ctx, admin := t.Context(), w.as(w.admin)
		admin.secretProject(t, "shop")
		prod := map[string]string{"env": "prod"}
		eve := admin.deployerOf(t, "shop")
		runner := eve.here(t, prod)
		own := func(s *waypointv1.JobSpec) {
			s.Target, s.Labels = &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: runner}}, prod
		}
		local := func(s *waypointv1.JobSpec) {
			own(s)
			s.DataSource = &waypointv1.DataSource{Source: &waypointv1.DataSource_Local{Local: &waypointv1.LocalSource{}}}
		}
		remote := everything(t, eve.tryClaim(t, runner, eve.anywhere(t, "shop", own)))
		for _, secret := range []string{gitPassword, runnerSecret, inputSecret} {
			if strings.Contains(remote, secret) {
				t.Errorf("%s: a job without a local source gives a CLI %s", platform, secret)
			}
		}
		claim := eve.tryClaim(t, runner, eve.anywhere(t, "shop", local))
		here := everything(t, claim)
		if claim.GetOutcome() != waypointv1.ClaimJobResponse_OUTCOME_CLAIMED || !strings.Contains(here, inputSecret) || strings.Contains(here, gitPassword) ||
			claim.GetRunnerEnv()["PROD_AWS_KEY"] != "" {
			t.Errorf("%s: a job with a local source gives a CLI %s", platform, here)
		}
		onShared := platform == "shared"
		if got := claim.GetRunnerEnv()["RUNNER"]; (got != "") == onShared {
			t.Errorf("%s: configuration for runners in a CLI: %q", platform, got)
		}
		if told := strings.Join(claim.GetNotices(), " "); strings.Contains(told, "RUNNER") != onShared || strings.Contains(told, "MARKER") {
			t.Errorf("%s: the job is told %q", platform, told)
		}
		for _, in := range []*waypointv1.GetConfigRequest{
			{Project: "shop"}, {Project: "shop", Runner: true}, {Project: "shop", App: "web", Labels: prod}, {Project: "shop", App: "web", Runner: true, Labels: prod},
			{Project: "shop", Input: true}, {Project: "shop", Input: true, Workspace: "default"},
		} {
			got := eve.get(t, in)
			for _, secret := range []string{runnerSecret, globalSecret, inputSecret} {
				if strings.Contains(got, secret) {
					t.Errorf("%s: GetConfig %v gives a deployer of one project %s: %s", platform, in, secret, got)
				}
			}
		}
		if got := eve.get(t, &waypointv1.GetConfigRequest{Project: "shop"}); !strings.Contains(got, appSecret) {
			t.Errorf("%s: a deployer does not see the configuration of his apps: %s", platform, got)
		}
		// A runner token without labels, and one with other labels.
		for _, labels := range []map[string]string{nil, {"env": "dev"}} {
			r := admin.runnerOf(t, labels, "shop")
			_, err := r.agent.Register(ctx, ask(&waypointv1.RegisterRequest{RunnerId: w.ID(t), Name: "r", Kind: waypointv1.RunnerKind_RUNNER_KIND_STANDING, Labels: prod}))
			wantFault(t, err, fault.PermissionDenied)
			id, _ := r.stands(t)
			if got := r.tryClaim(t, id, admin.anywhere(t, "shop")); got.GetRunnerEnv()["PROD_AWS_KEY"] != "" || got.GetRunnerEnv()["RUNNER"] != runnerSecret {
				t.Errorf("%s: a runner with the labels %v gets %v", platform, labels, got.GetRunnerEnv())
			}
		}
		r := admin.runnerOf(t, prod, "shop")
		id, _ := r.stands(t)
		if got := r.tryClaim(t, id, admin.anywhere(t, "shop")); got.GetRunnerEnv()["PROD_AWS_KEY"] == "" || got.GetDataSource().GetGit().GetPassword() != gitPassword {
			t.Errorf("%s: the runner whose token has the label gets %v", platform, got)
		}
	}
}

// A job may follow jobs of projects that whoever queues it may read.
func TestADependencyNeedsPermissionOnItsProject(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.as(w.admin)
	admin.project(t, "shop")
	admin.project(t, "blog")
	foreign := admin.anywhere(t, "shop")
	after := func(ids ...string) *waypointv1.QueueJobRequest {
		return &waypointv1.QueueJobRequest{Spec: &waypointv1.JobSpec{Project: "blog", App: "web", Operation: noop(), DependsOn: ids}}
	}
	eve := admin.deployerOf(t, "blog")
	own := eve.anywhere(t, "blog")
	_, err := eve.jobs.QueueJob(ctx, ask(after(own, foreign)))
	wantFault(t, err, fault.PermissionDenied)
	if err != nil && strings.Contains(err.Error(), "shop") {
		t.Errorf("the refusal names the project: %v", err)
	}
	must[waypointv1.CancelJobResponse](t)(admin.jobs.CancelJob(ctx, ask(&waypointv1.CancelJobRequest{Id: foreign})))
	_, ended := eve.jobs.QueueJob(ctx, ask(after(foreign)))
	if ended == nil || ended.Error() != err.Error() {
		t.Errorf("an ended job is refused in other words: %v", ended)
	}
	for _, item := range w.items(t, "J#"+foreign) {
		if strings.Contains(fmt.Sprint(item), "DEP#") {
			t.Errorf("an edge is left: %v", item)
		}
	}
	must[waypointv1.QueueJobResponse](t)(eve.jobs.QueueJob(ctx, ask(after(own))))
	both := admin.newToken(t, &waypointv1.CreateTokenRequest{Kind: waypointv1.TokenKind_TOKEN_KIND_USER,
		Roles: map[string]waypointv1.Role{"blog": waypointv1.Role_ROLE_DEPLOYER, "shop": waypointv1.Role_ROLE_VIEWER}})
	must[waypointv1.QueueJobResponse](t)(both.jobs.QueueJob(ctx, ask(after(admin.anywhere(t, "shop")))))
}
