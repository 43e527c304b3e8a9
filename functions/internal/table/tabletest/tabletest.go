// Package tabletest gives tests a real table and real queues: the embedded engines, in memory, behind the unmodified SDK clients and a
// clock that the test moves. With WAYPOINT_TEST_DYNAMODB=http://host:port the table is another DynamoDB's (Amazon's
// DynamoDB Local, LocalStack's, AWS's), which judges the same tests; `make test-engines` sets it. The key and the region
// are then those of the environment, if it has any.
package tabletest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/waypoint-serverless/waypoint/functions"
	"github.com/waypoint-serverless/waypoint/functions/internal/queue"
	"github.com/waypoint-serverless/waypoint/functions/internal/table"
	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sqs"
	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

// World is one installation.
type World struct {
	Table  *table.Table
	Queues *queue.Queues
	SQS    *awssqs.Client
	Clock  *Clock
	// Faults are the embedded engine's; nil when another DynamoDB is used.
	Faults *dynamodb.Faults
	// Config reaches the engines.
	Config aws.Config
	// Spec is what was provisioned.
	Spec functions.ResourceSpec
}

// Clock stands still until a test moves it.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Pass moves the time on.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// New makes an installation in memory.
func New(t testing.TB) *World {
	t.Helper()
	ctx := context.Background()
	files, err := store.Open(ctx, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &World{Clock: &Clock{now: time.Now().Truncate(time.Millisecond)}, Faults: dynamodb.NewFaults(1)}
	injectConflicts(t, w.Faults)
	db, err := dynamodb.New(ctx, dynamodb.Options{Store: files, Clock: w.Clock.Now, Faults: w.Faults})
	if err != nil {
		t.Fatal(err)
	}
	// The queues' clock is the real one: long polls and visibility are none of these tests' business.
	sq, err := sqs.New(ctx, sqs.Options{Store: files, Clock: time.Now, Region: "us-east-1", Account: "000000000000",
		BaseURL: "http://sqs.test", Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sq.Close(); err != nil {
			t.Error(err)
		}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	})
	w.Config = aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		BaseEndpoint: aws.String("http://engines.test"), HTTPClient: &http.Client{Transport: engines{dynamodb: db, sqs: sq}},
	}
	tables := w.Config
	w.Spec = functions.Resources("waypoint-" + suffix(t))
	if endpoint := os.Getenv("WAYPOINT_TEST_DYNAMODB"); endpoint != "" {
		tables, w.Faults = elsewhere(endpoint), nil
		t.Cleanup(func() { remove(t, awsdynamodb.NewFromConfig(tables), w.Spec.Table.Name) })
	}
	if err := functions.Provision(ctx, tables, w.Spec); err != nil {
		t.Fatal(err)
	}
	w.Table = table.New(awsdynamodb.NewFromConfig(tables), w.Spec.Table.Name, w.Clock.Now, rand.Reader)
	w.SQS = awssqs.NewFromConfig(w.Config)
	w.Queues = queue.New(w.SQS, awssts.NewFromConfig(w.Config),
		queue.Options{Prefix: w.Spec.QueuePrefix, Attributes: w.Spec.QueueAttributes, Region: "us-east-1"})
	return w
}

// injectConflicts lets writes and transactions meet conflicts, as they do on AWS, at the rate in WAYPOINT_TEST_CONFLICTS: 0 to 1,
// `make test-conflicts` sets it.
func injectConflicts(t testing.TB, f *dynamodb.Faults) {
	t.Helper()
	rate, err := strconv.ParseFloat(cmp.Or(os.Getenv("WAYPOINT_TEST_CONFLICTS"), "0"), 64)
	if err != nil || rate < 0 || rate > 1 {
		t.Fatalf("WAYPOINT_TEST_CONFLICTS=%q: a rate from 0 to 1 is expected", os.Getenv("WAYPOINT_TEST_CONFLICTS"))
	}
	f.Rate(dynamodb.WriteConflict, rate)
	f.Rate(dynamodb.TransactionConflict, rate)
}

// elsewhere reaches another DynamoDB.
func elsewhere(endpoint string) aws.Config {
	cfg := aws.Config{Region: os.Getenv("AWS_REGION"), BaseEndpoint: &endpoint, HTTPClient: http.DefaultClient,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if key, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"); key != "" && secret != "" {
		cfg.Credentials = credentials.NewStaticCredentialsProvider(key, secret, os.Getenv("AWS_SESSION_TOKEN"))
	}
	return cfg
}

// remove deletes a test's table, which is protected from that. A table that stays costs nobody anything but order.
func remove(t testing.TB, db *awsdynamodb.Client, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := db.UpdateTable(ctx, &awsdynamodb.UpdateTableInput{TableName: &name, DeletionProtectionEnabled: aws.Bool(false)}); err != nil {
		t.Logf("the table %s stays: %v", name, err)
		return
	}
	if _, err := db.DeleteTable(ctx, &awsdynamodb.DeleteTableInput{TableName: &name}); err != nil {
		t.Logf("the table %s stays: %v", name, err)
	}
}

func suffix(t testing.TB) string {
	t.Helper()
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", b)
}

// ID makes a ULID.
func (w *World) ID(t testing.TB) string {
	t.Helper()
	id, err := w.Table.NewID()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// engines hands the SDK's requests to the engines: the same bytes as over TCP.
type engines struct{ dynamodb, sqs http.Handler }

func (e engines) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	h := e.dynamodb
	if strings.HasPrefix(req.Header.Get("X-Amz-Target"), "AmazonSQS.") {
		h = e.sqs
	}
	if req.Body == nil {
		req.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	_ = req.Body.Close() // nothing of it is left to read
	res := rec.Result()
	res.Request = req
	res.Body = io.NopCloser(bytes.NewReader(rec.Body.Bytes()))
	return res, nil
}
