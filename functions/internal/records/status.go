package records

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/jobs"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// statusLife is how long a status report is kept.
const statusLife = 90 * 24 * time.Hour

type statusItem struct {
	// Body is a waypointv1.StatusReport.
	Body []byte `dynamodbav:"body"`
	TTL  int64  `dynamodbav:"ttl"`
}

// subject is what a report is about: a release, or else a deployment.
func subject(report *waypointv1.StatusReport) string {
	if id := report.GetReleaseId(); id != "" {
		return id
	}
	return report.GetDeploymentId()
}

// PutStatus keeps a report under the fence of the job that made it. Its time is the server's.
func (w *Writer) PutStatus(ctx context.Context, fence jobs.Fence, report *waypointv1.StatusReport) error {
	report = proto.CloneOf(report)
	now := w.db.Now()
	report.TimeUnixMs = now.UnixMilli()
	body, err := proto.Marshal(report)
	if err != nil {
		return fmt.Errorf("storing the status report: %w", err)
	}
	tx := store.Tx{}
	tx.Add(jobs.FenceCheck(fence), store.Put(store.StatusReport(subject(report), now), statusItem{Body: body, TTL: now.Add(statusLife).Unix()}))
	return w.db.Transact(ctx, tx)
}

// LatestStatus is the newest report about a deployment or release; nil if there is none.
func (st *Store) LatestStatus(ctx context.Context, id string) (*waypointv1.StatusReport, error) {
	items, err := st.db.First(ctx, store.Query{PK: store.DeploymentPK(id), SKPrefix: store.StatusPrefix, Consistent: true, Order: store.NewestFirst}, 1)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	var item statusItem
	if err := store.Decode(items[0], &item); err != nil {
		return nil, err
	}
	report := &waypointv1.StatusReport{}
	if err := proto.Unmarshal(item.Body, report); err != nil {
		return nil, fmt.Errorf("reading the status report: %w", err)
	}
	return report, nil
}
