package standin_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/oklog/ulid/v2"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/localstack/standin"
	"github.com/waypoint-serverless/waypoint/runner/awstoken"
)

// ask makes a request, and ends the test if it is refused.
func ask[Req, Res any](t *testing.T, call func(context.Context, *connect.Request[Req]) (*connect.Response[Res], error), in *Req) *Res {
	t.Helper()
	res, err := call(context.Background(), connect.NewRequest(in))
	if err != nil {
		t.Fatal(err)
	}
	return res.Msg
}

// A day in the life of the server, each function with its role's permissions only: a refused call would show as an
// error of the API. What was used must be what the listed calls need.
func TestTheServerLivesOnItsRoles(t *testing.T) {
	s := start(t, standin.Options{})
	o := options(s)
	r, err := infra.Install(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	c := reach(t, r)
	ask(t, c.Project.UpsertProject, &waypointv1.UpsertProjectRequest{Project: &waypointv1.Project{Name: "shop"}})
	// Encrypted with the key from Parameter Store.
	ask(t, c.Config.SetConfig, &waypointv1.SetConfigRequest{Variables: []*waypointv1.ConfigVariable{{
		Name: "PASSWORD", Value: "x", Scope: &waypointv1.ConfigScope{Level: waypointv1.ConfigScope_LEVEL_PROJECT, Project: "shop"}}}})
	ask(t, c.Config.DeleteConfig, &waypointv1.DeleteConfigRequest{Variables: []*waypointv1.ConfigVariable{{
		Name: "PASSWORD", Scope: &waypointv1.ConfigScope{Level: waypointv1.ConfigScope_LEVEL_PROJECT, Project: "shop"}}}})

	runner, id := register(t, r, c, "one", nil)
	_, other := register(t, r, c, "two", map[string]string{"gpu": "yes"})
	keys := ask(t, runner.Agent.GetQueueCredentials, &waypointv1.GetQueueCredentialsRequest{RunnerId: id})
	queue := queueClient(s, keys)
	job := ask(t, c.Job.QueueJob, &waypointv1.QueueJobRequest{Spec: &waypointv1.JobSpec{Project: "shop",
		Operation: &waypointv1.Operation{Operation: &waypointv1.Operation_Noop{Noop: &waypointv1.NoopOp{}}},
		Target:    &waypointv1.Target{Target: &waypointv1.Target_Any{Any: &waypointv1.AnyRunner{}}}}}).GetJob()
	woken, err := queue.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: &keys.QueueUrl, WaitTimeSeconds: 1})
	if err != nil || len(woken.Messages) != 1 || !strings.Contains(*woken.Messages[0].Body, job.GetId()) {
		t.Fatalf("the wake-up message: %+v, %v", woken, err)
	}
	if _, err := queue.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(other)}); err == nil {
		t.Error("the keys of one pool open another's queue")
	}
	claim := ask(t, runner.Agent.ClaimJob, &waypointv1.ClaimJobRequest{RunnerId: id, JobId: job.GetId(), Nonce: "n"})
	ask(t, runner.Agent.CompleteJob, &waypointv1.CompleteJobRequest{Fence: claim.GetFence()})
	if done := ask(t, c.Tail.TailJob, &waypointv1.TailJobRequest{JobId: job.GetId()}); !done.GetDone() {
		t.Errorf("the job's tail: %v", done)
	}
	ask(t, runner.Agent.Deregister, &waypointv1.DeregisterRequest{RunnerId: id})
	if err := s.Tick(context.Background()); err != nil {
		t.Errorf("the sweep: %v", err)
	}
	usedIsListed(t, s)

	removed := []string{}
	o.Confirm = func(p infra.Plan) (bool, error) { removed = p.Beside; return true, nil }
	purge(t, s, o, "a day")
	if queues := slices.DeleteFunc(removed, func(b string) bool { return !strings.HasPrefix(b, "the queue waypoint-") }); len(queues) != 2 {
		t.Errorf("of the pools' queues the plan names %q", queues)
	}
}

func register(t *testing.T, r *infra.Result, c *client.Client, name string, labels map[string]string) (runner *client.Client, idOrQueue string) {
	t.Helper()
	token := ask(t, c.Token.CreateToken, &waypointv1.CreateTokenRequest{Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: name, RunnerLabels: labels, AllProjects: true})
	runner, err := client.New(client.Options{Address: r.Address, Token: token.GetSecret(), Component: "runner", Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	id := ulid.Make().String()
	out := ask(t, runner.Agent.Register, &waypointv1.RegisterRequest{RunnerId: id, Name: name, Labels: labels,
		Kind: waypointv1.RunnerKind_RUNNER_KIND_STANDING, Concurrency: 1, Version: "1.2.3"})
	if labels != nil {
		return runner, out.GetQueueUrl()
	}
	return runner, id
}

// exchanged is a registered runner that proved a role.
func exchanged(t *testing.T, s *standin.StandIn, r *infra.Result, role string) (*client.Client, string) {
	t.Helper()
	open, err := client.New(client.Options{Address: r.Address, Component: "runner", Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	h := awstoken.Holder{Server: open.Server, Region: standin.Region, Credentials: aws.CredentialsProviderFunc(
		func(ctx context.Context) (aws.Credentials, error) { return s.Session(ctx, role) })}
	got, err := h.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	runner, err := client.New(client.Options{Address: r.Address, Token: got.GetSecret(), Component: "runner", Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	id := ulid.Make().String()
	ask(t, runner.Agent.Register, &waypointv1.RegisterRequest{RunnerId: id, Name: "proved", Kind: waypointv1.RunnerKind_RUNNER_KIND_STANDING, Concurrency: 1})
	return runner, id
}

func queueClient(s *standin.StandIn, keys *waypointv1.GetQueueCredentialsResponse) *sqs.Client {
	cfg := s.Config()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(keys.GetAccessKeyId(), keys.GetSecretAccessKey(), keys.GetSessionToken())
	return sqs.NewFromConfig(cfg)
}

func usedIsListed(t *testing.T, s *standin.StandIn) {
	t.Helper()
	load := func(name string, into any) {
		raw, err := os.ReadFile("../../infra/validate/" + name)
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var recorded map[string][]string
	var reviewed struct {
		Actions    map[string][]string
		Unrecorded struct{ Runner []string }
	}
	load("calls.json", &recorded)
	load("actions.json", &reviewed)
	recorded["runner"] = reviewed.Unrecorded.Runner
	for role, used := range s.Used() {
		name := role[strings.LastIndexByte(role, '-')+1:]
		var may []string
		for _, call := range recorded[name] {
			operation, _, _ := strings.Cut(call, " ")
			may = append(may, reviewed.Actions[operation]...)
		}
		for _, a := range used {
			if !slices.Contains(may, a) {
				t.Errorf("%s used %s, which no listed call needs", name, a)
			}
		}
		t.Logf("%s used %d of %d actions: %q", name, len(used), len(slices.Compact(slices.Sorted(slices.Values(may)))), used)
	}
}
