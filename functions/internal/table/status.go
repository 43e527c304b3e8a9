package table

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
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

// PutStatusReport keeps a report under the fence of the job that made it. Its time is the server's.
func (t *Table) PutStatusReport(ctx context.Context, fence Fence, report *waypointv1.StatusReport) error {
	report = proto.CloneOf(report)
	now := t.Now()
	report.TimeUnixMs = now.UnixMilli()
	body, err := proto.Marshal(report)
	if err != nil {
		return fmt.Errorf("storing the status report: %w", err)
	}
	tx := Tx{}
	tx.Add(FenceCheck(fence), Put(StatusReport(subject(report), now), statusItem{Body: body, TTL: now.Add(statusLife).Unix()}))
	return t.Transact(ctx, tx)
}

// LatestStatus is the newest report about a deployment or release; nil if there is none.
func (t *Table) LatestStatus(ctx context.Context, id string) (*waypointv1.StatusReport, error) {
	items, _, err := t.Query(ctx, QueryInput{PK: DeploymentPK(id), SKPrefix: StatusPrefix, Limit: 1, Consistent: true})
	if err != nil || len(items) == 0 {
		return nil, err
	}
	var item statusItem
	if err := Decode(items[0], &item); err != nil {
		return nil, err
	}
	report := &waypointv1.StatusReport{}
	if err := proto.Unmarshal(item.Body, report); err != nil {
		return nil, fmt.Errorf("reading the status report: %w", err)
	}
	return report, nil
}
