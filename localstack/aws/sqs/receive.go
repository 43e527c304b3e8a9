package sqs

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"zombiezen.com/go/sqlite"
)

type receiveInput struct {
	QueueURL                    string `json:"QueueUrl"`
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
}

type receiveOutput struct {
	Messages []received `json:",omitempty"`
}

type received struct {
	MessageID         string `json:"MessageId"`
	ReceiptHandle     string
	Body              string
	MD5OfBody         string
	Attributes        map[string]string    `json:",omitempty"`
	MessageAttributes map[string]attribute `json:",omitempty"`
	MD5OfAttributes   string               `json:"MD5OfMessageAttributes,omitempty"`
}

// systemAttributes are the names that a receive of a standard queue may ask for.
var systemAttributes = []string{
	"All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp",
	"AWSTraceHeader", "DeadLetterQueueSourceArn", "MessageGroupId",
	// of FIFO queues: known names, never present here
	"SequenceNumber", "MessageDeduplicationId",
}

// receiveMessage waits for at most 20 s until a message is visible and takes it. The
// message is hidden, durably, before it is answered.
func (e *Engine) receiveMessage(ctx context.Context, in *receiveInput) (*receiveOutput, error) {
	q, err := e.find(ctx, "ReceiveMessage", in.QueueURL)
	if err != nil {
		return nil, err
	}
	limit, visible, wait, err := receiveLimits(in, q.set())
	if err != nil {
		return nil, err
	}
	names := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	for _, n := range names {
		if !slices.Contains(systemAttributes, n) {
			return nil, attributeName(n)
		}
	}
	rows, err := e.await(ctx, q, limit, visible, wait)
	if err != nil {
		return nil, err
	}
	out := new(receiveOutput)
	for i := range rows {
		m, err := rows[i].answer(q, names, in.MessageAttributeNames)
		if err != nil {
			return nil, err
		}
		out.Messages = append(out.Messages, m)
	}
	return out, nil
}

func receiveLimits(in *receiveInput, s settings) (limit int, visible *time.Duration, wait time.Duration, err error) {
	limit, wait = 1, s.wait
	if n := in.MaxNumberOfMessages; n != nil {
		if limit = *n; limit < 1 || limit > MaxBatch {
			return 0, nil, 0, invalidValue("Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.", limit)
		}
	}
	if n := in.VisibilityTimeout; n != nil {
		d := time.Duration(*n) * time.Second
		if d < 0 || d > MaxVisibility {
			return 0, nil, 0, invalidValue("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.", *n)
		}
		visible = &d
	}
	if n := in.WaitTimeSeconds; n != nil {
		if wait = time.Duration(*n) * time.Second; wait < 0 || wait > MaxWait {
			return 0, nil, 0, invalidValue("Value %d for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.", *n)
		}
	}
	return limit, visible, wait, nil
}

// await takes up to limit messages, waiting in memory while there are none: until news of
// the queue, until its next message becomes visible, or until the wait is over.
func (e *Engine) await(ctx context.Context, q *queue, limit int, visible *time.Duration, wait time.Duration) ([]row, error) {
	deadline := e.opt.Clock().Add(wait)
	for {
		news := q.wake.wait() // before looking, so that no send falls between
		at, any, err := e.firstDue(ctx, q)
		if err != nil {
			return nil, err
		}
		if any && at <= e.now() {
			rows, err := e.claim(ctx, q, limit, visible)
			if err != nil || len(rows) > 0 {
				return rows, err
			}
			// Others took it, or it was dead-lettered or too old. Look again at once:
			// each round has removed what this one saw.
			if e.opt.Clock().Before(deadline) {
				continue
			}
			return nil, nil
		}
		left := deadline.Sub(e.opt.Clock())
		if left <= 0 {
			return nil, nil
		}
		if any {
			left = min(left, time.UnixMilli(at).Sub(e.opt.Clock()))
		}
		if over, err := e.sleep(ctx, left, news); over || err != nil {
			return nil, err
		}
		if !e.exists(q) {
			return nil, errNoQueue
		}
	}
}

// sleep returns true when the poll is to end now.
func (e *Engine) sleep(ctx context.Context, d time.Duration, news <-chan struct{}) (over bool, err error) {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-news:
		return false, nil
	case <-timer.C:
		return false, nil
	case <-e.closing:
		return true, nil
	case <-ctx.Done():
		return true, ctx.Err()
	}
}

func (e *Engine) exists(q *queue) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.queues[q.name] == q
}

func (e *Engine) firstDue(ctx context.Context, q *queue) (at int64, ok bool, err error) {
	err = e.opt.Store.Read(ctx, func(c *sqlite.Conn) error {
		var err error
		at, ok, err = firstDue(c, q.id)
		return err
	})
	return at, ok, err
}

// maxRounds bounds what one claim throws out (expired, dead-lettered) in one write.
const maxRounds = 20

// claim takes visible messages in one write: hides them, gives each a new receipt, moves
// those that were received too often to the dead-letter queue and deletes the expired.
func (e *Engine) claim(ctx context.Context, q *queue, limit int, visible *time.Duration) ([]row, error) {
	s, now := q.set(), e.now()
	var dead *queue
	if s.redrive != nil {
		dead = e.byARN(s.redrive.target) // nil if deleted: messages then stay where they are
	}
	hide := s.visibility
	if visible != nil {
		hide = *visible
	}
	var taken []row
	moved := false
	err := e.opt.Store.Write(ctx, func(c *sqlite.Conn) error {
		taken, moved = nil, false
		room, err := e.room(c, q, now, limit)
		if err != nil {
			return err
		}
		noisy, err := noisyGroups(c, q, now)
		if err != nil {
			return err
		}
		for range maxRounds {
			rows, err := due(c, q.id, now, room-len(taken), noisy)
			if err != nil {
				return err
			}
			kept := 0
			for i := range rows {
				m := &rows[i]
				if m.sent <= s.expiredBefore(now) {
					if err := removeMessage(c, m.seq); err != nil {
						return err
					}
					continue
				}
				if dead != nil && m.receives >= s.redrive.max {
					gone, err := moveMessage(c, m.seq, dead.id, now, e.arn(q.name))
					if err != nil {
						return err
					}
					if moved = moved || gone; gone {
						continue
					}
				}
				if err := e.take(c, m, now, now+ms(hide)); err != nil {
					return err
				}
				taken = append(taken, *m)
				kept++
			}
			// With a timeout of zero, what was just taken is visible still.
			if len(rows) == 0 || kept > 0 && hide == 0 || len(taken) == room {
				break
			}
		}
		q.inFlight += len(taken)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if moved {
		dead.wake.notify()
	}
	return taken, nil
}

func (e *Engine) take(c *sqlite.Conn, m *row, now, visibleAt int64) error {
	m.receipt = make([]byte, nonceSize)
	if _, err := io.ReadFull(e.opt.Rand, m.receipt); err != nil {
		return fmt.Errorf("random bytes: %w", err)
	}
	m.receives++
	if m.firstReceived == 0 {
		m.firstReceived = now
	}
	m.visibleAt = visibleAt
	return markReceived(c, m, now)
}

// room says how many messages may be taken under the limit of messages in flight. The
// exact count costs a walk over the queue, so it is taken only when the bound, which
// grows with every receive, reaches the limit.
func (e *Engine) room(c *sqlite.Conn, q *queue, now int64, limit int) (int, error) {
	if q.inFlight >= 0 && q.inFlight+limit <= e.opt.InFlightLimit {
		return limit, nil
	}
	expired := q.set().expiredBefore(now)
	if err := removeExpired(c, q.id, expired); err != nil {
		return 0, err
	}
	n, err := count(c, q.id, now, expired)
	if err != nil {
		return 0, err
	}
	q.inFlight = n.inFlight
	if n.inFlight >= e.opt.InFlightLimit {
		return 0, errOverLimit
	}
	return min(limit, e.opt.InFlightLimit-n.inFlight), nil
}

func (m *row) answer(q *queue, system, attrs []string) (received, error) {
	out := received{
		MessageID: m.id, Body: m.body, MD5OfBody: bodyMD5(m.body),
		ReceiptHandle: handle{queue: q.id, seq: m.seq, nonce: [nonceSize]byte(m.receipt)}.String(),
	}
	all := map[string]string{
		"SenderId":                         m.sender,
		"SentTimestamp":                    strconv.FormatInt(m.sent, 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.receives),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.firstReceived, 10),
	}
	if m.trace != "" {
		all["AWSTraceHeader"] = m.trace
	}
	if m.group != "" {
		all["MessageGroupId"] = m.group
	}
	if m.source != "" {
		all["DeadLetterQueueSourceArn"] = m.source
	}
	for name, value := range all {
		if slices.Contains(system, name) || slices.Contains(system, "All") {
			if out.Attributes == nil {
				out.Attributes = make(map[string]string)
			}
			out.Attributes[name] = value
		}
	}
	if m.attributes != "" && len(attrs) > 0 {
		var stored map[string]attribute
		if err := json.Unmarshal([]byte(m.attributes), &stored); err != nil {
			return received{}, fmt.Errorf("attributes of message %s: %w", m.id, err)
		}
		out.MessageAttributes = selectAttributes(stored, attrs)
		out.MD5OfAttributes = attributesMD5(out.MessageAttributes)
	}
	return out, nil
}

const nonceSize = 16

// handle is what a receipt handle says. The nonce is random and new with each receive, so
// that a handle cannot be guessed and an old one is known to be old.
type handle struct {
	queue, seq int64
	nonce      [nonceSize]byte
}

func (h handle) String() string {
	b := make([]byte, 0, 17+nonceSize)
	b = append(b, 1) // version
	b = binary.BigEndian.AppendUint64(b, uint64(h.queue))
	b = binary.BigEndian.AppendUint64(b, uint64(h.seq))
	return base64.StdEncoding.EncodeToString(append(b, h.nonce[:]...))
}

// parseHandle refuses what is no handle of this queue.
func parseHandle(text string, q *queue) (handle, error) {
	if text == "" {
		return handle{}, missing("ReceiptHandle")
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != 17+nonceSize || b[0] != 1 {
		return handle{}, errHandle
	}
	h := handle{
		queue: int64(binary.BigEndian.Uint64(b[1:9])), //nolint:gosec // a round trip
		seq:   int64(binary.BigEndian.Uint64(b[9:17])),
		nonce: [nonceSize]byte(b[17:]),
	}
	if h.queue != q.id {
		return handle{}, errHandle
	}
	return h, nil
}
