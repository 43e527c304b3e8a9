// Package queue sends the wake-up messages: one SQS standard queue a pool of runners, whose messages say "look at job X" and no more.
//
// A message that is lost, late or doubled costs time, never correctness: the table knows what is owed, and the sweep sends it again.
// So an error here is for the log, not for the caller's answer. It imports the SDK, the engine's values and the table's meter.
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Options of an installation.
type Options struct {
	// Prefix begins the queues' names; the pool's name follows.
	Prefix string
	// Attributes are the settings of new queues, by their SQS names.
	Attributes map[string]string
	// RoleARN is the role whose keys runners get, limited to their own queue.
	RoleARN string
	Region  string
}

// Queues are the pools' queues. It is safe for concurrent use.
type Queues struct {
	sqs *sqs.Client
	sts *sts.Client
	opt Options

	mu sync.Mutex
	// known are queues by pool; a queue's URL and ARN never change.
	known map[string]known
}

type known struct{ url, arn string }

// New wraps the clients.
func New(q *sqs.Client, s *sts.Client, opt Options) *Queues {
	return &Queues{sqs: q, sts: s, opt: opt, known: map[string]known{}}
}

// Message is the body of a wake-up message.
type Message struct {
	JobID string `json:"job_id"`
	// RunnerID is the one runner that may claim the job; whoever else receives the message passes it on.
	RunnerID string `json:"runner_id,omitempty"`
}

// batchMost is SQS's limit on the entries of a batch.
const batchMost = 10

func (q *Queues) name(pool string) string { return q.opt.Prefix + pool }

func (q *Queues) remember(pool string, k known) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.known[pool] = k
}

func (q *Queues) forget(pool string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.known, pool)
}

func (q *Queues) lookup(pool string) known {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.known[pool]
}

// Ensure makes a pool's queue if it is not there, and returns its URL. Making it again changes nothing.
func (q *Queues) Ensure(ctx context.Context, pool string) (url string, err error) {
	if k := q.lookup(pool); k.url != "" {
		return k.url, nil
	}
	count(ctx)
	found, err := q.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(q.name(pool))})
	var missing *types.QueueDoesNotExist
	switch {
	case err == nil:
		url = aws.ToString(found.QueueUrl)
	case errors.As(err, &missing):
		count(ctx)
		made, err := q.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(q.name(pool)), Attributes: q.opt.Attributes})
		if err != nil {
			return "", fmt.Errorf("making the queue of pool %s: %w", pool, err)
		}
		url = aws.ToString(made.QueueUrl)
	default:
		return "", fmt.Errorf("finding the queue of pool %s: %w", pool, err)
	}
	q.remember(pool, known{url: url})
	return url, nil
}

// SendWakeUps sends wake-up messages, in batches where a pool gets several. All are tried; the error is of those that were not sent.
func (q *Queues) SendWakeUps(ctx context.Context, wakeUps []job.WakeUp) error {
	byPool := map[string][]job.WakeUp{}
	var order []string
	for _, r := range wakeUps {
		if r.Pool == "" {
			continue
		}
		if byPool[r.Pool] == nil {
			order = append(order, r.Pool)
		}
		byPool[r.Pool] = append(byPool[r.Pool], r)
	}
	var errs []error
	for _, pool := range order {
		for rest := byPool[pool]; len(rest) > 0; {
			n := min(len(rest), batchMost)
			errs = append(errs, q.send(ctx, pool, rest[:n]))
			rest = rest[n:]
		}
	}
	return errors.Join(errs...)
}

func (q *Queues) send(ctx context.Context, pool string, wakeUps []job.WakeUp) error {
	url, err := q.Ensure(ctx, pool)
	if err != nil {
		return err
	}
	count(ctx)
	if len(wakeUps) == 1 {
		_, err = q.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(body(wakeUps[0]))})
	} else {
		var res *sqs.SendMessageBatchOutput
		in := &sqs.SendMessageBatchInput{QueueUrl: &url}
		for i, r := range wakeUps {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(body(r))})
		}
		if res, err = q.sqs.SendMessageBatch(ctx, in); err == nil && len(res.Failed) > 0 {
			err = fmt.Errorf("%d of %d were refused: %s", len(res.Failed), len(wakeUps), aws.ToString(res.Failed[0].Code))
		}
	}
	var missing *types.QueueDoesNotExist
	if errors.As(err, &missing) {
		q.forget(pool) // somebody removed it: the next wake-up makes it again
	}
	if err != nil {
		return fmt.Errorf("sending to the queue of pool %s: %w", pool, err)
	}
	return nil
}

func body(r job.WakeUp) string {
	raw, _ := json.Marshal(Message{JobID: r.JobID, RunnerID: r.RunnerID}) // a struct of strings always marshals
	return string(raw)
}

// Credentials are short-lived keys that open one queue for receiving.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time
	Region, QueueURL                           string
}

// credentialsFor is how long the keys live: also the longest that AWS gives to a role assumed by a role.
const credentialsFor = time.Hour

// policy is IAM's JSON.
type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Effect   string
	Action   []string
	Resource string
}

// Credentials vends keys for a pool's queue to one runner: receive, delete and hide messages, nothing else.
func (q *Queues) Credentials(ctx context.Context, pool, runner string) (Credentials, error) {
	url, err := q.Ensure(ctx, pool)
	if err != nil {
		return Credentials{}, err
	}
	arn, err := q.arn(ctx, pool, url)
	if err != nil {
		return Credentials{}, err
	}
	limits, err := json.Marshal(policy{Version: "2012-10-17", Statement: []statement{{Effect: "Allow", Resource: arn, Action: []string{
		// The batch calls are authorised as the single ones.
		"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility",
	}}}})
	if err != nil {
		return Credentials{}, fmt.Errorf("writing the session policy: %w", err)
	}
	res, err := q.sts.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: &q.opt.RoleARN, RoleSessionName: aws.String("runner-" + runner), Policy: aws.String(string(limits)),
		DurationSeconds: aws.Int32(int32(credentialsFor.Seconds())),
	})
	if err != nil {
		return Credentials{}, fmt.Errorf("getting keys for the queue of pool %s: %w", pool, err)
	}
	c := res.Credentials
	return Credentials{
		AccessKeyID: aws.ToString(c.AccessKeyId), SecretAccessKey: aws.ToString(c.SecretAccessKey),
		SessionToken: aws.ToString(c.SessionToken), Expires: aws.ToTime(c.Expiration), Region: q.opt.Region, QueueURL: url,
	}, nil
}

func (q *Queues) arn(ctx context.Context, pool, url string) (string, error) {
	if k := q.lookup(pool); k.arn != "" {
		return k.arn, nil
	}
	count(ctx)
	res, err := q.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	if err != nil {
		return "", fmt.Errorf("finding the queue of pool %s: %w", pool, err)
	}
	arn := res.Attributes[string(types.QueueAttributeNameQueueArn)]
	q.remember(pool, known{url: url, arn: arn})
	return arn, nil
}

func count(ctx context.Context) { store.MeterFrom(ctx).AddQueue(1) }
