package jobs

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// batchItem is one batch of output: events, packed, and the attempt that wrote them.
type batchItem struct {
	Attempt int64  `dynamodbav:"attempt"`
	Data    []byte `dynamodbav:"data"`
}

// AppendOutput is row 9. raw is a marshalled AppendOutputRequest with the events only. A repeat of an accepted append is
// answered as accepted; one that leaves a gap is refused with OUTPUT_GAP.
func (st *Store) AppendOutput(ctx context.Context, f Fence, position int64, raw []byte) error {
	data, err := st.db.Pack(raw)
	if err != nil {
		return err
	}
	batch := batchItem{Attempt: f.Attempt, Data: data}
	now := st.db.Now()
	d := job.AppendOutput(f.JobID, f.Attempt, f.Owner, position, batch, now)
	err = st.commit(ctx, job.LimitOutput(d, f.JobID, int64(len(raw)), now))
	failed, lost := store.Failed(err, fenceLabel)
	if !lost {
		return err
	}
	l, err := decodeLease(failed.Old)
	if err != nil {
		return fmt.Errorf("reading the lease of job %s: %w", f.JobID, err)
	}
	if !l.Live || l.Attempt != f.Attempt || l.Owner != f.Owner {
		return st.StaleLease(ctx, f)
	}
	if position < l.NextOutput {
		var there batchItem
		found, err := st.db.Get(ctx, store.JobOutput(f.JobID, position), true, &there)
		if err != nil {
			return err
		}
		if found && there.Attempt == f.Attempt && bytes.Equal(there.Data, data) {
			return nil
		}
	}
	if l.OutputFull(now) {
		return fault.New(connect.CodeResourceExhausted, fault.Throttled, "job %s sends output faster than it is taken: %d MB at once, %d MB a second in the long run",
			f.JobID, job.OutputBurst>>20, job.OutputPerSecond>>20).
			WithHint("Wait before sending more, or leave output out.").WithFact("job_id", f.JobID)
	}
	return fault.New(connect.CodeFailedPrecondition, fault.OutputGap,
		"output of job %s goes on at position %d, not at %d", f.JobID, l.NextOutput, position).
		WithFact("next_output", strconv.FormatInt(l.NextOutput, 10))
}

// ReadOutput reads batches of a job's output from a position on and before another, at most about most bytes, and where to go on.
// Each batch is a marshalled AppendOutputRequest with events only. Positions that were passed over without a batch have
// expired: a batch and the lease that counts it are written together, so that one which a strong read does not find is gone, and
// DynamoDB deletes expired items in any order, so that what comes after a hole may still be there. A weak read may only lag
// behind: it stops at a hole, and is made again strongly if it found nothing before it.
func (st *Store) ReadOutput(ctx context.Context, id string, from, to int64, most int, consistent bool) (batches [][]byte, next int64, err error) {
	next = from
	if from >= to {
		return nil, next, nil
	}
	q := store.Query{PK: store.JobPK(id), SKFrom: store.JobOutput(id, from).SK, SKTo: store.JobOutput(id, to-1).SK, Order: store.OldestFirst, Limit: 200, Consistent: consistent}
	for size := 0; ; {
		items, following, err := st.db.Page(ctx, q)
		if err != nil {
			return nil, from, err
		}
		for _, item := range items {
			position, raw, err := readOutput(id, item)
			if err != nil {
				return nil, from, err
			}
			if position > next && !consistent {
				return st.outputAgain(ctx, id, from, to, most, batches)
			}
			if size > 0 && size+len(raw) > most {
				return batches, next, nil
			}
			batches = append(batches, raw)
			size += len(raw)
			next = position + 1
		}
		if following == "" {
			break
		}
		q.Token = following
	}
	if next < to && !consistent {
		return st.outputAgain(ctx, id, from, to, most, batches)
	}
	return batches, to, nil
}

// outputAgain answers with what a weak read found before its first hole, or reads strongly if that was nothing.
func (st *Store) outputAgain(ctx context.Context, id string, from, to int64, most int, weak [][]byte) ([][]byte, int64, error) {
	if len(weak) > 0 {
		return weak, from + int64(len(weak)), nil
	}
	return st.ReadOutput(ctx, id, from, to, most, true)
}

func readOutput(id string, item store.Item) (position int64, raw []byte, err error) {
	position, err = strconv.ParseInt(strings.TrimPrefix(store.StringOf(item, store.AttrSK), store.OutputPrefix), 10, 64)
	if err != nil {
		return 0, nil, fmt.Errorf("reading the output of job %s: the key %s is damaged", id, store.KeyOf(item))
	}
	var b batchItem
	if err := store.Decode(item, &b); err != nil {
		return 0, nil, fmt.Errorf("reading the output of job %s: %w", id, err)
	}
	if raw, err = store.Unpack(b.Data); err != nil {
		return 0, nil, fmt.Errorf("reading the output of job %s: %w", id, err)
	}
	return position, raw, nil
}
