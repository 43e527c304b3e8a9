package sqs

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"
)

// What a receiver does with a message that it has: delete it, or change for how long it
// stays hidden.

type deleteInput struct {
	QueueURL      string `json:"QueueUrl"`
	ReceiptHandle string
}

// deleteMessage succeeds also if the message is gone. A handle that a later receive has
// made old deletes nothing, which AWS permits too.
func (e *Engine) deleteMessage(ctx context.Context, in *deleteInput) (*empty, error) {
	q, err := e.find(ctx, "DeleteMessage", in.QueueURL)
	if err != nil {
		return nil, err
	}
	h, err := parseHandle(in.ReceiptHandle, q)
	if err != nil {
		return nil, err
	}
	err = e.opt.Store.Write(ctx, func(c *sqlite.Conn) error { return removeReceived(c, q.id, h) })
	if err != nil {
		return nil, err
	}
	return &empty{}, nil
}

type deleteBatchInput struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []deleteEntry
}

type deleteEntry struct {
	ID            string `json:"Id"`
	ReceiptHandle string
}

type doneEntry struct {
	ID string `json:"Id"`
}

func (e *Engine) deleteMessageBatch(ctx context.Context, in *deleteBatchInput) (*batchOutput[doneEntry], error) {
	q, err := e.find(ctx, "DeleteMessage", in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.Entries, func(d deleteEntry) string { return d.ID }); err != nil {
		return nil, err
	}
	out := new(batchOutput[doneEntry])
	err = e.opt.Store.Write(ctx, func(c *sqlite.Conn) error {
		*out = batchOutput[doneEntry]{}
		for _, d := range in.Entries {
			h, err := parseHandle(d.ReceiptHandle, q)
			if err != nil {
				out.Failed = append(out.Failed, failure(d.ID, err))
				continue
			}
			if err := removeReceived(c, q.id, h); err != nil {
				return err
			}
			out.Successful = append(out.Successful, doneEntry{d.ID})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// change is what ChangeMessageVisibility and an entry of its batch have in common.
type change struct {
	ReceiptHandle     string
	VisibilityTimeout *int
}

type changeInput struct {
	QueueURL string `json:"QueueUrl"`
	change
}

func (e *Engine) changeVisibility(ctx context.Context, in *changeInput) (*empty, error) {
	q, err := e.find(ctx, "ChangeMessageVisibility", in.QueueURL)
	if err != nil {
		return nil, err
	}
	now, sooner := e.now(), false
	err = e.opt.Store.Write(ctx, func(c *sqlite.Conn) error {
		var err error
		sooner, err = apply(c, q, in.change, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	if sooner {
		q.wake.notify()
	}
	return &empty{}, nil
}

type changeBatchInput struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []changeEntry
}

type changeEntry struct {
	ID string `json:"Id"`
	change
}

func (e *Engine) changeVisibilityBatch(ctx context.Context, in *changeBatchInput) (*batchOutput[doneEntry], error) {
	q, err := e.find(ctx, "ChangeMessageVisibility", in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.Entries, func(c changeEntry) string { return c.ID }); err != nil {
		return nil, err
	}
	out := new(batchOutput[doneEntry])
	now, sooner := e.now(), false
	err = e.opt.Store.Write(ctx, func(c *sqlite.Conn) error {
		*out, sooner = batchOutput[doneEntry]{}, false
		for _, en := range in.Entries {
			earlier, err := apply(c, q, en.change, now)
			if _, refused := err.(*apiError); refused { //nolint:errorlint // made in this package, never wrapped
				out.Failed = append(out.Failed, failure(en.ID, err))
				continue
			}
			if err != nil {
				return err
			}
			sooner = sooner || earlier
			out.Successful = append(out.Successful, doneEntry{en.ID})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if sooner {
		q.wake.notify()
	}
	return out, nil
}

// apply hides a message until now plus the timeout, at most 12 h after its receipt, and
// says whether that is sooner than before.
func apply(c *sqlite.Conn, q *queue, ch change, now int64) (sooner bool, err error) {
	if ch.VisibilityTimeout == nil {
		return false, missing("VisibilityTimeout")
	}
	d := time.Duration(*ch.VisibilityTimeout) * time.Second
	if d < 0 || d > MaxVisibility {
		return false, invalidValue("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.", *ch.VisibilityTimeout)
	}
	h, err := parseHandle(ch.ReceiptHandle, q)
	if err != nil {
		return false, err
	}
	visibleAt, receivedAt, ok, err := visibility(c, q.id, h)
	switch {
	case err != nil:
		return false, err
	case !ok:
		return false, invalidValue("Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.")
	case visibleAt <= now:
		return false, errNotInFlight
	case now+ms(d) >= receivedAt+ms(MaxVisibility+time.Second): // SQS counts in seconds
		return false, invalidValue("Total VisibilityTimeout for the message is beyond the limit [43200 seconds].")
	}
	return now+ms(d) < visibleAt, setVisible(c, h.seq, now+ms(d))
}
