package functions_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/functions/internal/storetest"
	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
	"github.com/waypoint-serverless/waypoint/localstack/enginetest"

	"connectrpc.com/connect"
	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/api/waypoint/v1/waypointv1connect"
	"github.com/waypoint-serverless/waypoint/functions"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// installation is one, in memory, on engines whose clock and faults the test has in hand.
type installation struct {
	*storetest.World
	Clock  *enginetest.Clock
	Faults *dynamodb.Faults
}

func install(t testing.TB) *installation {
	e := enginetest.New(t)
	w := storetest.New(t, storetest.Engines{Config: e.Config, Tables: e.Tables, Remove: e.Faults == nil, Clock: e.Clock.Now})
	return &installation{World: w, Clock: e.Clock, Faults: e.Faults}
}

// world is an installation on the embedded engines, and its functions, called with the events that API Gateway sends.
type world struct {
	*installation
	handlers *functions.Handlers
	log      *bytes.Buffer
	admin    string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldFor(t, install(t))
}

func newWorldFor(t testing.TB, in *installation, change ...func(*functions.Settings)) *world {
	t.Helper()
	w := &world{installation: in, log: &bytes.Buffer{}}
	var err error
	if endpoint := os.Getenv("WAYPOINT_TEST_DYNAMODB"); endpoint != "" {
		w.Config.HTTPClient = &http.Client{Transport: referee{endpoint: endpoint, others: in.Config.HTTPClient}}
	}
	settings := functions.Settings{
		Prefix: w.Spec.Table.Name, ServerID: "server-1", Platform: "local", Region: "us-east-1",
		MasterKey: bytes.Repeat([]byte{7}, 32), TailHold: -1, Clock: w.Clock.Now,
		Logger: slog.New(slog.NewJSONHandler(w.log, nil)),
	}
	for _, f := range change {
		f(&settings)
	}
	if w.handlers, err = recordedFunctions(w.Config, settings); err != nil {
		t.Fatal(err)
	}
	answer, err := w.handlers.API.Invoke(t.Context(), []byte(`{"waypoint":"create_admin_token","name":"ann"}`))
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Token string }
	if err := json.Unmarshal(answer, &made); err != nil {
		t.Fatal(err)
	}
	w.admin = made.Token
	return w
}

// referee sends what is for DynamoDB to another one (see enginetest).
type referee struct {
	endpoint string
	others   aws.HTTPClient
}

func (r referee) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(req.Header.Get("X-Amz-Target"), "DynamoDB_") {
		return r.others.Do(req)
	}
	to, err := url.Parse(r.endpoint)
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = to.Scheme, to.Host
	return http.DefaultTransport.RoundTrip(req)
}

// RoundTrip turns a request into an event, as the gateway does, and the answer back.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(events.APIGatewayProxyRequest{
		HTTPMethod: r.Method, Path: r.URL.Path, MultiValueHeaders: r.Header,
		Body: base64.StdEncoding.EncodeToString(body), IsBase64Encoded: true,
		RequestContext: events.APIGatewayProxyRequestContext{RequestID: "request-1"},
	})
	if err != nil {
		return nil, err
	}
	h := w.handlers.API
	if strings.HasPrefix(r.URL.Path, "/waypoint.v1.TailService/") {
		h = w.handlers.Tail
	}
	raw, err := h.Invoke(r.Context(), payload)
	if err != nil {
		return nil, err
	}
	var res events.APIGatewayProxyResponse
	if err := json.Unmarshal(raw, &res); err != nil {
		return nil, err
	}
	out := []byte(res.Body)
	if res.IsBase64Encoded {
		if out, err = base64.StdEncoding.DecodeString(res.Body); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		StatusCode: res.StatusCode, Header: res.MultiValueHeaders, Body: io.NopCloser(bytes.NewReader(out)),
		ContentLength: int64(len(out)), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// caller is a client with a token. key, if set, is the idempotency key of all its calls; cost is the last answer's.
type caller struct {
	*world
	token, key string
	cost       string

	server      waypointv1connect.ServerServiceClient
	tokens      waypointv1connect.TokenServiceClient
	projects    waypointv1connect.ProjectServiceClient
	builds      waypointv1connect.BuildServiceClient
	artifacts   waypointv1connect.ArtifactServiceClient
	runners     waypointv1connect.RunnerServiceClient
	deployments waypointv1connect.DeploymentServiceClient
	releases    waypointv1connect.ReleaseServiceClient
	jobs        waypointv1connect.JobServiceClient
	agent       waypointv1connect.RunnerAgentServiceClient
	configs     waypointv1connect.ConfigServiceClient
	entrypoint  waypointv1connect.EntrypointServiceClient
	tail        waypointv1connect.TailServiceClient
}

func (w *world) as(token string) *caller {
	c := &caller{world: w, token: token}
	hc := &http.Client{Transport: w}
	opt := connect.WithInterceptors(connect.UnaryInterceptorFunc(c.intercept))
	const base = "http://waypoint.test"
	c.server = waypointv1connect.NewServerServiceClient(hc, base, opt)
	c.tokens = waypointv1connect.NewTokenServiceClient(hc, base, opt)
	c.projects = waypointv1connect.NewProjectServiceClient(hc, base, opt)
	c.builds = waypointv1connect.NewBuildServiceClient(hc, base, opt)
	c.artifacts = waypointv1connect.NewArtifactServiceClient(hc, base, opt)
	c.runners = waypointv1connect.NewRunnerServiceClient(hc, base, opt)
	c.deployments = waypointv1connect.NewDeploymentServiceClient(hc, base, opt)
	c.releases = waypointv1connect.NewReleaseServiceClient(hc, base, opt)
	c.jobs = waypointv1connect.NewJobServiceClient(hc, base, opt)
	c.agent = waypointv1connect.NewRunnerAgentServiceClient(hc, base, opt)
	c.configs = waypointv1connect.NewConfigServiceClient(hc, base, opt)
	c.entrypoint = waypointv1connect.NewEntrypointServiceClient(hc, base, opt)
	c.tail = waypointv1connect.NewTailServiceClient(hc, base, opt)
	return c
}

func (c *caller) intercept(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if c.token != "" {
			req.Header().Set("Authorization", "Bearer "+c.token)
		}
		req.Header().Set("Waypoint-Protocol", "1")
		if c.key != "" {
			req.Header().Set("Idempotency-Key", c.key)
		}
		res, err := next(ctx, req)
		if err == nil {
			c.cost = res.Header().Get("Waypoint-Cost")
		}
		return res, err
	}
}

// used reads one number of the last answer's cost.
func (c *caller) used(t *testing.T, what string) float64 {
	t.Helper()
	for _, part := range strings.Split(c.cost, ",") {
		if name, value, _ := strings.Cut(part, "="); name == what {
			f, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	t.Fatalf("no %s in the cost %q", what, c.cost)
	return 0
}

// must is the message of an answer that the test relies on.
func must[T any](t *testing.T) func(*connect.Response[T], error) *T {
	return func(res *connect.Response[T], err error) *T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return res.Msg
	}
}

func ask[T any](m *T) *connect.Request[T] { return connect.NewRequest(m) }

// project makes a project with the app "web".
func (c *caller) project(t *testing.T, name string) {
	t.Helper()
	must[waypointv1.UpsertProjectResponse](t)(c.projects.UpsertProject(t.Context(), ask(&waypointv1.UpsertProjectRequest{
		Project: &waypointv1.Project{Name: name}, Apps: []*waypointv1.App{{Name: "web", FileChangeSignal: "HUP"}},
	})))
}

// claimed queues a job of shop/web for a runner of the caller's own, and claims it.
func (c *caller) claimed(t *testing.T, op *waypointv1.Operation) *waypointv1.Fence {
	t.Helper()
	return c.claim(t, op).GetFence()
}

// claim does as claimed, and returns all that the runner is given.
func (c *caller) claim(t *testing.T, op *waypointv1.Operation) *waypointv1.ClaimJobResponse {
	t.Helper()
	ctx, runner := t.Context(), c.ID(t)
	must[waypointv1.RegisterResponse](t)(c.agent.Register(ctx, ask(&waypointv1.RegisterRequest{
		RunnerId: runner, Name: "here", Kind: waypointv1.RunnerKind_RUNNER_KIND_CLI, Concurrency: 1,
	})))
	queued := must[waypointv1.QueueJobResponse](t)(c.jobs.QueueJob(ctx, ask(&waypointv1.QueueJobRequest{Spec: &waypointv1.JobSpec{
		Project: "shop", App: "web", Operation: op,
		Target:     &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: runner}},
		DataSource: &waypointv1.DataSource{Source: &waypointv1.DataSource_Local{Local: &waypointv1.LocalSource{}}},
	}})))
	claim := must[waypointv1.ClaimJobResponse](t)(c.agent.ClaimJob(ctx, ask(&waypointv1.ClaimJobRequest{
		RunnerId: runner, JobId: queued.GetJob().GetId(), Nonce: runner,
	})))
	if claim.GetOutcome() != waypointv1.ClaimJobResponse_OUTCOME_CLAIMED {
		t.Fatalf("claim: %v", claim.GetOutcome())
	}
	return claim
}

// claimedSource is the data source that a standing runner gets with a job of shop/web.
func (c *caller) claimedSource(t *testing.T) *waypointv1.DataSource {
	t.Helper()
	ctx := t.Context()
	runner := c.as(must[waypointv1.CreateTokenResponse](t)(c.tokens.CreateToken(ctx, ask(&waypointv1.CreateTokenRequest{
		Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: "standing",
	}))).GetSecret())
	id := c.ID(t)
	must[waypointv1.RegisterResponse](t)(runner.agent.Register(ctx, ask(&waypointv1.RegisterRequest{
		RunnerId: id, Name: "standing", Kind: waypointv1.RunnerKind_RUNNER_KIND_STANDING, Concurrency: 1,
	})))
	queued := must[waypointv1.QueueJobResponse](t)(c.jobs.QueueJob(ctx, ask(&waypointv1.QueueJobRequest{Spec: &waypointv1.JobSpec{
		Project: "shop", App: "web", Operation: noop(), Target: &waypointv1.Target{Target: &waypointv1.Target_Any{Any: &waypointv1.AnyRunner{}}},
	}})))
	claim := must[waypointv1.ClaimJobResponse](t)(runner.agent.ClaimJob(ctx, ask(&waypointv1.ClaimJobRequest{
		RunnerId: id, JobId: queued.GetJob().GetId(), Nonce: id,
	})))
	if claim.GetOutcome() != waypointv1.ClaimJobResponse_OUTCOME_CLAIMED {
		t.Fatalf("claim: %v", claim.GetOutcome())
	}
	return claim.GetDataSource()
}

func noop() *waypointv1.Operation {
	return &waypointv1.Operation{Operation: &waypointv1.Operation_Noop{Noop: &waypointv1.NoopOp{}}}
}

// items are the items of a partition as they are stored.
func (w *world) items(t *testing.T, pk string) []store.Item {
	t.Helper()
	items, err := w.DB.All(t.Context(), store.Query{PK: pk, Consistent: true, Order: store.NewestFirst})
	if err != nil {
		t.Fatal(err)
	}
	if len(items) == 0 {
		t.Fatalf("nothing is stored under %s", pk)
	}
	return items
}
