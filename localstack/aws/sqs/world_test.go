package sqs_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sqs"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sqs/conformance"
	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

const account = "000000000000"

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

func dial(t *testing.T, url string) *conformance.Client {
	t.Helper()
	return &conformance.Client{Client: conformance.NewClient(url, "us-east-1", credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""), nil), T: t}
}

// inProcess reaches an engine without a socket.
func inProcess(t *testing.T, e http.Handler) *conformance.Client {
	t.Helper()
	return &conformance.Client{T: t, Client: conformance.NewClient("http://sqs.test", "us-east-1",
		credentials.NewStaticCredentialsProvider("AKIATEST", "secret", ""), &http.Client{Transport: suite.InProcess(e)})}
}
