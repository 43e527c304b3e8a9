package sqs_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/waypoint-serverless/waypoint/localstack/sqs"
	"github.com/waypoint-serverless/waypoint/localstack/store"
)

const account = "000000000000"

// client is the unmodified SDK client of an engine, or of the SQS that WAYPOINT_SQS_ENDPOINT
// names: a referee, or AWS.
type client struct {
	*awssqs.Client
	t *testing.T
}

// endpoint starts the embedded engine over TCP, unless the environment names another.
func endpoint(t *testing.T) string {
	t.Helper()
	if e := os.Getenv("WAYPOINT_SQS_ENDPOINT"); e != "" {
		return e
	}
	srv := httptest.NewServer(newEngine(t, openStore(t, ""), nil))
	t.Cleanup(srv.Close)
	return srv.URL
}

func openStore(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newEngine(t *testing.T, s *store.Store, mutate func(*sqs.Options)) *sqs.Engine {
	t.Helper()
	opt := sqs.Options{Store: s, Clock: time.Now, Region: "us-east-1", Account: account, BaseURL: "http://sqs.test", Rand: rand.Reader}
	if mutate != nil {
		mutate(&opt)
	}
	e, err := sqs.New(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func dial(t *testing.T, url string) *client {
	t.Helper()
	return &client{awssqs.New(awssqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
	}), t}
}

// inProcess reaches an engine without a socket.
func inProcess(t *testing.T, e http.Handler) *client {
	t.Helper()
	return &client{awssqs.New(awssqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://sqs.test"), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""),
		HTTPClient:  &http.Client{Transport: direct{e}},
	}), t}
}

type direct struct{ h http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	d.h.ServeHTTP(rec, r)
	return rec.Result(), nil
}

func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return c
}

// queue makes a queue of a new name and deletes it afterwards.
func (c *client) queue(attrs map[string]string) string {
	c.t.Helper()
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		c.t.Fatal(err)
	}
	return c.named("q-"+hex.EncodeToString(b[:]), attrs)
}

func (c *client) named(name string, attrs map[string]string) string {
	c.t.Helper()
	out, err := c.CreateQueue(context.Background(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attrs})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		// Cases delete queues too.
		_, err := c.DeleteQueue(context.Background(), &awssqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
		var gone *types.QueueDoesNotExist
		if err != nil && !errors.As(err, &gone) && os.Getenv("WAYPOINT_SQS_ENDPOINT") != "" {
			c.t.Log(err)
		}
	})
	return *out.QueueUrl
}

func (c *client) send(url, body string, mutate ...func(*awssqs.SendMessageInput)) *awssqs.SendMessageOutput {
	c.t.Helper()
	in := &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}
	for _, m := range mutate {
		m(in)
	}
	out, err := c.SendMessage(ctx(c.t), in)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func (c *client) receive(url string, mutate ...func(*awssqs.ReceiveMessageInput)) []types.Message {
	c.t.Helper()
	in := &awssqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10,
		MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}}
	for _, m := range mutate {
		m(in)
	}
	out, err := c.ReceiveMessage(ctx(c.t), in)
	if err != nil {
		c.t.Fatal(err)
	}
	return out.Messages
}

// one receives exactly one message, waiting for it.
func (c *client) one(url string, mutate ...func(*awssqs.ReceiveMessageInput)) types.Message {
	c.t.Helper()
	mutate = append([]func(*awssqs.ReceiveMessageInput){wait(10)}, mutate...)
	got := c.receive(url, mutate...)
	if len(got) != 1 {
		c.t.Fatalf("got %d messages, want 1", len(got))
	}
	return got[0]
}

func (c *client) none(url string) {
	c.t.Helper()
	if got := c.receive(url); len(got) != 0 {
		c.t.Fatalf("got %d messages, want none", len(got))
	}
}

func wait(seconds int32) func(*awssqs.ReceiveMessageInput) {
	return func(in *awssqs.ReceiveMessageInput) { in.WaitTimeSeconds = seconds }
}

func hide(seconds int32) func(*awssqs.ReceiveMessageInput) {
	return func(in *awssqs.ReceiveMessageInput) { in.VisibilityTimeout = seconds }
}

func limit(n int32) func(*awssqs.ReceiveMessageInput) {
	return func(in *awssqs.ReceiveMessageInput) { in.MaxNumberOfMessages = n }
}

func delay(seconds int32) func(*awssqs.SendMessageInput) {
	return func(in *awssqs.SendMessageInput) { in.DelaySeconds = seconds }
}

func (c *client) remove(url string, m types.Message) {
	c.t.Helper()
	if _, err := c.DeleteMessage(ctx(c.t), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) change(url string, m types.Message, seconds int32) error {
	_, err := c.ChangeMessageVisibility(ctx(c.t), &awssqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
	return err
}

func (c *client) attribute(url string, name types.QueueAttributeName) string {
	c.t.Helper()
	out, err := c.GetQueueAttributes(ctx(c.t), &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		c.t.Fatal(err)
	}
	return out.Attributes[string(name)]
}

func (c *client) counts(url string) [3]string {
	c.t.Helper()
	return [3]string{
		c.attribute(url, types.QueueAttributeNameApproximateNumberOfMessages),
		c.attribute(url, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
		c.attribute(url, types.QueueAttributeNameApproximateNumberOfMessagesDelayed),
	}
}

// wantCode compares error codes, never messages.
func (c *client) wantCode(err error, code string) {
	c.t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		c.t.Fatalf("got %v, want %s", err, code)
	}
}

// wantType compares the typed error of the SDK.
func wantType[E error](t *testing.T, err error) {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Fatalf("got %v, want %T", err, want)
	}
}
