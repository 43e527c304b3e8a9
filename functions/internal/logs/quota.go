package logs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/records"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// PerDay is how many bytes of logs of one app are kept of one day (UTC), unless the installation says otherwise. An app that
// writes without end would fill the table, for which somebody pays.
const PerDay = 1 << 30

// How fast the logs of one instance are taken: twice as fast as an entrypoint sends them, so that only what has no such bound
// is refused.
const (
	logBurst     = 40 << 20
	logPerSecond = 2 << 20
)

// How long an instance is asked to keep its lines to itself once its app has written too much today, or it too fast.
const (
	holdDay  = 5 * time.Minute
	holdRate = 2 * time.Second
)

// Each function counts what it was sent and adds that to the table's count now and then: a count with each batch would cost as
// much as the batch. What a function that is ended has not added is forgotten, which is little.
const (
	logCountBytes = 1 << 20
	logCountEvery = 30 * time.Second
	// logCountLife is how long a day's count is kept.
	logCountLife = 3 * 24 * time.Hour
	// logAppsMost bounds what one function remembers.
	logAppsMost = 2_000
)

// logDay is the count of one app and day, as one function knows it.
type logDay struct {
	// total is the table's count when it was last added to, and since what came after.
	total, since int64
	added        time.Time
}

type logAppDay struct{ project, app, day string }

// instanceLogs is one instance's log, as one function knows it: a bucket of bytes that fills with time, until when the instance
// was told to send nothing, and what of it was left out since the last batch that was kept.
type instanceLogs struct {
	have         int64
	at, until    time.Time
	lines, bytes int64
}

// Quota bounds the logs of each app of a day, and how fast each instance sends. It is safe for concurrent use.
type Quota struct {
	db      *store.DB
	records *records.Store
	most    int64

	mu        sync.Mutex
	apps      map[string][2]string // by deployment, which never changes its app
	days      map[logAppDay]*logDay
	instances map[string]*instanceLogs
}

// NewQuota bounds logs to most bytes a day and app; 0: PerDay, less than 0: no bound.
func NewQuota(db *store.DB, r *records.Store, most int64) *Quota {
	if most == 0 {
		most = PerDay
	}
	return &Quota{db: db, records: r, most: most, apps: map[string][2]string{}, days: map[logAppDay]*logDay{}, instances: map[string]*instanceLogs{}}
}

// Verdict is what becomes of a batch.
type Verdict struct {
	// Batch is what is to be kept; nil: nothing.
	Batch *waypointv1.PutLogsRequest
	// Hold is for how long the instance is to send nothing; 0: it may go on.
	Hold time.Duration
}

// Admit decides what of a batch is kept. A batch that is above the bounds is counted: the next one that is kept, or a line of the
// server's own once in each hold, says how much was left out. So an instance that does not listen costs no writes.
func (q *Quota) Admit(ctx context.Context, in *waypointv1.PutLogsRequest) (Verdict, error) {
	lines, bytes := int64(len(in.GetLines())), LinesBytes(in)
	if hold := q.refuses(in.GetInstanceId(), lines, bytes, in); hold > 0 {
		return Verdict{Hold: hold}, nil
	}
	kept, err := q.ofToday(ctx, in.GetDeploymentId(), bytes)
	if err != nil {
		return Verdict{}, err
	}
	out := proto.CloneOf(in)
	lines, bytes = q.leftOut(in.GetInstanceId(), kept)
	out.Dropped, out.DroppedBytes = out.GetDropped()+lines, out.GetDroppedBytes()+bytes
	if kept {
		return Verdict{Batch: q.dated(out)}, nil
	}
	out.Dropped, out.DroppedBytes = out.GetDropped()+int64(len(out.GetLines())), out.GetDroppedBytes()+LinesBytes(out)
	at := q.db.Now().UnixMilli()
	if n := len(out.GetLines()); n > 0 {
		at = out.GetLines()[n-1].GetTimeUnixMs()
	}
	text := LeftOut(out.GetDropped(), out.GetDroppedBytes(), fmt.Sprintf("more than %s of the app's logs on one day (UTC)", sizeText(q.most)))
	out.Lines, out.Dropped, out.DroppedBytes = []*waypointv1.LogLine{{TimeUnixMs: at, Entrypoint: true, Text: text}}, 0, 0
	return Verdict{Batch: out, Hold: holdDay}, nil
}

func sizeText(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d MB", n>>20)
}

// dated gives a batch that only says how much was left out a line, which has a time.
func (q *Quota) dated(in *waypointv1.PutLogsRequest) *waypointv1.PutLogsRequest {
	if len(in.GetLines()) > 0 || in.GetDropped() == 0 {
		return in
	}
	in.Lines = []*waypointv1.LogLine{{TimeUnixMs: q.db.Now().UnixMilli(), Entrypoint: true, Text: LeftOut(in.GetDropped(), in.GetDroppedBytes(), "")}}
	in.Dropped, in.DroppedBytes = 0, 0
	return in
}

// LeftOut renders how much of a log was left out; why is "" for what its own instance left out.
func LeftOut(lines, bytes int64, why string) string {
	size := ""
	if bytes > 0 {
		size = fmt.Sprintf(" (%d bytes)", bytes)
	}
	if why == "" {
		why = "more than the app may log (1 MB a second in the long run), or than could be sent"
	}
	return fmt.Sprintf("%d lines%s were left out: %s", lines, size, why)
}

// LinesBytes is how many bytes a batch has, with the ends of its lines.
func LinesBytes(in *waypointv1.PutLogsRequest) (size int64) {
	for _, l := range in.GetLines() {
		size += int64(len(l.GetText())) + 1
	}
	return size
}

// refuses counts a batch that comes while its instance was told to hold, or too fast; 0: neither is so.
func (q *Quota) refuses(instance string, lines, bytes int64, in *waypointv1.PutLogsRequest) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.db.Now()
	i := q.instances[instance]
	if i == nil {
		if len(q.instances) >= logAppsMost {
			clear(q.instances)
		}
		i = &instanceLogs{have: logBurst, at: now}
		q.instances[instance] = i
	}
	i.have = min(logBurst, i.have+int64(max(now.Sub(i.at), 0).Seconds()*logPerSecond))
	i.at = now
	if now.Before(i.until) || bytes > i.have {
		if !now.Before(i.until) {
			i.until = now.Add(holdRate)
		}
		i.lines, i.bytes = i.lines+lines+in.GetDropped(), i.bytes+bytes+in.GetDroppedBytes()
		return i.until.Sub(now)
	}
	i.have -= bytes
	return 0
}

// leftOut takes what was counted since the last batch. An instance whose batch is not kept is told to hold.
func (q *Quota) leftOut(instance string, kept bool) (lines, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := q.instances[instance]
	if i == nil {
		return 0, 0
	}
	if !kept {
		i.until = q.db.Now().Add(holdDay)
	}
	lines, bytes = i.lines, i.bytes
	i.lines, i.bytes = 0, 0
	return lines, bytes
}

type logCount struct {
	Bytes int64 `dynamodbav:"bytes"`
}

// ofToday counts bytes of logs of a deployment, and reports whether its app may still keep them today.
func (q *Quota) ofToday(ctx context.Context, deployment string, bytes int64) (bool, error) {
	if q.most < 0 {
		return true, nil
	}
	of, err := q.appOf(ctx, deployment)
	if err != nil {
		return false, err
	}
	now := q.db.Now().UTC()
	key := logAppDay{of[0], of[1], now.Format("20060102")}
	add, total := q.count(key, bytes, now)
	if add > 0 {
		item, err := q.db.Write(ctx, store.Update(store.LogCount(key.project, key.app, key.day),
			store.Set("SET #ttl = ? ADD #bytes ?", now.Add(logCountLife).Unix(), add)))
		if err != nil {
			q.giveBack(key, add)
			return false, err
		}
		var count logCount
		if err := store.Decode(item, &count); err != nil {
			return false, err
		}
		total = q.added(key, count.Bytes)
	}
	return total <= q.most, nil
}

// count adds to what a function counted; add is what is to be added to the table now.
func (q *Quota) count(key logAppDay, bytes int64, now time.Time) (add, total int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	d := q.days[key]
	if d == nil {
		if len(q.days) >= logAppsMost {
			clear(q.days)
		}
		d = &logDay{}
		q.days[key] = d
	}
	d.since += bytes
	if d.since < logCountBytes && now.Sub(d.added) < logCountEvery {
		return 0, d.total + d.since
	}
	add, d.since, d.added = d.since, 0, now
	return add, d.total + add
}

func (q *Quota) added(key logAppDay, total int64) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	d := q.days[key]
	if d == nil {
		return total
	}
	d.total = max(d.total, total)
	return d.total + d.since
}

func (q *Quota) giveBack(key logAppDay, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if d := q.days[key]; d != nil {
		d.since += bytes
	}
}

func (q *Quota) appOf(ctx context.Context, deployment string) ([2]string, error) {
	q.mu.Lock()
	of, known := q.apps[deployment]
	q.mu.Unlock()
	if known {
		return of, nil
	}
	record, err := q.records.ByID(ctx, records.Deployments, deployment)
	if err != nil {
		return of, err
	}
	meta := record.GetDeployment().GetMeta()
	of = [2]string{meta.GetProject(), meta.GetApp()}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.apps) >= logAppsMost {
		clear(q.apps)
	}
	q.apps[deployment] = of
	return of, nil
}
