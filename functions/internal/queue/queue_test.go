package queue_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/queue"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sqs"
	engine "github.com/waypoint-serverless/waypoint/localstack/aws/store"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sts"
)

const account = "000000000000"

// signedEngines is SQS and STS behind signatures that are checked, as on AWS.
type signedEngines struct{ sqs, sts http.Handler }

func (d signedEngines) RoundTrip(req *http.Request) (*http.Response, error) {
	h := d.sts
	if strings.HasPrefix(req.Header.Get("X-Amz-Target"), "AmazonSQS.") {
		h = d.sqs
	}
	in := req.Clone(req.Context())
	in.Host = req.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, in)
	res := rec.Result()
	res.Request, res.Body = req, io.NopCloser(bytes.NewReader(rec.Body.Bytes()))
	return res, nil
}

// newSigned makes queues on the embedded engines, or on the SQS that WAYPOINT_TEST_SQS=http://host:port names (an
// emulator, LocalStack, AWS), which then judges the same tests; `make test-engines` sets it.
func newSigned(t *testing.T) (*queue.Queues, aws.Config) {
	t.Helper()
	if endpoint := os.Getenv(endpointVariable); endpoint != "" {
		return elsewhere(t, endpoint)
	}
	ctx := context.Background()
	files, err := engine.Open(ctx, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := sts.New(sts.Options{Account: account, Key: bytes.Repeat([]byte{1}, 32), Clock: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	queues, err := sqs.New(ctx, sqs.Options{Store: files, Clock: time.Now, Region: "us-east-1", Account: account,
		BaseURL: "http://engines.test", Rand: rand.Reader, Authorize: sigv4.Authorize})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := queues.Close(); err != nil {
			t.Error(err)
		}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	})
	root := sigv4.Credential{AccessKeyID: "AKIAROOT", Secret: "secret", Principal: sigv4.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":root"}}
	v := &sigv4.Verifier{Region: "us-east-1", Clock: time.Now, Lookup: sigv4.FirstOf(sigv4.Static(root), tokens.Lookup)}
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String("http://engines.test"),
		Credentials: credentials.NewStaticCredentialsProvider(root.AccessKeyID, root.Secret, ""),
		HTTPClient:  &http.Client{Transport: signedEngines{v.Middleware("sqs", queues), v.Middleware("sts", tokens)}}}
	return queue.New(awssqs.NewFromConfig(cfg), awssts.NewFromConfig(cfg), queue.Options{
		Prefix: "waypoint-", Attributes: map[string]string{"VisibilityTimeout": "10"}, Region: "us-east-1",
		RoleARN: "arn:aws:iam::" + account + ":role/runner",
	}), cfg
}

const endpointVariable = "WAYPOINT_TEST_SQS"

// elsewhere reaches another SQS, with the key and region of the environment, if it has any.
func elsewhere(t *testing.T, endpoint string) (*queue.Queues, aws.Config) {
	t.Helper()
	cfg := aws.Config{Region: os.Getenv("AWS_REGION"), BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if key, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"); key != "" && secret != "" {
		cfg.Credentials = credentials.NewStaticCredentialsProvider(key, secret, os.Getenv("AWS_SESSION_TOKEN"))
	}
	prefix := "waypoint-" + strings.ToLower(rand.Text()[:8]) + "-"
	client := awssqs.NewFromConfig(cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		out, err := client.ListQueues(ctx, &awssqs.ListQueuesInput{QueueNamePrefix: &prefix})
		if err != nil {
			t.Logf("the queues %s* stay: %v", prefix, err)
			return
		}
		for _, url := range out.QueueUrls {
			if _, err := client.DeleteQueue(ctx, &awssqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
				t.Logf("the queue %s stays: %v", url, err)
			}
		}
	})
	return queue.New(client, awssts.NewFromConfig(cfg), queue.Options{
		Prefix: prefix, Attributes: map[string]string{"VisibilityTimeout": "10"}, Region: cfg.Region,
	}), cfg
}

func received(t *testing.T, cfg aws.Config, url string) []string {
	t.Helper()
	client := awssqs.NewFromConfig(cfg)
	var out []string
	for {
		res, err := client.ReceiveMessage(context.Background(), &awssqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Messages) == 0 {
			slices.Sort(out)
			return out
		}
		for _, m := range res.Messages {
			out = append(out, aws.ToString(m.Body))
		}
	}
}

func TestRingSendsOneMessageAJobToItsPool(t *testing.T) {
	q, cfg := newSigned(t)
	ctx, meter := store.WithMeter(context.Background())
	var wakeUps []job.WakeUp
	var want []string
	for i := range 13 {
		id := fmt.Sprintf("01JOB%02d", i)
		wakeUps = append(wakeUps, job.WakeUp{JobID: id, Pool: "a"})
		want = append(want, fmt.Sprintf(`{"job_id":%q}`, id))
	}
	wakeUps = append(wakeUps, job.WakeUp{JobID: "01OTHER", Pool: "b"}, job.WakeUp{JobID: "01NOPOOL"})
	if err := q.SendWakeUps(ctx, wakeUps); err != nil {
		t.Fatal(err)
	}
	// For each pool: look, make; then a batch of ten, one of three, and one message.
	if _, _, calls := meter.Used(); calls != 7 {
		t.Errorf("%d calls", calls)
	}
	a, err := q.Ensure(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if got := received(t, cfg, a); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRunnerKeysOpenTheirOwnQueueForReceivingOnly(t *testing.T) {
	if os.Getenv(endpointVariable) != "" {
		t.Skip("emulators enforce no session policy; this is shown on the embedded engines")
	}
	q, cfg := newSigned(t)
	ctx := context.Background()
	other, err := q.Ensure(ctx, "b")
	if err != nil {
		t.Fatal(err)
	}
	c, err := q.Credentials(ctx, "a", "01RUNNER")
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(c.Expires); left > time.Hour || left < 50*time.Minute {
		t.Errorf("the keys live for %s", left)
	}
	if err := q.SendWakeUps(ctx, []job.WakeUp{{JobID: "01JOB", Pool: "a"}}); err != nil {
		t.Fatal(err)
	}
	cfg.Credentials = credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	runner := awssqs.NewFromConfig(cfg)
	res, err := runner.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{QueueUrl: &c.QueueURL})
	if err != nil || len(res.Messages) != 1 {
		t.Fatalf("got %v, %v", res, err)
	}
	receipt := res.Messages[0].ReceiptHandle
	if _, err := runner.ChangeMessageVisibility(ctx, &awssqs.ChangeMessageVisibilityInput{QueueUrl: &c.QueueURL, ReceiptHandle: receipt, VisibilityTimeout: 45}); err != nil {
		t.Errorf("hiding: %v", err)
	}
	if _, err := runner.DeleteMessage(ctx, &awssqs.DeleteMessageInput{QueueUrl: &c.QueueURL, ReceiptHandle: receipt}); err != nil {
		t.Errorf("deleting: %v", err)
	}
	if _, err := runner.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{QueueUrl: &other}); err == nil {
		t.Error("another pool's queue is open")
	}
	if _, err := runner.SendMessage(ctx, &awssqs.SendMessageInput{QueueUrl: &c.QueueURL, MessageBody: aws.String("x")}); err == nil {
		t.Error("a runner may send wake-ups")
	}
	if _, err := runner.DeleteQueue(ctx, &awssqs.DeleteQueueInput{QueueUrl: &c.QueueURL}); err == nil {
		t.Error("a runner may delete its queue")
	}
}

func TestAQueueThatWasRemovedIsMadeAgain(t *testing.T) {
	q, cfg := newSigned(t)
	ctx := context.Background()
	url, err := q.Ensure(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := awssqs.NewFromConfig(cfg).DeleteQueue(ctx, &awssqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	if err := q.SendWakeUps(ctx, []job.WakeUp{{JobID: "01JOB", Pool: "a"}}); err == nil {
		t.Error("a wake-up without a queue is not an error")
	}
	if _, err := q.Ensure(ctx, "a"); err != nil {
		t.Errorf("making it again: %v", err)
	}
}
