package jobs

import (
	"context"

	"golang.org/x/sync/errgroup"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/runners"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// WhyNot says why a job is not running, or does not get on: nil for one that runs or has ended. It reads two to five
// items. lease is the job's, nil if it was never claimed.
func (st *Store) WhyNot(ctx context.Context, m job.Meta, lease *job.Lease) (*waypointv1.WhyNot, error) {
	w := job.Waiting{Meta: m, Lease: lease}
	g, inner := errgroup.WithContext(ctx)
	switch {
	case m.State == job.Blocked:
		g.Go(func() (err error) {
			w.Deps, err = st.dependencies(inner, m)
			return err
		})
		g.Go(func() error { return holderOf(inner, st.db, m, &w) })
	case m.State == job.Ready && !m.Local:
		g.Go(func() error {
			pools, err := st.runners.Pools(inner)
			w.Pools = runners.PoolFacts(pools)
			return err
		})
		g.Go(func() error { return st.runnersFor(inner, m, &w) })
	case m.State == job.Running && lease != nil && lease.Silent(st.db.Now()):
		g.Go(func() (err error) {
			w.Steps, err = st.steps(inner, m.ID)
			return err
		})
		if !m.Local {
			g.Go(func() error { return st.runnersFor(inner, m, &w) })
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r, ok := job.WhyNot(w, st.db.Now())
	if !ok {
		return nil, nil
	}
	return &waypointv1.WhyNot{Reason: string(r.Reason), Message: r.Message, JobId: r.JobID}, nil
}

func holderOf(ctx context.Context, db *store.DB, m job.Meta, w *job.Waiting) error {
	if m.Lane == "" {
		return nil
	}
	read := laneItem{Key: m.Lane}
	found, err := db.Get(ctx, store.Lane(m.Lane), false, &read)
	if err != nil || !found {
		return err
	}
	lane := job.Lane(read)
	w.Lane = &lane
	if lane.Holder == "" || lane.Holder == m.ID {
		return nil
	}
	var of metaItem
	found, err = db.Get(ctx, store.JobMeta(lane.Holder), false, &of)
	if err != nil || !found {
		return err
	}
	holder := of.meta()
	w.Holder = &holder
	return nil
}

func (st *Store) runnersFor(ctx context.Context, m job.Meta, w *job.Waiting) error {
	var runners []runners.Runner
	if id := m.Target.RunnerID; id != "" {
		r, found, err := st.runners.Get(ctx, id)
		if err != nil {
			return err
		}
		if found && job.Online(r.Seen, st.db.Now()) {
			runners = append(runners, r)
		}
	} else if m.Pool != "" {
		var err error
		if runners, err = st.runners.InPool(ctx, m.Pool); err != nil {
			return err
		}
	}
	for _, r := range runners {
		w.Runners = append(w.Runners, job.RunnerView{ID: r.ID, Name: r.Name, Projects: r.Projects.Read(), Concurrency: r.Concurrency, Running: r.Running, Seen: r.Seen})
	}
	return nil
}
