// Package sqs is an engine for Amazon SQS standard queues that speaks the AWS JSON 1.0
// protocol: the unmodified SDK clients are its clients.
//
// It implements the operations of standard queues completely (visibility, long polling,
// delays, dead-letter queues, retention, batches, message attributes, groups of fair queues,
// tags) and refuses everything else by name: FIFO queues, access policies, encryption
// settings, message move tasks. Nothing is ever ignored.
//
// Messages live in the store: an acknowledged send, receive or delete survives kill -9
// and power cuts. Long polls wait in memory. Faults that AWS permits (lost, doubled, late
// and reordered messages) can be injected.
//
// It imports of this project nothing but the store and sigv4 (for who is calling).
package sqs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

// Service is named in credential scopes.
const Service = "sqs"

// Limits of SQS.
const (
	MaxMessageSize   = 1 << 20 // bytes: body and attributes, of a message or a batch
	MaxVisibility    = 12 * time.Hour
	MaxDelay         = 15 * time.Minute
	MaxWait          = 20 * time.Second
	MaxBatch         = 10
	MaxInFlight      = 120_000
	purgeInterval    = time.Minute
	maxRequest       = 16 << 20 // JSON escapes can make a 1 MiB body six times as long
	defaultRetention = 4 * 24 * time.Hour
	maxRetention     = 14 * 24 * time.Hour
	minRetention     = time.Minute
)

// Options configures New. Store, Clock, Region, Account, BaseURL and Rand are required.
type Options struct {
	// Store keeps queues and messages. The engine must be the only one on it.
	Store *store.Store
	// Clock returns the current time. Timers of long polls run on the runtime's clock.
	Clock func() time.Time
	// Region and Account appear in queue ARNs.
	Region, Account string
	// BaseURL begins queue URLs: BaseURL/ACCOUNT/NAME. Requests may name any host in it.
	BaseURL string
	// Rand makes message ids and receipts: crypto/rand.Reader outside tests.
	Rand io.Reader
	// Authorize decides whether the caller may perform an action ("sqs:SendMessage") on
	// a queue's ARN; everything is allowed if nil. Its error is the answer.
	Authorize func(ctx context.Context, action, resource string) error
	// Faults injects what SQS permits and rarely does. Off if nil.
	Faults *Faults
	// InFlightLimit is MaxInFlight if zero.
	InFlightLimit int
	// Logger gets internal errors. Discarded if nil.
	Logger *slog.Logger
}

// Engine is an http.Handler. Close it to end long polls.
type Engine struct {
	opt    Options
	faults *faultPlan

	admin  sync.Mutex   // serialises changes of queues, across their writes
	mu     sync.RWMutex // guards queues
	queues map[string]*queue

	closing   chan struct{}
	closeOnce sync.Once
}

// New makes the tables if they do not exist, and loads the queues.
func New(ctx context.Context, opt Options) (*Engine, error) {
	if opt.Store == nil || opt.Clock == nil || opt.Rand == nil || opt.Region == "" || opt.Account == "" || opt.BaseURL == "" {
		return nil, errors.New("sqs: Store, Clock, Rand, Region, Account and BaseURL are required")
	}
	opt.BaseURL = strings.TrimSuffix(opt.BaseURL, "/")
	if opt.InFlightLimit == 0 {
		opt.InFlightLimit = MaxInFlight
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{opt: opt, faults: newFaultPlan(opt.Faults), closing: make(chan struct{})}
	var err error
	if e.queues, err = load(ctx, opt.Store); err != nil {
		return nil, err
	}
	return e, nil
}

// Close ends long polls at once: they answer with no message. It does not close the store.
func (e *Engine) Close() error {
	e.closeOnce.Do(func() { close(e.closing) })
	return nil
}

// ServeHTTP answers one request of the AWS JSON protocol.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := requestID()
	w.Header()["X-Amzn-Requestid"] = []string{id}
	if isQuery(r) {
		refuseQuery(w, id)
		return
	}
	out, err := e.serve(w, r)
	if err != nil {
		e.writeError(w, r, err)
		return
	}
	body, err := json.Marshal(out)
	if err != nil {
		e.writeError(w, r, err)
		return
	}
	w.Header()["Content-Type"] = []string{"application/x-amz-json-1.0"}
	_, _ = w.Write(body) // the client may be gone; there is nobody else to tell
}

func (e *Engine) serve(w http.ResponseWriter, r *http.Request) (any, error) {
	target := r.Header.Get("X-Amz-Target")
	name, ok := strings.CutPrefix(target, "AmazonSQS.")
	if r.Method != http.MethodPost || !ok {
		return nil, unsupported("only the AWS JSON protocol is implemented: POST with X-Amz-Target: AmazonSQS.<operation>")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, invalidValue("the request is over %d bytes", maxRequest)
		}
		return nil, invalidValue("the request body could not be read")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	return e.dispatch(r.Context(), name, body)
}

// dispatch is the list of what this engine implements.
func (e *Engine) dispatch(ctx context.Context, name string, body []byte) (any, error) {
	switch name {
	case "CreateQueue":
		return run(ctx, name, body, e.createQueue)
	case "DeleteQueue":
		return run(ctx, name, body, e.deleteQueue)
	case "ListQueues":
		return run(ctx, name, body, e.listQueues)
	case "GetQueueUrl":
		return run(ctx, name, body, e.getQueueURL)
	case "GetQueueAttributes":
		return run(ctx, name, body, e.getQueueAttributes)
	case "SetQueueAttributes":
		return run(ctx, name, body, e.setQueueAttributes)
	case "PurgeQueue":
		return run(ctx, name, body, e.purgeQueue)
	case "TagQueue":
		return run(ctx, name, body, e.tagQueue)
	case "UntagQueue":
		return run(ctx, name, body, e.untagQueue)
	case "ListQueueTags":
		return run(ctx, name, body, e.listQueueTags)
	case "ListDeadLetterSourceQueues":
		return run(ctx, name, body, e.listDeadLetterSourceQueues)
	case "SendMessage":
		return run(ctx, name, body, e.sendMessage)
	case "SendMessageBatch":
		return run(ctx, name, body, e.sendMessageBatch)
	case "ReceiveMessage":
		return run(ctx, name, body, e.receiveMessage)
	case "DeleteMessage":
		return run(ctx, name, body, e.deleteMessage)
	case "DeleteMessageBatch":
		return run(ctx, name, body, e.deleteMessageBatch)
	case "ChangeMessageVisibility":
		return run(ctx, name, body, e.changeVisibility)
	case "ChangeMessageVisibilityBatch":
		return run(ctx, name, body, e.changeVisibilityBatch)
	}
	return nil, unsupported("operation " + printable(name) + " is not implemented by this engine")
}

// run decodes the input strictly and calls the operation.
func run[In any, Out any](ctx context.Context, name string, body []byte, op func(context.Context, *In) (*Out, error)) (any, error) {
	in := new(In)
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(in); err != nil {
		if member, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return nil, unsupported("member " + printable(member) + " of " + name + " is not implemented by this engine")
		}
		return nil, serialization()
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, serialization()
	}
	out, err := op(ctx, in)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// empty is the output of operations that return nothing.
type empty struct{}

// find authorises and finds the queue of a URL. Permission comes first: whoever has none
// does not learn which queues exist.
func (e *Engine) find(ctx context.Context, action, queueURL string) (*queue, error) {
	if queueURL == "" {
		return nil, missing("QueueUrl")
	}
	name, err := e.nameFromURL(queueURL)
	if err != nil {
		return nil, err
	}
	if err := e.authorize(ctx, action, name); err != nil {
		return nil, err
	}
	e.mu.RLock()
	q := e.queues[name]
	e.mu.RUnlock()
	if q == nil {
		return nil, errNoQueue
	}
	return q, nil
}

func (e *Engine) authorize(ctx context.Context, action, name string) error {
	if e.opt.Authorize == nil {
		return nil
	}
	return e.opt.Authorize(ctx, "sqs:"+action, e.arn(name))
}

func (e *Engine) arn(name string) string {
	return "arn:aws:sqs:" + e.opt.Region + ":" + e.opt.Account + ":" + name
}

func (e *Engine) url(name string) string {
	return e.opt.BaseURL + "/" + e.opt.Account + "/" + name
}

// nameFromURL takes the queue's name from the end of its URL, whatever the host.
func (e *Engine) nameFromURL(u string) (string, error) {
	u = strings.TrimSuffix(u, "/")
	i := strings.LastIndexByte(u, '/')
	if i < 0 {
		return "", &apiError{http.StatusBadRequest, "InvalidAddress", "", "The address " + printable(u) + " is not valid for this endpoint."}
	}
	name, rest := u[i+1:], u[:i]
	if account := rest[strings.LastIndexByte(rest, '/')+1:]; account != e.opt.Account {
		return "", errNoQueue
	}
	return name, nil
}

// now in milliseconds, the resolution of the tables.
func (e *Engine) now() int64 { return e.opt.Clock().UnixMilli() }
