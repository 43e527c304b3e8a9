package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	dynamodb "github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb/conformance"
	sqs "github.com/waypoint-serverless/waypoint/localstack/aws/sqs/conformance"
	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
	"github.com/waypoint-serverless/waypoint/localstack/aws/suite/referee"
)

// How many cases run at once: those of DynamoDB share faults and tables and take no time, those of SQS wait for clocks.
const (
	atOnceDynamoDB = 1
	atOnceSQS      = 32
)

func testKeys() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider("key", "secret", "")
}

// prefix is new for each run.
func prefix() string { return fmt.Sprintf("conf%x-", time.Now().UnixMilli()) }

func (r *run) embedded(ctx context.Context) error {
	const engine = "embedded"
	seen := new(suite.Coverage)
	target, closing, err := dynamodb.Embedded(ctx, seen)
	if err != nil {
		return err
	}
	if err := r.dynamodb(ctx, engine, target, nil); err != nil {
		return err
	}
	r.cover("DynamoDB", seen, dynamodb.Operations, "localstack/aws/dynamodb")
	if err := closing(); err != nil {
		return err
	}
	seen = new(suite.Coverage)
	queues, closing, err := sqs.Embedded(ctx, seen)
	if err != nil {
		return err
	}
	r.judge("SQS", engine, suite.Run(ctx, queues.Suite(), atOnceSQS), queues.Suite(), nil, true)
	r.cover("SQS", seen, sqs.Operations, "localstack/aws/sqs")
	if r.packages {
		r.ownTests(ctx, engine, "", "")
	}
	return closing()
}

// cover holds the run to all that an engine can answer.
func (r *run) cover(service string, seen *suite.Coverage, read func(string) ([]string, []string, error), dir string) {
	operations, codes, err := read(dir)
	if err != nil {
		r.problem("%s: %v", service, err)
		return
	}
	for _, missing := range seen.Uncovered(operations, codes) {
		r.problem("%s: the engine can answer it and no case covers it: %s", service, missing)
	}
	fmt.Printf("%s: the embedded engine's %d operations and %d error codes were all seen\n", service, len(operations), len(codes))
}

// dynamodb makes the tables, runs the cases and removes the tables.
func (r *run) dynamodb(ctx context.Context, engine string, target dynamodb.Target, deviations map[string]string) error {
	tearDown, err := target.SetUp(ctx)
	defer func() { tearDown(context.WithoutCancel(ctx)) }()
	if err != nil {
		return err
	}
	cases := asked(target.Suite(), target.Own != nil)
	r.judge("DynamoDB", engine, suite.Run(ctx, cases, atOnceDynamoDB), target.Suite(), deviations, true)
	return nil
}

func asked(cases []suite.Case, own bool) (asked []suite.Case) {
	for _, c := range cases {
		if own || c.Own == "" {
			asked = append(asked, c)
		}
	}
	return asked
}

// judge compares outcomes with the reviewed deviations. If strict, a deviation that is not seen any more is a problem.
func (r *run) judge(service, engine string, outcomes []suite.Outcome, cases []suite.Case, deviations map[string]string, strict bool) {
	w := row{suite: service, engine: engine, left: len(cases) - len(outcomes)}
	for _, name := range suite.Twice(cases) {
		r.problem("%s: two cases are called %q", service, name)
	}
	known := map[string]bool{}
	for _, c := range cases {
		known[c.Name] = true
	}
	for name := range deviations {
		if !known[name] {
			r.problem("%s: a deviation of %s names no case: %q", service, engine, name)
		}
	}
	for _, o := range outcomes {
		reason, listed := deviations[o.Name]
		switch {
		case o.Failure == "" && listed && strict:
			w.passed++
			r.problem("%s on %s: %q passes; take it off the list of deviations", service, engine, o.Name)
		case o.Failure == "":
			w.passed++
		case listed:
			w.known++
			r.notes = append(r.notes, fmt.Sprintf("%s: %q: %s", engine, o.Name, reason))
		default:
			w.failed++
			r.problem("%s on %s: %q: %s", service, engine, o.Name, o.Failure)
		}
	}
	r.rows = append(r.rows, w)
}

// referees starts both, and runs them one after the other: the clocks of SQS's cases do not like a busy machine.
func (r *run) referees(ctx context.Context) {
	var local, faux *referee.Running
	var localErr, fauxErr error
	var group sync.WaitGroup
	group.Go(func() { local, localErr = referee.StartDynamoDBLocal(ctx) })
	group.Go(func() { faux, fauxErr = referee.StartFauxqs(ctx) })
	group.Wait()
	if localErr != nil {
		r.absent("DynamoDB", referee.DynamoDBLocal, localErr)
	} else {
		target := dynamodb.Target{Client: dynamodb.NewClient(local.URL, "us-east-1", testKeys(), nil), Prefix: prefix()}
		if err := r.dynamodb(ctx, referee.DynamoDBLocal, target, dynamodb.DynamoDBLocalDeviations); err != nil {
			r.absent("DynamoDB", referee.DynamoDBLocal, err)
		}
	}
	if fauxErr != nil {
		r.absent("SQS", referee.Fauxqs, fauxErr)
	} else {
		r.sqs(ctx, referee.Fauxqs, sqs.Target{Client: sqs.NewClient(faux.URL, "us-east-1", testKeys(), nil), Prefix: prefix()}, sqs.FauxqsDeviations, true)
		if r.packages {
			r.ownTests(ctx, referee.Fauxqs, "", faux.URL)
		}
		r.stop(faux)
	}
	if localErr == nil {
		if r.packages {
			r.ownTests(ctx, referee.DynamoDBLocal, local.URL, "")
		}
		r.stop(local)
	}
}

func (r *run) stop(running *referee.Running) {
	if err := running.Stop(); err != nil {
		r.problem("stopping a referee: %v", err)
	}
}

func (r *run) sqs(ctx context.Context, engine string, target sqs.Target, deviations map[string]string, strict bool) {
	r.judge("SQS", engine, suite.Run(ctx, asked(target.Suite(), false), atOnceSQS), target.Suite(), deviations, strict)
}

// endpoints runs what the environment names: LocalStack, AWS, `waypoint server engines`.
func (r *run) endpoints(ctx context.Context) {
	tables, queues := suite.Endpoint("DYNAMODB"), suite.Endpoint("SQS")
	region, keys := suite.Region(), credentials.NewStaticCredentialsProvider(suite.Keys())
	if tables != "" {
		target := dynamodb.Target{Client: dynamodb.NewClient(tables, region, keys, nil), Prefix: prefix()}
		// LocalStack's DynamoDB is DynamoDB Local; whoever passes what that fails is welcome.
		if err := r.endpointDynamoDB(ctx, target); err != nil {
			r.absent("DynamoDB", "endpoint", err)
		}
	}
	if queues != "" {
		r.sqs(ctx, "endpoint", sqs.Target{Client: sqs.NewClient(queues, region, keys, nil), Prefix: prefix()}, nil, false)
	}
	if r.packages && (tables != "" || queues != "") {
		r.ownTests(ctx, "endpoint", tables, queues)
	}
}

func (r *run) endpointDynamoDB(ctx context.Context, target dynamodb.Target) error {
	tearDown, err := target.SetUp(ctx)
	defer func() { tearDown(context.WithoutCancel(ctx)) }()
	if err != nil {
		return err
	}
	r.judge("DynamoDB", "endpoint", suite.Run(ctx, asked(target.Suite(), false), atOnceDynamoDB), target.Suite(), dynamodb.DynamoDBLocalDeviations, false)
	return nil
}
