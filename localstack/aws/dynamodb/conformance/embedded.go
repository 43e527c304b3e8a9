package conformance

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	engine "github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

// Own is what only an engine of ours can be told.
type Own struct {
	// Faults strike on purpose.
	Faults *engine.Faults
	// Deny refuses every operation while it is set.
	Deny atomic.Bool
	// Broken is an engine whose data file is closed.
	Broken *awsdynamodb.Client
}

// Embedded makes a target of the embedded engine, in memory, and what ends it.
func Embedded(ctx context.Context, coverage *suite.Coverage) (Target, func() error, error) {
	files, err := store.Open(ctx, store.Options{})
	if err != nil {
		return Target{}, nil, err
	}
	own := &Own{Faults: engine.NewFaults(1)}
	e, err := engine.New(ctx, engine.Options{Store: files, Faults: own.Faults, Authorize: func(context.Context, string, string) error {
		if own.Deny.Load() {
			return errors.New("a case says so")
		}
		return nil
	}})
	if err != nil {
		return Target{}, nil, errors.Join(err, files.Close())
	}
	broken, err := brokenEngine(ctx)
	if err != nil {
		return Target{}, nil, errors.Join(err, files.Close())
	}
	connect := func(h http.Handler) *awsdynamodb.Client {
		return NewClient("http://dynamodb.embedded", "us-east-1", credentials.NewStaticCredentialsProvider("key", "secret", ""),
			&http.Client{Transport: coverage.Over(suite.InProcess(h))})
	}
	own.Broken = connect(broken)
	return Target{Client: connect(e), Prefix: "conf-", Own: own}, files.Close, nil
}

func brokenEngine(ctx context.Context) (http.Handler, error) {
	files, err := store.Open(ctx, store.Options{})
	if err != nil {
		return nil, err
	}
	e, err := engine.New(ctx, engine.Options{Store: files})
	return e, errors.Join(err, files.Close())
}

// NewClient is the unmodified SDK client for an endpoint; it does not try again.
func NewClient(url, region string, keys aws.CredentialsProvider, transport *http.Client) *awsdynamodb.Client {
	o := awsdynamodb.Options{Region: region, BaseEndpoint: &url, Credentials: keys, RetryMaxAttempts: 1}
	if transport != nil {
		o.HTTPClient = transport
	}
	return awsdynamodb.New(o)
}

// Operations and Codes are all that the engine can answer, read from its source in dir.
func Operations(dir string) (operations, codes []string, err error) {
	return suite.Source{
		Dir: dir, Dispatch: "operation",
		Errors: map[string]int{"apiError": 1}, Makers: map[string]int{"dynamoError": 0}, Reasons: map[string]string{"reason": "code"},
	}.Read()
}
