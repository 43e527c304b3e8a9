package jobs

import (
	"context"
	"fmt"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Unfinished finds a job of a project that has not ended; ok is false if there is none. It reads the work index, in which every
// such job of every project stands, so it is for what happens seldom; the index lags, so a job that was queued this second may be
// missed.
func (dp *Dispatcher) Unfinished(ctx context.Context, project string) (m job.Meta, ok bool, err error) {
	partitions, err := dp.workPartitions(ctx)
	if err != nil {
		return m, false, err
	}
	for _, pk := range partitions {
		in := store.Query{Index: store.Index2, PK: pk, Order: store.OldestFirst}
		for {
			page, next, err := dp.db.Page(ctx, in)
			if err != nil {
				return m, false, err
			}
			if m, ok, err = dp.unfinishedIn(ctx, project, page); err != nil || ok {
				return m, ok, err
			}
			if next == "" {
				break
			}
			in.Token = next
		}
	}
	return m, false, nil
}

func (dp *Dispatcher) unfinishedIn(ctx context.Context, project string, page []store.Item) (m job.Meta, ok bool, err error) {
	items, err := dp.db.Hydrate(ctx, page)
	if err != nil {
		return m, false, err
	}
	for _, item := range items {
		if m, err = decodeMeta(item); err != nil {
			return m, false, fmt.Errorf("looking for jobs of %s: %w", project, err)
		}
		if m.Project == project && !m.State.Ended() {
			return m, true, nil
		}
	}
	return m, false, nil
}

// workPartitions are those of the work index.
func (dp *Dispatcher) workPartitions(ctx context.Context) ([]string, error) {
	pools, err := dp.runners.Pools(ctx)
	if err != nil {
		return nil, err
	}
	partitions := []string{store.WorkIndex, store.PoolWork("")}
	for _, p := range pools {
		partitions = append(partitions, store.PoolWork(p.Name))
	}
	return partitions, nil
}
