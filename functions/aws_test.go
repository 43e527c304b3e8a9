package functions_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/waypoint-serverless/waypoint/api/awsproof"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/runners"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sts"
)

// These tests make the functions do what few of the others do but AWS sees: read keys from SSM and KMS, vend keys by STS,
// announce in batches, make queues that are missing. Each call that a function can make must be made by a test: see TestMain.

const runnerRole = "arn:aws:iam::000000000000:role/runner"

// onAWS is an installation with the services beside table and queues: the embedded STS, and as much of SSM and KMS as
// there is to a key.
func onAWS(t *testing.T, change func(*functions.Settings)) *world {
	t.Helper()
	in := install(t)
	tokens, err := sts.New(sts.Options{Account: "000000000000", Key: bytes.Repeat([]byte{1}, 32), Clock: in.Clock.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	verifier := &sigv4.Verifier{AnyRegion: true, Clock: in.Clock.Now, Lookup: tokens.Lookup}
	in.Config.HTTPClient = services{in.Config.HTTPClient, tokens, verifier.Middleware("sts", tokens)}
	return newWorldFor(t, in, func(s *functions.Settings) { s.RunnerRoleARN = runnerRole }, change)
}

type services struct {
	others aws.HTTPClient
	sts    http.Handler
	// signed is the same STS with its signatures checked: what others signed goes there.
	signed http.Handler
}

func (s services) Do(req *http.Request) (*http.Response, error) {
	var h http.Handler
	switch service, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), "."); service {
	case "AmazonSSM", "TrentService":
		h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serveKey(w, r, operation) })
	case "":
		if h = s.sts; req.Header.Get(awsproof.ServerHeader) != "" {
			h = s.signed
		}
		req = req.WithContext(sigv4.WithPrincipal(req.Context(), sigv4.Principal{Account: "000000000000", ARN: "arn:aws:iam::000000000000:root"}))
	default:
		return s.others.Do(req)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	res := w.Result()
	res.Request = req
	return res, nil
}

// serveKey is SSM's and KMS's part: one parameter, and data keys that are wrapped by turning their bits over.
func serveKey(w http.ResponseWriter, r *http.Request, operation string) {
	raw, _ := io.ReadAll(r.Body) // in memory
	var in struct {
		Name           string
		WithDecryption bool
		KeyId          string //nolint:revive // KMS's name
		CiphertextBlob []byte
	}
	err := json.Unmarshal(raw, &in)
	turned := func(key []byte) []byte {
		out := slices.Clone(key)
		for i := range out {
			out[i] = ^out[i]
		}
		return out
	}
	key := bytes.Repeat([]byte{9}, 32)
	var out any
	switch {
	case err != nil:
	case operation == "GetParameter" && in.Name == "/w/encryption-key" && in.WithDecryption:
		out = map[string]any{"Parameter": map[string]string{"Value": base64.StdEncoding.EncodeToString(key)}}
	case operation == "GenerateDataKey" && in.KeyId == "alias/w":
		out = map[string]any{"KeyId": in.KeyId, "Plaintext": key, "CiphertextBlob": turned(key)}
	case operation == "Decrypt" && len(in.CiphertextBlob) == 32:
		out = map[string]any{"KeyId": in.KeyId, "Plaintext": turned(in.CiphertextBlob)}
	}
	if out == nil {
		w.WriteHeader(http.StatusBadRequest)
		out = map[string]string{"__type": "ValidationException"}
	}
	_ = json.NewEncoder(w).Encode(out) // to memory
}

func TestConfigurationIsSealedWithAKeyOfSSMOrKMS(t *testing.T) {
	for name, change := range map[string]func(*functions.Settings){
		"SSM": func(s *functions.Settings) { s.MasterKey, s.KeyParameter = nil, "/w/encryption-key" },
		"KMS": func(s *functions.Settings) { s.MasterKey, s.KMSKey = nil, "alias/w" },
	} {
		t.Run(name, func(t *testing.T) {
			w := onAWS(t, change)
			c := w.as(w.admin)
			c.project(t, "shop")
			c.set(t, appVar("DB", "postgres://secret"))
			// Another process has no key in memory.
			later := newWorldFor(t, w.installation, func(s *functions.Settings) { s.RunnerRoleARN = runnerRole }, change)
			if got := later.as(later.admin).get(t, &waypointv1.GetConfigRequest{Project: "shop", App: "web"}); got != "DB=postgres://secret" {
				t.Error(got)
			}
		})
	}
}

// standing registers a standing runner with a token of its own.
func (c *caller) standing(t *testing.T) (runner *caller, id string) {
	t.Helper()
	runner = c.as(must[waypointv1.CreateTokenResponse](t)(c.tokens.CreateToken(t.Context(), ask(&waypointv1.CreateTokenRequest{
		Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: "standing",
	}))).GetSecret())
	id = c.ID(t)
	must[waypointv1.RegisterResponse](t)(runner.agent.Register(t.Context(), ask(&waypointv1.RegisterRequest{
		RunnerId: id, Name: "standing", Kind: waypointv1.RunnerKind_RUNNER_KIND_STANDING, Concurrency: 1,
	})))
	return runner, id
}

// queued queues a job of shop/web for any runner.
func (c *caller) queued(t *testing.T, change ...func(*waypointv1.JobSpec)) string {
	t.Helper()
	spec := &waypointv1.JobSpec{Project: "shop", App: "web", Operation: noop(),
		Target: &waypointv1.Target{Target: &waypointv1.Target_Any{Any: &waypointv1.AnyRunner{}}}}
	for _, f := range change {
		f(spec)
	}
	return must[waypointv1.QueueJobResponse](t)(c.jobs.QueueJob(t.Context(), ask(&waypointv1.QueueJobRequest{Spec: spec}))).GetJob().GetId()
}

// announced are the jobs whose wake-up messages are in the queue of runners without labels, sorted.
func (w *world) announced(t *testing.T) []string {
	t.Helper()
	url, err := w.SQS.GetQueueUrl(t.Context(), &awssqs.GetQueueUrlInput{QueueName: aws.String(w.Spec.QueuePrefix + runners.PoolName(nil, job.Projects{All: true}))})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for {
		// A receive of an empty queue would wait.
		left, err := w.SQS.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{QueueUrl: url.QueueUrl,
			AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages}})
		if err != nil {
			t.Fatal(err)
		}
		if left.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessages)] == "0" {
			slices.Sort(ids)
			return ids
		}
		res, err := w.SQS.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: url.QueueUrl, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range res.Messages {
			var body struct {
				JobID string `json:"job_id"`
			}
			if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &body); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, body.JobID)
			if _, err := w.SQS.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: url.QueueUrl, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (w *world) sweep(t *testing.T) {
	t.Helper()
	if _, err := w.handlers.Sweep.Invoke(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func (w *world) wantWokenUp(t *testing.T, ids ...string) {
	t.Helper()
	slices.Sort(ids)
	if got := w.announced(t); !slices.Equal(got, ids) {
		t.Errorf("announced %v, want %v", got, ids)
	}
}

func TestRunnersGetKeysForTheirQueueAndAreAnnouncedInBatches(t *testing.T) {
	w := onAWS(t, func(*functions.Settings) {})
	c := w.as(w.admin)
	c.project(t, "shop")
	one, two := c.queued(t), c.queued(t) // no runner yet
	runner, id := c.standing(t)
	w.wantWokenUp(t, one, two)
	keys := must[waypointv1.GetQueueCredentialsResponse](t)(runner.agent.GetQueueCredentials(t.Context(), ask(&waypointv1.GetQueueCredentialsRequest{RunnerId: id})))
	if keys.GetSessionToken() == "" || !strings.HasSuffix(keys.GetQueueUrl(), w.Spec.QueuePrefix+runners.PoolName(nil, job.Projects{All: true})) {
		t.Errorf("%v", keys)
	}
	w.wantWokenUp(t)
	three := c.queued(t)
	w.wantWokenUp(t, three)
	must[waypointv1.DeregisterResponse](t)(runner.agent.Deregister(t.Context(), ask(&waypointv1.DeregisterRequest{RunnerId: id})))
}

func TestTheSweepMakesTheQueueThatIsMissingAndSends(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	id := c.queued(t)
	// A runner registered, and the function died before it made the queue's first message.
	if _, err := w.Runners.Put(t.Context(), runners.Runner{
		ID: w.ID(t), Name: "r", Kind: int32(waypointv1.RunnerKind_RUNNER_KIND_STANDING), Pool: runners.PoolName(nil, job.Projects{All: true}), Owner: "x",
	}, ""); err != nil {
		t.Fatal(err)
	}
	w.Clock.Pass(2 * time.Minute)
	w.sweep(t)
	w.wantWokenUp(t, id)
}

func TestTheSweepFollowsAnEndThatNobodyFollowed(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	runner, runnerID := c.standing(t)
	first := c.queued(t)
	after := func(s *waypointv1.JobSpec) { s.DependsOn = []string{first} }
	second, third := c.queued(t, after), c.queued(t, after)
	// The sweep looks at jobs that wait more and more seldom: it will come to these two only by the end of the first.
	w.Clock.Pass(61 * time.Second)
	w.sweep(t)
	w.announced(t)
	fence := must[waypointv1.ClaimJobResponse](t)(runner.agent.ClaimJob(t.Context(), ask(&waypointv1.ClaimJobRequest{
		RunnerId: runnerID, JobId: first, Nonce: runnerID,
	}))).GetFence()
	// The function that is to end the job dies right after its transaction.
	owner := ""
	for _, item := range w.items(t, store.JobPK(first)) {
		if store.KeyOf(item) == store.JobLease(first) {
			var lease struct {
				Owner string `dynamodbav:"owner"`
			}
			if err := store.Decode(item, &lease); err != nil {
				t.Fatal(err)
			}
			owner = lease.Owner
		}
	}
	if _, _, err := w.Jobs.Complete(t.Context(), jobs.Fence{JobID: first, Attempt: int64(fence.GetAttempt()), Owner: owner}, jobs.Completion{}); err != nil {
		t.Fatal(err)
	}
	w.wantWokenUp(t)
	w.Clock.Pass(61 * time.Second)
	w.sweep(t)
	w.wantWokenUp(t, second, third)
}

func TestTheSweepPassesTheLaneOfAnExpiredJobToOneThatStillWaits(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	deploys := func(s *waypointv1.JobSpec) {
		s.Operation = &waypointv1.Operation{Operation: &waypointv1.Operation_Up{Up: &waypointv1.UpOp{}}}
	}
	other := c.queued(t)
	holder := c.queued(t, deploys, func(s *waypointv1.JobSpec) { s.ExpiresInSeconds = 60 })
	next := c.queued(t, deploys, func(s *waypointv1.JobSpec) { s.DependsOn = []string{other} })
	w.Clock.Pass(2 * time.Minute)
	w.sweep(t)
	state := func(id string) waypointv1.JobState {
		return must[waypointv1.GetJobResponse](t)(c.jobs.GetJob(t.Context(), ask(&waypointv1.GetJobRequest{Id: id}))).GetJob().GetState()
	}
	if got := state(holder); got != waypointv1.JobState_JOB_STATE_CANCELED {
		t.Errorf("the expired job is %v", got)
	}
	var lane struct {
		Holder string `dynamodbav:"holder"`
	}
	if found, err := w.DB.Get(t.Context(), store.Lane(store.LanePK("shop", "web", "default")), true, &lane); err != nil || !found || lane.Holder != next {
		t.Errorf("the lane is held by %q: %v", lane.Holder, err)
	}
	if got := state(next); got != waypointv1.JobState_JOB_STATE_BLOCKED {
		t.Errorf("the next job is %v", got)
	}
}

// tenActions refuses transactions of more than ten actions, as some emulators do.
type tenActions struct{ others aws.HTTPClient }

func (c tenActions) Do(req *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(req.Header.Get("X-Amz-Target"), ".TransactWriteItems") {
		return c.others.Do(req)
	}
	raw, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var in struct{ TransactItems []json.RawMessage }
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	if len(in.TransactItems) > 10 {
		body := `{"__type":"com.amazon.coral.validate#ValidationException","message":"1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 10"}`
		return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req}, nil
	}
	req.Body = io.NopCloser(bytes.NewReader(raw))
	return c.others.Do(req)
}

func TestManyVariablesAreSetWhereATransactionHasTenActionsAtMost(t *testing.T) {
	in := install(t)
	in.Config.HTTPClient = tenActions{in.Config.HTTPClient}
	w := newWorldFor(t, in)
	c := w.as(w.admin)
	must[waypointv1.UpsertProjectResponse](t)(c.projects.UpsertProject(t.Context(), ask(&waypointv1.UpsertProjectRequest{
		Project: &waypointv1.Project{Name: "shop"}, Apps: []*waypointv1.App{{Name: "web"}}})))
	var vars []*waypointv1.ConfigVariable
	for n := range 30 {
		vars = append(vars, appVar("NAME_"+string(rune('A'+n%26))+string(rune('A'+n/26)), "x"))
	}
	must[waypointv1.SetConfigResponse](t)(c.configs.SetConfig(t.Context(), ask(&waypointv1.SetConfigRequest{Variables: vars})))
	got := must[waypointv1.GetConfigResponse](t)(c.configs.GetConfig(t.Context(), ask(&waypointv1.GetConfigRequest{Project: "shop", App: "web"})))
	if len(got.GetVariables()) != 30 {
		t.Errorf("%d of 30 variables are there", len(got.GetVariables()))
	}
}
