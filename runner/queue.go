package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// Times of messages, in seconds where SQS counts so.
const (
	longPoll = 20
	// hideReceived: a long poll that dies takes its message with it for so long.
	hideReceived = 10
	// hideClaimed, from the claim and each renewal on: longer than a lease, so that a dead runner's message comes back
	// when its job can be claimed.
	hideClaimed = 45
	// hideOwn is for a second message of a job that runs here.
	hideOwn     = 30
	hideMost    = 12 * 60 * 60
	extendEvery = 10 * time.Second
	// renewKeys is how long before their end the queue's keys are renewed.
	renewKeys = 5 * time.Minute
	// queueCall bounds a call but the long poll.
	queueCall = 10 * time.Second
)

// queue is the pool's queue with keys that open it.
type queue struct {
	url  string
	sqs  *sqs.Client
	keys *aws.CredentialsCache
}

// openQueue makes a client with keys that renew themselves.
func (r *Runner) openQueue(ctx context.Context) (*queue, error) {
	vended := &vendedKeys{r: r}
	if _, err := vended.Retrieve(ctx); err != nil {
		return nil, err
	}
	first := vended.last()
	u, err := url.Parse(first.GetQueueUrl())
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the server named the queue %q, which is not a valid address", first.GetQueueUrl())
	}
	q := &queue{url: first.GetQueueUrl()}
	q.keys = aws.NewCredentialsCache(vended, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = renewKeys })
	httpClient := r.o.QueueHTTPClient
	if httpClient == nil {
		httpClient = &http.Client{}
	}
	endpoint := r.o.QueueEndpoint
	if endpoint == "" {
		endpoint = u.Scheme + "://" + u.Host
	}
	q.sqs = sqs.New(sqs.Options{Region: first.GetRegion(), Credentials: q.keys, HTTPClient: httpClient, BaseEndpoint: &endpoint})
	return q, nil
}

// vendedKeys gets the queue's keys from the server.
type vendedKeys struct {
	r  *Runner
	mu sync.Mutex
	// got is the last answer.
	got *waypointv1.GetQueueCredentialsResponse
	// fresh: got has not been given out yet.
	fresh bool
}

func (v *vendedKeys) last() *waypointv1.GetQueueCredentialsResponse {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fresh = true // the cache's first question is answered with it
	return v.got
}

// Retrieve implements aws.CredentialsProvider.
func (v *vendedKeys) Retrieve(ctx context.Context) (aws.Credentials, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.fresh {
		ctx = client.WithMaxRetry(ctx, patience)
		res, err := v.r.o.Client.Agent.GetQueueCredentials(ctx, connect.NewRequest(&waypointv1.GetQueueCredentialsRequest{RunnerId: v.r.o.ID}))
		if err != nil {
			return aws.Credentials{}, fmt.Errorf("getting the queue's keys: %w", err)
		}
		if v.got != nil && v.got.GetQueueUrl() != res.Msg.GetQueueUrl() {
			return aws.Credentials{}, errMoved
		}
		v.got = res.Msg
	}
	v.fresh = false
	return aws.Credentials{
		AccessKeyID: v.got.GetAccessKeyId(), SecretAccessKey: v.got.GetSecretAccessKey(), SessionToken: v.got.GetSessionToken(),
		Source: "waypoint", CanExpire: v.got.GetExpiresUnix() > 0, Expires: time.Unix(v.got.GetExpiresUnix(), 0),
	}, nil
}

// receive waits up to 20 s for at most n messages.
func (q *queue) receive(ctx context.Context, n int) ([]types.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, longPoll*time.Second+queueCall)
	defer cancel()
	out, err := q.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: int32(min(n, 10)), WaitTimeSeconds: longPoll, VisibilityTimeout: hideReceived,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	})
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

// errMoved: the runner is in another pool now, since what its token may do has changed.
var errMoved = errors.New("the runner's queue is another one now")

// gone reports whether the queue is not there any more, or not this runner's.
func gone(err error) bool {
	var missing *types.QueueDoesNotExist
	return errors.As(err, &missing) || errors.Is(err, errMoved)
}

// refusesKeys reports whether the queue refused the call itself, so that other keys may help. It does not when the queue
// fails or throttles: asking the server for new keys then would only add to its load.
func refusesKeys(err error) bool {
	var answer *smithyhttp.ResponseError
	var api smithy.APIError
	return errors.As(err, &answer) && answer.HTTPStatusCode() >= 400 && answer.HTTPStatusCode() < 500 &&
		answer.HTTPStatusCode() != http.StatusTooManyRequests &&
		!(errors.As(err, &api) && strings.Contains(api.ErrorCode(), "Throttl"))
}

// message is one receipt of a wake-up message.
type message struct {
	r       *Runner
	q       *queue
	receipt string
}

// hide makes the message come back after so many seconds. Its failure costs latency alone: the table knows what is
// owed, and SQS ends a message's receipt 12 h after it.
func (m *message) hide(ctx context.Context, seconds int) {
	if m == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, queueCall)
	defer cancel()
	_, err := m.q.sqs.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &m.q.url, ReceiptHandle: &m.receipt, VisibilityTimeout: int32(min(max(seconds, 0), hideMost)),
	})
	if err != nil && ctx.Err() == nil {
		m.r.log.DebugContext(ctx, "could not hide a message", "error", err)
	}
}

// delete removes the message; a message that stays is answered ENDED by the next claim.
func (m *message) delete(ctx context.Context) {
	if m == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queueCall)
	defer cancel()
	_, err := m.q.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &m.q.url, ReceiptHandle: &m.receipt})
	if err != nil {
		m.r.log.DebugContext(ctx, "could not delete a message", "error", err)
	}
}

// wakeUpMessage is the body of a message.
type wakeUpMessage struct {
	JobID string `json:"job_id"`
	// RunnerID is the one runner that the job is for; empty for any.
	RunnerID string `json:"runner_id"`
}

func jobOf(m types.Message) (wakeUpMessage, bool) {
	var wakeUp wakeUpMessage
	if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &wakeUp); err != nil || wakeUp.JobID == "" {
		return wakeUpMessage{}, false
	}
	return wakeUp, true
}

const (
	// passOnSeconds is how long a message for another runner is hidden before that one may receive it: long enough that whoever
	// passed it on does not receive it again at once.
	passOnSeconds = 1
	// passOnMost is how often a message for one runner is received at most. In a large pool it may never reach its runner,
	// which is told by its next heartbeat then.
	passOnMost = 20
)

// passOn gives a message back that is for another runner of the pool.
func (m *message) passOn(ctx context.Context, received types.Message) {
	count, err := strconv.Atoi(received.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if err != nil || count >= passOnMost {
		m.delete(ctx)
		return
	}
	m.hide(ctx, passOnSeconds)
}

// secondsOf rounds up, so that a message does not come back before its time.
func secondsOf(ms uint32) int { return int(math.Ceil(float64(ms) / 1000)) }
