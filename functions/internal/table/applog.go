package table

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
)

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

func logKey(deployment, instance string, n int64) Key {
	return LogBatch(deployment, logShard(instance), instance, n)
}

// PutLogs keeps a batch. A batch that is there already is left as it is: a repeat succeeds.
func (t *Table) PutLogs(ctx context.Context, req *waypointv1.PutLogsRequest) error {
	lines := make([]*waypointv1.LogLine, len(req.GetLines()))
	for i, l := range req.GetLines() { // the key says whose they are
		lines[i] = &waypointv1.LogLine{TimeUnixMs: l.GetTimeUnixMs(), Text: l.GetText(), Stderr: l.GetStderr(), Entrypoint: l.GetEntrypoint()}
	}
	body, err := proto.Marshal(&waypointv1.PutLogsRequest{Lines: lines, Dropped: req.GetDropped(), DroppedBytes: req.GetDroppedBytes()})
	if err != nil {
		return fmt.Errorf("storing logs: %w", err)
	}
	key := logKey(req.GetDeploymentId(), req.GetInstanceId(), req.GetSequence())
	packed, err := t.pack(body)
	if err != nil {
		return fmt.Errorf("storing logs: %w", err)
	}
	err = t.Put(ctx, key, logItem{Body: packed, TTL: t.Now().Add(logLife).Unix()}, Absent())
	if _, there := Failed(err, ""); there {
		return nil
	}
	return err
}

// LogBatchRead is a batch as it was written.
type LogBatchRead struct {
	Instance string
	Sequence int64
	Lines    []*waypointv1.LogLine
	// Dropped lines before these, and their bytes, if known.
	Dropped, DroppedBytes int64
}

// ReadLogs reads up to limit batches of an instance, oldest first, from a sequence on. limit bounds memory:
// an unpacked batch may be large. Batches that have expired, though they may still be stored, are passed over.
func (t *Table) ReadLogs(ctx context.Context, deployment, instance string, from int64, limit int) ([]LogBatchRead, error) {
	key := logKey(deployment, instance, from)
	in := QueryInput{
		PK: key.PK, SKFrom: key.SK, SKTo: logKey(deployment, instance, MaxLogSequence).SK, Forward: true, Limit: limit, Consistent: true,
	}
	for {
		items, next, err := t.Query(ctx, in)
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

// ReadLastLogs reads the last batches of an instance until they hold so many lines or, if that comes first, about so many
// bytes; oldest first.
func (t *Table) ReadLastLogs(ctx context.Context, deployment, instance string, lines, bytes int) ([]LogBatchRead, error) {
	first := logKey(deployment, instance, 0)
	in := QueryInput{PK: first.PK, SKFrom: first.SK, SKTo: logKey(deployment, instance, MaxLogSequence).SK, Limit: lastLogsPage, Consistent: true}
	var out []LogBatchRead // newest first
	for have, size := 0, 0; ; {
		items, next, err := t.Query(ctx, in)
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
func (b LogBatchRead) Size() int {
	size := 0
	for _, l := range b.Lines {
		size += LineSize(l)
	}
	return size
}

// MaxLogSequence is the largest number that sorts rightly as text.
const MaxLogSequence = 999_999_999_999

func readBatches(items []Item) ([]LogBatchRead, error) {
	out := make([]LogBatchRead, 0, len(items))
	for _, raw := range items {
		var item logItem
		if err := Decode(raw, &item); err != nil {
			return nil, err
		}
		instance, number, _ := strings.Cut(KeyOf(raw).SK, "#")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("reading logs: the key %s is broken", KeyOf(raw))
		}
		body, err := unpack(item.Body)
		if err != nil {
			return nil, fmt.Errorf("reading logs: %w", err)
		}
		var batch waypointv1.PutLogsRequest
		if err := proto.Unmarshal(body, &batch); err != nil {
			return nil, fmt.Errorf("reading logs: %w", err)
		}
		out = append(out, LogBatchRead{Instance: instance, Sequence: n, Lines: batch.GetLines(), Dropped: batch.GetDropped(), DroppedBytes: batch.GetDroppedBytes()})
	}
	return out, nil
}

// tailedKey stands beside the app's records; it tells entrypoints that somebody reads.
func tailedKey(deployment string) Key { return Key{DeploymentPK(deployment), "TAILED"} }

type tailedItem struct {
	TTL int64 `dynamodbav:"ttl"`
}

// MarkTailed notes that somebody reads a deployment's logs: its entrypoints then send them each second for
// TailedFor. It is the one item that the tail function writes.
func (t *Table) MarkTailed(ctx context.Context, deployment string) error {
	return t.Put(ctx, tailedKey(deployment), tailedItem{TTL: t.Now().Add(TailedFor).Unix()})
}

// Tailed says whether somebody read a deployment's logs lately.
func (t *Table) Tailed(ctx context.Context, deployment string) (bool, error) {
	var item tailedItem
	return t.Get(ctx, tailedKey(deployment), false, &item)
}
