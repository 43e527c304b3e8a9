// Package conformance states what the project relies on of SQS, each fact a case that runs through the unmodified SDK:
// on the embedded engine, on an emulator as referee, and on whatever an endpoint names. A case compares error codes,
// never messages.
package conformance

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sqs"
	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

// Account is the embedded engine's.
const Account = "000000000000"

// Target is an implementation of SQS.
type Target struct {
	Client *awssqs.Client
	// Prefix begins the names of queues; another one for each run.
	Prefix string
	// Own is what only an engine of ours can be told; nil for all others.
	Own *Own
}

// Own are engines in states that no client can bring about.
type Own struct {
	// Full has room for one message in flight.
	Full *awssqs.Client
	// Denied refuses everything.
	Denied *awssqs.Client
	// Broken has its data file closed.
	Broken *awssqs.Client
}

// Suite gives the cases for a target. All can run at once.
func (target Target) Suite() []suite.Case {
	var all []suite.Case
	add := func(own string, cases map[string]func(*Client)) {
		for _, name := range slices.Sorted(maps.Keys(cases)) {
			all = append(all, suite.Case{Name: name, Own: own, Run: func(t suite.T) {
				cases[name](&Client{Client: target.Client, T: t, Prefix: target.Prefix, Own: target.Own})
			}})
		}
	}
	for _, cases := range []map[string]func(*Client){queueCases, sendCases, receiveCases, visibilityCases, batchCases, deadLetterCases, fairCases, formCases} {
		add("", cases)
	}
	add("the embedded engine alone refuses this by name", refusalCases)
	add("it needs an engine in a state that no client brings about", ownCases)
	return all
}

// NewClient is the unmodified SDK client for an endpoint; it does not try again.
func NewClient(url, region string, keys aws.CredentialsProvider, client *http.Client) *awssqs.Client {
	o := awssqs.Options{Region: region, BaseEndpoint: &url, Credentials: keys, RetryMaxAttempts: 1}
	if client != nil {
		o.HTTPClient = client
	}
	return awssqs.New(o)
}

// Operations and codes are all that the engine can answer, read from its source in dir.
func Operations(dir string) (operations, codes []string, err error) {
	return suite.Source{
		Dir: dir, Dispatch: "dispatch", Errors: map[string]int{"apiError": 1},
	}.Read()
}

// Embedded makes a target of the embedded engine, in memory, and what ends it.
func Embedded(ctx context.Context, coverage *suite.Coverage) (Target, func() error, error) {
	var closers []func() error
	closing := func() error {
		var errs []error
		for _, c := range slices.Backward(closers) {
			errs = append(errs, c())
		}
		return errors.Join(errs...)
	}
	connect := func(change func(*sqs.Options)) (*awssqs.Client, *store.Store, error) {
		files, err := store.Open(ctx, store.Options{})
		if err != nil {
			return nil, nil, err
		}
		closers = append(closers, files.Close)
		o := sqs.Options{Store: files, Clock: time.Now, Region: "us-east-1", Account: Account, BaseURL: "http://sqs.embedded", Rand: rand.Reader}
		change(&o)
		e, err := sqs.New(ctx, o)
		if err != nil {
			return nil, nil, err
		}
		closers = append(closers, e.Close)
		return NewClient("http://sqs.embedded", "us-east-1", credentials.NewStaticCredentialsProvider("key", "secret", ""),
			&http.Client{Transport: coverage.Over(suite.InProcess(e))}), files, nil
	}
	target := Target{Prefix: "conf-", Own: new(Own)}
	var err error
	var brokenFiles *store.Store
	for _, c := range []struct {
		to     **awssqs.Client
		change func(*sqs.Options)
	}{
		{&target.Client, func(*sqs.Options) {}},
		{&target.Own.Full, func(o *sqs.Options) { o.InFlightLimit = 1 }},
		{&target.Own.Denied, func(o *sqs.Options) { o.Authorize = deny }},
		{&target.Own.Broken, func(*sqs.Options) {}},
	} {
		if *c.to, brokenFiles, err = connect(c.change); err != nil {
			return Target{}, nil, errors.Join(err, closing())
		}
	}
	return target, closing, brokenFiles.Close() // the last one's; closing it again does nothing
}
