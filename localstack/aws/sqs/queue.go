package sqs

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
)

// queue is a queue's definition in memory, and where its long polls wait. Definitions
// are replaced whole: readers take them once per request.
type queue struct {
	id      int64
	name    string
	created int64 // ms
	wake    *notifier

	mu       sync.Mutex
	modified int64
	attrs    map[string]string
	tags     map[string]string
	settings settings
	purged   int64 // ms, of the last purge

	// Only the store's writer touches these. inFlight is an upper bound of the messages in
	// flight, -1 for unknown; swept is when the expired were last deleted.
	inFlight int
	swept    int64
}

func (q *queue) set() settings {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.settings
}

// notifier wakes all who wait on a queue. Whoever waits takes the channel first and looks
// at the queue afterwards, so that no news falls between.
type notifier struct {
	mu sync.Mutex
	ch chan struct{}
}

func (n *notifier) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch == nil {
		n.ch = make(chan struct{})
	}
	return n.ch
}

func (n *notifier) notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch != nil {
		close(n.ch)
		n.ch = nil
	}
}

var queueNames = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`) })

func checkQueueName(name string) error {
	switch {
	case name == "":
		return missing("QueueName")
	case strings.HasSuffix(name, ".fifo"):
		return unsupported("FIFO queues (QueueName " + printable(name) + ") are not implemented by this engine")
	case !queueNames().MatchString(name):
		return invalidValue("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}

type createQueueInput struct {
	QueueName  string
	Attributes map[string]string
	// SDKs of other languages write the tags in lower case; encoding/json takes both.
	Tags map[string]string
}

type queueURLOutput struct {
	QueueURL string `json:"QueueUrl"`
}

// createQueue is idempotent: with the same attributes it returns the queue that exists.
func (e *Engine) createQueue(ctx context.Context, in *createQueueInput) (*queueURLOutput, error) {
	if err := checkQueueName(in.QueueName); err != nil {
		return nil, err
	}
	if err := e.authorize(ctx, "CreateQueue", in.QueueName); err != nil {
		return nil, err
	}
	e.admin.Lock()
	defer e.admin.Unlock()
	attrs, err := merge(nil, in.Attributes, e.existsARN)
	if err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	e.mu.RLock()
	q := e.queues[in.QueueName]
	e.mu.RUnlock()
	if q != nil {
		if err := q.sameAttributes(attrs); err != nil {
			return nil, err
		}
		return &queueURLOutput{e.url(q.name)}, nil
	}
	now := e.now()
	q = &queue{name: in.QueueName, created: now, modified: now, attrs: attrs, tags: in.Tags, settings: parse(attrs), wake: new(notifier)}
	if err := e.opt.Store.Write(ctx, func(c *sqlite.Conn) error { return insertQueue(c, q) }); err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.queues[q.name] = q
	e.mu.Unlock()
	return &queueURLOutput{e.url(q.name)}, nil
}

func (q *queue) sameAttributes(asked map[string]string) error {
	q.mu.Lock()
	have := described(q.attrs)
	q.mu.Unlock()
	for name, value := range asked {
		if have[name] != value {
			return &apiError{400, "QueueNameExists", "QueueAlreadyExists",
				"A queue already exists with the same name and a different value for attribute " + name}
		}
	}
	return nil
}

func (e *Engine) existsARN(arn string) bool { return e.byARN(arn) != nil }

func (e *Engine) byARN(arn string) *queue {
	name, ok := strings.CutPrefix(arn, e.arn(""))
	if !ok {
		return nil
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.queues[name]
}

type queueInput struct {
	QueueURL string `json:"QueueUrl"`
}

func (e *Engine) deleteQueue(ctx context.Context, in *queueInput) (*empty, error) {
	q, err := e.find(ctx, "DeleteQueue", in.QueueURL)
	if err != nil {
		return nil, err
	}
	e.admin.Lock()
	defer e.admin.Unlock()
	if err := e.opt.Store.Write(ctx, func(c *sqlite.Conn) error { return removeQueue(c, q.id) }); err != nil {
		return nil, err
	}
	e.mu.Lock()
	if e.queues[q.name] == q {
		delete(e.queues, q.name)
	}
	e.mu.Unlock()
	q.wake.notify()
	return &empty{}, nil
}

type getQueueURLInput struct {
	QueueName              string
	QueueOwnerAWSAccountID string `json:"QueueOwnerAWSAccountId"`
}

func (e *Engine) getQueueURL(ctx context.Context, in *getQueueURLInput) (*queueURLOutput, error) {
	if in.QueueName == "" {
		return nil, missing("QueueName")
	}
	if err := e.authorize(ctx, "GetQueueUrl", in.QueueName); err != nil {
		return nil, err
	}
	e.mu.RLock()
	q := e.queues[in.QueueName]
	e.mu.RUnlock()
	if q == nil || in.QueueOwnerAWSAccountID != "" && in.QueueOwnerAWSAccountID != e.opt.Account {
		return nil, errNoQueue
	}
	return &queueURLOutput{e.url(q.name)}, nil
}

type getAttributesInput struct {
	QueueURL       string `json:"QueueUrl"`
	AttributeNames []string
}

type attributesOutput struct {
	Attributes map[string]string `json:",omitempty"`
}

func (e *Engine) getQueueAttributes(ctx context.Context, in *getAttributesInput) (*attributesOutput, error) {
	q, err := e.find(ctx, "GetQueueAttributes", in.QueueURL)
	if err != nil {
		return nil, err
	}
	for _, name := range in.AttributeNames {
		if _, ok := bounds[name]; !ok && !computed[name] && !notImplemented[name] && name != "All" && name != "RedrivePolicy" {
			return nil, attributeName(name)
		}
	}
	if len(in.AttributeNames) == 0 {
		return &attributesOutput{}, nil
	}
	var n counts
	now := e.now()
	q.mu.Lock()
	all := described(q.attrs)
	all["LastModifiedTimestamp"] = strconv.FormatInt(q.modified/1000, 10)
	retention := q.settings.retention
	q.mu.Unlock()
	if err := e.opt.Store.Read(ctx, func(c *sqlite.Conn) error {
		var err error
		n, err = count(c, q.id, now, now-retention.Milliseconds())
		return err
	}); err != nil {
		return nil, err
	}
	all["QueueArn"] = e.arn(q.name)
	all["CreatedTimestamp"] = strconv.FormatInt(q.created/1000, 10)
	all["ApproximateNumberOfMessages"] = strconv.Itoa(n.visible)
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(n.inFlight)
	all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(n.delayed)
	if !slices.Contains(in.AttributeNames, "All") {
		maps.DeleteFunc(all, func(name, _ string) bool { return !slices.Contains(in.AttributeNames, name) })
	}
	return &attributesOutput{all}, nil
}

type setAttributesInput struct {
	QueueURL   string `json:"QueueUrl"`
	Attributes map[string]string
}

func (e *Engine) setQueueAttributes(ctx context.Context, in *setAttributesInput) (*empty, error) {
	q, err := e.find(ctx, "SetQueueAttributes", in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.Attributes) == 0 {
		return nil, missing("Attributes")
	}
	e.admin.Lock()
	defer e.admin.Unlock()
	q.mu.Lock()
	current, tags := q.attrs, q.tags
	q.mu.Unlock()
	// A queue cannot be its own dead-letter queue.
	attrs, err := merge(current, in.Attributes, func(arn string) bool { return arn != e.arn(q.name) && e.existsARN(arn) })
	if err != nil {
		return nil, err
	}
	if err := e.redefine(ctx, q, attrs, tags); err != nil {
		return nil, err
	}
	q.wake.notify() // a receive may find more, or have to wait for less
	return &empty{}, nil
}

// redefine stores a queue's attributes and tags. The caller holds admin.
func (e *Engine) redefine(ctx context.Context, q *queue, attrs, tags map[string]string) error {
	now := e.now()
	if err := e.opt.Store.Write(ctx, func(c *sqlite.Conn) error { return updateQueue(c, q.id, now, attrs, tags) }); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.attrs, q.tags, q.modified, q.settings = attrs, tags, now, parse(attrs)
	return nil
}

func (e *Engine) purgeQueue(ctx context.Context, in *queueInput) (*empty, error) {
	q, err := e.find(ctx, "PurgeQueue", in.QueueURL)
	if err != nil {
		return nil, err
	}
	now := e.now()
	q.mu.Lock()
	before := q.purged
	if before != 0 && now-before < purgeInterval.Milliseconds() {
		q.mu.Unlock()
		return nil, errPurging
	}
	q.purged = now
	q.mu.Unlock()
	if err := e.opt.Store.Write(ctx, func(c *sqlite.Conn) error { return removeMessages(c, q.id) }); err != nil {
		q.mu.Lock()
		q.purged = before
		q.mu.Unlock()
		return nil, err
	}
	return &empty{}, nil
}

// expiredBefore is the send time at or before which messages are too old.
func (s settings) expiredBefore(now int64) int64 { return now - s.retention.Milliseconds() }

func ms(d time.Duration) int64 { return d.Milliseconds() }
