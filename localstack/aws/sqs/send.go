package sqs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
)

// entry is what SendMessage and an entry of SendMessageBatch have in common.
type entry struct {
	MessageBody             string
	DelaySeconds            *int
	MessageAttributes       map[string]attribute
	MessageSystemAttributes map[string]attribute
	// MessageGroupID makes the queue a fair one: see fair.go. nil for messages without a group.
	MessageGroupID *string `json:"MessageGroupId"`
}

type sendInput struct {
	QueueURL string `json:"QueueUrl"`
	entry
}

type sent struct {
	MessageID         string `json:"MessageId"`
	MD5OfBody         string `json:"MD5OfMessageBody"`
	MD5OfAttributes   string `json:"MD5OfMessageAttributes,omitempty"`
	MD5OfSystemValues string `json:"MD5OfMessageSystemAttributes,omitempty"`
}

func (e *Engine) sendMessage(ctx context.Context, in *sendInput) (*sent, error) {
	q, err := e.find(ctx, "SendMessage", in.QueueURL)
	if err != nil {
		return nil, err
	}
	rows, out, _, err := e.prepare(ctx, q.set(), &in.entry)
	if err != nil {
		return nil, err
	}
	if err := e.store(ctx, q, rows); err != nil {
		return nil, err
	}
	return out, nil
}

// prepare checks a message and returns its rows (one, unless faults are injected), the
// answer, and its size.
func (e *Engine) prepare(ctx context.Context, s settings, in *entry) ([]row, *sent, int, error) {
	size, err := checkMessage(in.MessageBody, in.MessageAttributes, in.MessageSystemAttributes)
	if err != nil {
		return nil, nil, 0, err
	}
	if size > s.maxSize {
		return nil, nil, 0, invalidValue("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", s.maxSize)
	}
	if err := checkGroup(in.MessageGroupID); err != nil {
		return nil, nil, 0, err
	}
	delay := s.delay
	if in.DelaySeconds != nil {
		delay = time.Duration(*in.DelaySeconds) * time.Second
		if delay < 0 || delay > MaxDelay {
			return nil, nil, 0, invalidValue("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", *in.DelaySeconds)
		}
	}
	id, err := newID(e.opt.Rand)
	if err != nil {
		return nil, nil, 0, err
	}
	now := e.now()
	m := row{id: id, sent: now, visibleAt: now + ms(delay), sender: e.sender(ctx), body: in.MessageBody}
	if len(in.MessageAttributes) > 0 {
		encoded, err := json.Marshal(in.MessageAttributes)
		if err != nil {
			return nil, nil, 0, fmt.Errorf("message attributes: %w", err)
		}
		m.attributes = string(encoded)
	}
	if in.MessageGroupID != nil {
		m.group = *in.MessageGroupID
	}
	if trace, ok := in.MessageSystemAttributes["AWSTraceHeader"]; ok {
		m.trace = *trace.StringValue
	}
	var rows []row
	for _, shift := range e.faults.copies() {
		again := m
		again.visibleAt += ms(shift)
		rows = append(rows, again)
	}
	return rows, &sent{id, bodyMD5(in.MessageBody), attributesMD5(in.MessageAttributes), attributesMD5(in.MessageSystemAttributes)}, size, nil
}

// sweepInterval is how often a send deletes expired messages. A receive deletes those that
// it meets; this is for queues from which nobody receives.
const sweepInterval = time.Minute

// store writes messages durably and wakes who waits for them.
func (e *Engine) store(ctx context.Context, q *queue, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	s, now := q.set(), e.now()
	err := e.opt.Store.Write(ctx, func(c *sqlite.Conn) error {
		if now-q.swept > ms(sweepInterval) {
			if err := removeExpired(c, q.id, s.expiredBefore(now)); err != nil {
				return err
			}
			q.swept = now
		}
		for i := range rows {
			if err := insertMessage(c, q.id, &rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	q.wake.notify()
	return nil
}

// sender is the SenderId attribute: the caller's user id, or the account.
func (e *Engine) sender(ctx context.Context) string {
	if p, ok := sigv4.PrincipalFrom(ctx); ok && p.UserID != "" {
		return p.UserID
	}
	return e.opt.Account
}

type sendBatchInput struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []sendBatchEntry
}

type sendBatchEntry struct {
	ID string `json:"Id"`
	entry
}

type failed struct {
	ID          string `json:"Id"`
	Code        string
	Message     string
	SenderFault bool
}

// batchOutput is the answer to the batch operations. AWS leaves empty lists out.
type batchOutput[T any] struct {
	Successful []T      `json:",omitempty"`
	Failed     []failed `json:",omitempty"`
}

type sentEntry struct {
	ID string `json:"Id"`
	sent
}

// sendMessageBatch sends what is valid in one write, and says what is not.
func (e *Engine) sendMessageBatch(ctx context.Context, in *sendBatchInput) (*batchOutput[sentEntry], error) {
	q, err := e.find(ctx, "SendMessage", in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.Entries, func(s sendBatchEntry) string { return s.ID }); err != nil {
		return nil, err
	}
	out, set := new(batchOutput[sentEntry]), q.set()
	var rows []row
	total := 0
	for i := range in.Entries {
		id := in.Entries[i].ID
		more, answer, size, err := e.prepare(ctx, set, &in.Entries[i].entry)
		if err != nil {
			out.Failed = append(out.Failed, failure(id, err))
			continue
		}
		total += size
		rows = append(rows, more...)
		out.Successful = append(out.Successful, sentEntry{id, *answer})
	}
	if total > MaxMessageSize {
		return nil, errBatchSize
	}
	if err := e.store(ctx, q, rows); err != nil {
		return nil, err
	}
	return out, nil
}

var batchIDs = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`) })

func checkBatch[T any](entries []T, id func(T) string) error {
	switch {
	case len(entries) == 0:
		return errEmptyBatch
	case len(entries) > MaxBatch:
		return errLongBatch
	}
	seen := make(map[string]bool, len(entries))
	for _, en := range entries {
		switch i := id(en); {
		case !batchIDs().MatchString(i):
			return errBatchID
		case seen[i]:
			return errSameIDs
		default:
			seen[i] = true
		}
	}
	return nil
}

// failure words an error as a batch entry's result.
func failure(id string, err error) failed {
	if api, ok := err.(*apiError); ok { //nolint:errorlint // made in this package, never wrapped
		return failed{id, api.queryCode(), api.message, api.status < 500}
	}
	return failed{id, "InternalError", "The request processing has failed because of an unknown error.", false}
}

// newID makes a UUID of version 4.
func newID(r io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return "", fmt.Errorf("random bytes: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}
