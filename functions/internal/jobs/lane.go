package jobs

import (
	"context"
	"fmt"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// laneView reads a lane as a job sees it: the lane and its first two waiters with one query, since the lane item sorts before
// them; then the state of the first waiter other than the job. first is the lowest waiter of all.
func (st *Store) laneView(ctx context.Context, m job.Meta) (view *job.LaneView, first *job.Waiter, err error) {
	if m.Lane == "" {
		return nil, nil, nil
	}
	items, err := st.db.First(ctx, store.Query{PK: m.Lane, Order: store.OldestFirst, Consistent: true}, 3)
	if err != nil {
		return nil, nil, err
	}
	view = &job.LaneView{Lane: job.Lane{Key: m.Lane}}
	for _, item := range items {
		if store.KeyOf(item) == store.Lane(m.Lane) {
			if view.Lane, err = decodeLane(item, m.Lane); err != nil {
				return nil, nil, fmt.Errorf("reading a lane: %w", err)
			}
			continue
		}
		var place waiterItem
		if err := store.Decode(item, &place); err != nil {
			return nil, nil, fmt.Errorf("reading a lane: %w", err)
		}
		w := job.Waiter(place)
		if first == nil {
			first = &w
		}
		if w.JobID != m.ID && view.Next == nil {
			view.Next = &job.NextWaiter{Waiter: w}
		}
	}
	// Only the end of the holder passes the lane on; nobody else needs to know how the next waiter stands.
	if view.Next == nil || view.Lane.Holder != m.ID {
		view.Next = nil
		return view, first, nil
	}
	n := view.Next
	if n.Meta, err = st.Meta(ctx, n.Waiter.JobID); err != nil {
		return nil, nil, err
	}
	if n.Deps, err = st.dependencies(ctx, n.Meta); err != nil {
		return nil, nil, err
	}
	return view, first, nil
}

func (st *Store) dependencies(ctx context.Context, m job.Meta) (job.Dependencies, error) {
	states, err := st.states(ctx, m.DependsOn, nil)
	if err != nil {
		return job.Dependencies{}, err
	}
	return job.SortDependencies(m, states), nil
}
