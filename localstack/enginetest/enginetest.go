// Package enginetest gives tests the embedded engines in memory, behind the unmodified SDK clients: the same bytes as over
// TCP, and a clock that the test moves. It imports the engines and is imported by tests alone.
//
// With WAYPOINT_TEST_DYNAMODB=http://host:port the table is another DynamoDB's (Amazon's DynamoDB Local, LocalStack's, AWS's),
// which judges the same tests; `make test-engines` sets it. The key and the region are then those of the environment, if it
// has any.
package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
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

	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sqs"
	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

// Engines are an embedded DynamoDB and an embedded SQS.
type Engines struct {
	// Config reaches both engines, Tables the DynamoDB that the tests are run on.
	Config, Tables aws.Config
	Clock          *Clock
	// Faults are the embedded engine's; nil when another DynamoDB is used.
	Faults *dynamodb.Faults
}

// Clock stands still until a test moves it.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now returns the time.
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

// New starts engines in memory; they end with the test.
func New(t testing.TB) *Engines { return open(t, "") }

// open starts engines over a data file, or in memory without one; they end with the test.
func open(t testing.TB, file string) *Engines {
	t.Helper()
	ctx := context.Background()
	files, err := store.Open(ctx, store.Options{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	e := &Engines{Clock: &Clock{now: time.Now().Truncate(time.Millisecond)}, Faults: dynamodb.NewFaults(1)}
	injectConflicts(t, e.Faults)
	db, err := dynamodb.New(ctx, dynamodb.Options{Store: files, Clock: e.Clock.Now, Faults: e.Faults})
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
	e.Config = aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		BaseEndpoint: aws.String("http://engines.test"), HTTPClient: &http.Client{Transport: handlers{dynamodb: db, sqs: sq}},
	}
	e.Tables = e.Config
	if endpoint := os.Getenv("WAYPOINT_TEST_DYNAMODB"); endpoint != "" && file == "" {
		e.Tables, e.Faults = elsewhere(endpoint), nil
	}
	return e
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

// handlers hands the SDK's requests to the engines: the same bytes as over TCP.
type handlers struct{ dynamodb, sqs http.Handler }

func (h handlers) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	engine := h.dynamodb
	if strings.HasPrefix(req.Header.Get("X-Amz-Target"), "AmazonSQS.") {
		engine = h.sqs
	}
	if req.Body == nil {
		req.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	engine.ServeHTTP(rec, req)
	_ = req.Body.Close() // nothing of it is left to read
	res := rec.Result()
	res.Request = req
	res.Body = io.NopCloser(bytes.NewReader(rec.Body.Bytes()))
	return res, nil
}
