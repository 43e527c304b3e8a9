// Package logs keeps what apps write, the instances that wrote it, and who reads along.
//
// It imports the kernel, the contract and package records (whose app a deployment is of).
package logs

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Store keeps logs and instances. It is safe for concurrent use.
type Store struct{ db *store.DB }

// New returns the logs of a table.
func New(db *store.DB) *Store { return &Store{db: db} }

const (
	// logLife is how long app logs are kept.
	logLife = 7 * 24 * time.Hour
	// logShards spreads one deployment's log over partitions: each takes 1,000 writes a second.
	logShards = 4
	// TailedFor is how long after a reader's word an app's logs are sent each second.
	TailedFor = 45 * time.Second
)

type logItem struct {
	// Body is a packed waypointv1.PutLogsRequest with its lines and dropped count only.
	Body []byte `dynamodbav:"body"`
	TTL  int64  `dynamodbav:"ttl"`
}

func logShard(instance string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(instance)) // a hash takes everything
	return int(h.Sum32() % logShards)
}

func logKey(deployment, instance string, n int64) store.Key {
	return store.LogBatch(deployment, logShard(instance), instance, n)
}

// Put keeps a batch. A batch that is there already is left as it is: a repeat succeeds.
func (st *Store) Put(ctx context.Context, req *waypointv1.PutLogsRequest) error {
	lines := make([]*waypointv1.LogLine, len(req.GetLines()))
	for i, l := range req.GetLines() { // the key says whose they are
		lines[i] = &waypointv1.LogLine{TimeUnixMs: l.GetTimeUnixMs(), Text: l.GetText(), Stderr: l.GetStderr(), Entrypoint: l.GetEntrypoint()}
	}
	body, err := proto.Marshal(&waypointv1.PutLogsRequest{Lines: lines, Dropped: req.GetDropped(), DroppedBytes: req.GetDroppedBytes()})
	if err != nil {
		return fmt.Errorf("storing logs: %w", err)
	}
	key := logKey(req.GetDeploymentId(), req.GetInstanceId(), req.GetSequence())
	packed, err := st.db.Pack(body)
	if err != nil {
		return fmt.Errorf("storing logs: %w", err)
	}
	err = st.db.Put(ctx, key, logItem{Body: packed, TTL: st.db.Now().Add(logLife).Unix()}, store.Absent())
	if _, there := store.Failed(err, ""); there {
		return nil
	}
	return err
}

// Batch is a batch as it was written.
type Batch struct {
	Instance string
	Sequence int64
	Lines    []*waypointv1.LogLine
	// Dropped lines before these, and their bytes, if known.
	Dropped, DroppedBytes int64
}

// Read reads up to limit batches of an instance, oldest first, from a sequence on. limit bounds memory:
// an unpacked batch may be large. Batches that have expired, though they may still be stored, are passed over.
func (st *Store) Read(ctx context.Context, deployment, instance string, from int64, limit int) ([]Batch, error) {
	key := logKey(deployment, instance, from)
	in := store.Query{
		PK: key.PK, SKFrom: key.SK, SKTo: logKey(deployment, instance, MaxSequence).SK, Order: store.OldestFirst, Limit: limit, Consistent: true,
	}
	for {
		items, next, err := st.db.Page(ctx, in)
		if err != nil {
			return nil, err
		}
		if len(items) > 0 || next == "" {
			return readBatches(items)
		}
		in.Token = next
	}
}

// lastLogsPage is how many batches ReadLastLogs reads at once: unpacked, up to 256 KB each.
const lastLogsPage = 8

// ReadLast reads the last batches of an instance until they hold so many lines or, if that comes first, about so many
// bytes; oldest first.
func (st *Store) ReadLast(ctx context.Context, deployment, instance string, lines, bytes int) ([]Batch, error) {
	first := logKey(deployment, instance, 0)
	in := store.Query{PK: first.PK, SKFrom: first.SK, SKTo: logKey(deployment, instance, MaxSequence).SK, Limit: lastLogsPage, Consistent: true, Order: store.NewestFirst}
	var out []Batch // newest first
	for have, size := 0, 0; ; {
		items, next, err := st.db.Page(ctx, in)
		if err != nil {
			return nil, err
		}
		batches, err := readBatches(items)
		if err != nil {
			return nil, err
		}
		for _, b := range batches {
			if have >= lines || size >= bytes {
				break
			}
			have, size = have+len(b.Lines), size+b.Size()
			out = append(out, b)
		}
		if next == "" || have >= lines || size >= bytes {
			slices.Reverse(out)
			return out, nil
		}
		in.Token = next
	}
}

// lineOverhead is about what a line costs beside its text.
const lineOverhead = 80

// LineSize is about what a line takes in an answer.
func LineSize(l *waypointv1.LogLine) int { return len(l.GetText()) + lineOverhead }

// Size is about what the batch's lines take in an answer.
func (b Batch) Size() int {
	size := 0
	for _, l := range b.Lines {
		size += LineSize(l)
	}
	return size
}

// MaxSequence is the largest number that sorts rightly as text.
const MaxSequence = 999_999_999_999

func readBatches(items []store.Item) ([]Batch, error) {
	out := make([]Batch, 0, len(items))
	for _, raw := range items {
		var item logItem
		if err := store.Decode(raw, &item); err != nil {
			return nil, err
		}
		instance, number, _ := strings.Cut(store.KeyOf(raw).SK, "#")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("reading logs: the key %s is broken", store.KeyOf(raw))
		}
		body, err := store.Unpack(item.Body)
		if err != nil {
			return nil, fmt.Errorf("reading logs: %w", err)
		}
		var batch waypointv1.PutLogsRequest
		if err := proto.Unmarshal(body, &batch); err != nil {
			return nil, fmt.Errorf("reading logs: %w", err)
		}
		out = append(out, Batch{Instance: instance, Sequence: n, Lines: batch.GetLines(), Dropped: batch.GetDropped(), DroppedBytes: batch.GetDroppedBytes()})
	}
	return out, nil
}

type tailedItem struct {
	TTL int64 `dynamodbav:"ttl"`
}

// MarkTailed notes that somebody reads a deployment's logs: its entrypoints then send them each second for
// TailedFor. It is the one item that the tail function writes.
func (st *Store) MarkTailed(ctx context.Context, deployment string) error {
	return st.db.Put(ctx, store.Tailed(deployment), tailedItem{TTL: st.db.Now().Add(TailedFor).Unix()})
}

// Tailed reports whether somebody read a deployment's logs lately.
func (st *Store) Tailed(ctx context.Context, deployment string) (bool, error) {
	var item tailedItem
	return st.db.Get(ctx, store.Tailed(deployment), false, &item)
}

// Remove removes at most most batches of a deployment's logs. Fewer than most: none is left.
func (st *Store) Remove(ctx context.Context, deployment string, most int) (removed int, err error) {
	for shard := range logShards {
		n, err := st.db.RemoveItems(ctx, store.LogPK(deployment, shard), "", most-removed)
		if removed += n; err != nil || removed == most {
			return removed, err
		}
	}
	return removed, nil
}
