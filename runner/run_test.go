package runner_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/oklog/ulid/v2"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sqs"
	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
	"github.com/waypoint-serverless/waypoint/runner"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/null"
)

// pool is a queue of the embedded SQS engine and standing runners on it.
type pool struct {
	*world
	client *awssqs.Client
	url    string
	// drain tells the runner that was started last to end.
	drain context.CancelFunc
}

func newPool(t *testing.T, files map[string]string) *pool {
	t.Helper()
	p := &pool{world: newWorld(t, files)}
	s, err := store.Open(t.Context(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	engine, err := sqs.New(t.Context(), sqs.Options{
		Store: s, Clock: time.Now, Region: "us-east-1", Account: "000000000000", BaseURL: "http://sqs.test", Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(engine)
	t.Cleanup(func() { _ = engine.Close(); server.Close() })
	p.client = awssqs.New(awssqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	q, err := p.client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("pool")})
	if err != nil {
		t.Fatal(err)
	}
	p.url = *q.QueueUrl
	p.api.queueURL = server.URL + "/000000000000/pool"
	return p
}

// start starts a standing runner; the function returned ends it and waits.
func (p *pool) start(concurrency int) (stop func()) {
	p.t.Helper()
	r, err := runner.New(runner.Options{
		Client: p.c, Concurrency: concurrency, LocalDir: p.dir, Catalog: catalog.NewCatalog(p.shell.definition(), null.Definition()),
		Logger: slog.New(slog.DiscardHandler), DrainTimeout: patience,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(p.t.Context())
	p.drain = cancel
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			p.t.Error(err)
		}
	}
	p.t.Cleanup(stop)
	return stop
}

func (p *pool) send(body string) {
	p.t.Helper()
	if _, err := p.client.SendMessage(p.t.Context(), &awssqs.SendMessageInput{QueueUrl: &p.url, MessageBody: &body}); err != nil {
		p.t.Fatal(err)
	}
}

func wakeUp(id string) string { return fmt.Sprintf(`{"job_id":%q}`, id) }

// counts are the messages that wait and those that are hidden.
func (p *pool) counts() (visible, hidden string) {
	p.t.Helper()
	out, err := p.client.GetQueueAttributes(p.t.Context(), &awssqs.GetQueueAttributesInput{
		QueueUrl: &p.url, AttributeNames: []types.QueueAttributeName{"All"},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"], out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

// settles waits until so many messages wait and are hidden.
func (p *pool) settles(visible, hidden string) {
	p.t.Helper()
	awaitThat(p.t, visible+" messages wait and "+hidden+" are hidden", func() bool {
		v, h := p.counts()
		return v == visible && h == hidden
	})
}

func noop() *waypointv1.JobSpec {
	return &waypointv1.JobSpec{Project: "p", Operation: &waypointv1.Operation{Operation: &waypointv1.Operation_Noop{Noop: &waypointv1.NoopOp{}}}}
}

const ready = waypointv1.JobState_JOB_STATE_READY

func TestAStandingRunnerTakesJobsFromItsQueue(t *testing.T) {
	p := newPool(t, map[string]string{"waypoint.hcl": hello})
	ids := []string{ulid.Make().String(), ulid.Make().String(), ulid.Make().String()}
	p.api.add(ids[0], spec(up(-1)), ready)
	p.api.add(ids[1], noop(), ready)
	p.api.add(ids[2], noop(), ready)
	p.start(2)
	for _, id := range ids {
		p.send(wakeUp(id))
	}
	for _, id := range ids {
		p.api.await(t, id, ended)
		wantState(t, p.api.job(id), succeeded, "")
	}
	p.settles("0", "0")
}

func TestMessages(t *testing.T) {
	cases := map[string]struct {
		prepare         func(*pool) string
		visible, hidden string
	}{
		"of a job that has ended are deleted": {func(p *pool) string {
			id := ulid.Make().String()
			p.api.add(id, noop(), succeeded)
			return wakeUp(id)
		}, "0", "0"},
		"of a job that is not ready are deleted": {func(p *pool) string {
			id := ulid.Make().String()
			p.api.add(id, noop(), waypointv1.JobState_JOB_STATE_BLOCKED)
			return wakeUp(id)
		}, "0", "0"},
		"of a job that is not there are deleted": {func(*pool) string { return wakeUp(ulid.Make().String()) }, "0", "0"},
		"that name no job are deleted":           {func(*pool) string { return "hello" }, "0", "0"},
		"of a job that another runner has are hidden": {func(p *pool) string {
			id := ulid.Make().String()
			p.api.add(id, noop(), waypointv1.JobState_JOB_STATE_RUNNING).live = true
			return wakeUp(id)
		}, "0", "1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, nil)
			body := c.prepare(p)
			p.start(1)
			p.send(body)
			if c.hidden == "1" {
				// A received message is hidden too: wait until the claim is made.
				p.api.awaitCall(t, "ClaimJob")
			}
			p.settles(c.visible, c.hidden)
		})
	}
}

func TestTheBeatBringsJobsWithoutAQueue(t *testing.T) {
	p := newPool(t, nil)
	id := ulid.Make().String()
	p.api.add(id, noop(), ready)
	p.api.beatIDs = []string{id}
	p.start(1)
	p.api.await(t, id, ended)
	wantState(t, p.api.job(id), succeeded, "")
}

func TestADrainingRunnerHandsItsJobBackBetweenSteps(t *testing.T) {
	p := newPool(t, file(use("touch began; while ! test -e go; do sleep 0.05; done; echo built"), use("echo deployed"), ""))
	id := ulid.Make().String()
	p.api.add(id, spec(up(-1)), ready)
	stop := p.start(1)
	p.send(wakeUp(id))
	awaitFile(t, filepath.Join(p.dir, "began"))
	p.drain() // it knows before its step ends
	if err := os.WriteFile(filepath.Join(p.dir, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	stop()
	j := p.api.job(id)
	if j.GetState() != ready || len(p.shell.deploys) != 0 || j.GetSteps()[0].GetEndedUnixMs() == 0 {
		t.Fatalf("the job is %s after %v", j.GetState(), j.GetSteps())
	}
	p.settles("1", "0")

	p.start(1)
	p.api.await(t, id, ended)
	wantState(t, p.api.job(id), succeeded, "")
	p.settles("0", "0")
}

func TestADoubledMessageRunsAJobOnce(t *testing.T) {
	p := newPool(t, file(use("echo built >> builds; sleep 0.2"), use("true"), ""))
	id := ulid.Make().String()
	p.api.add(id, spec(up(-1)), ready)
	p.send(wakeUp(id))
	p.send(wakeUp(id))
	p.start(4)
	p.api.await(t, id, ended)
	if got, _ := os.ReadFile(filepath.Join(p.dir, "builds")); string(got) != "built\n" {
		t.Fatalf("got %q", got)
	}
}
