package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/audit"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/projects"
	"github.com/waypoint-serverless/waypoint/functions/internal/runners"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// decideTries bounds how often a decision is made again because what it had read changed. Guards that fail mean that
// somebody else made progress.
const decideTries = 12

// decide reads, decides and commits, again and again while a guard fails. read returns the decision and further actions for
// its transaction. final says whether an error is an answer, not a reason to try again. The decision that was committed
// is returned (an empty one if there was nothing to do).
func (st *Store) decide(ctx context.Context, read func() (job.Decision, []store.Action, error), final func(error) bool) (job.Decision, error) {
	waits := store.Contention.Start()
	for try := 1; ; try++ {
		d, extra, err := read()
		if err != nil {
			return job.Decision{}, err
		}
		err = st.commit(ctx, d, extra...)
		if err == nil {
			return d, nil
		}
		var failed *store.ConditionError
		if !errors.As(err, &failed) || (final != nil && final(err)) {
			return job.Decision{}, err
		}
		if try == decideTries {
			return job.Decision{}, fault.New(connect.CodeAborted, fault.Conflict, "others kept changing the same job or lane").
				WithHint("Try again.").WithCause(err)
		}
		if try > 1 {
			if err := store.Pause(ctx, waits); err != nil {
				return job.Decision{}, err
			}
		}
	}
}

// NewJob is what queueing takes.
type NewJob struct {
	ID   string
	Spec *waypointv1.JobSpec
	// Owner and QueuedBy are the id and name of the token.
	Owner, QueuedBy string
	Intent          store.Intent
	// MayFollow reports whether whoever queues the job may read a project, and so let the job depend on jobs of it: a
	// dependency tells how that job ends, and leaves an edge with it. nil: every project.
	MayFollow func(project string) bool
	// Audit is written in the same transaction; nil for none.
	Audit *audit.Entry
}

// Queued is what queueing made, or found: an intent that was carried out before made Earlier, and nothing now.
type Queued struct {
	Meta    job.Meta
	Earlier string
	// Decision's messages and dependents are owed.
	Decision job.Decision
}

// Queue is rows 1 and 2.
func (st *Store) Queue(ctx context.Context, sealer store.Sealer, in NewJob) (Queued, error) {
	var out Queued
	body, parts, err := encodeBody(ctx, st.db, sealer, in.ID, in.Spec)
	if err != nil {
		return out, err
	}
	extra := append(parts, projects.MayWork(in.Spec.GetProject()).Named("project"))
	if app := in.Spec.GetApp(); app != "" {
		extra = append(extra, store.Check(store.App(in.Spec.GetProject(), app), store.Exists()).Named("app"))
	}
	read := func() (job.Decision, []store.Action, error) {
		now := st.db.Now()
		facts, err := st.enqueueFacts(ctx, in, now)
		if err != nil {
			return job.Decision{}, nil, err
		}
		facts.Body = body
		d, m := job.Queue(facts, now)
		out.Meta = m
		all := append(extra[:len(extra):len(extra)], store.Remember(in.Intent, map[string]string{"job": in.ID}, now)...)
		if in.Audit != nil {
			all = append(all, in.Audit.Record(now))
		}
		return d, all, nil
	}
	answers := []string{store.IdempotencyLabel, "project", "app"}
	out.Decision, err = st.decide(ctx, read, func(err error) bool {
		for _, label := range answers {
			if _, failed := store.Failed(err, label); failed {
				return true
			}
		}
		return false
	})
	if err == nil {
		return out, nil
	}
	if ids, repeated, reuse := store.Remembered(err, in.Intent); repeated || reuse != nil {
		return Queued{Earlier: ids["job"]}, reuse
	}
	if _, failed := store.Failed(err, "project"); failed {
		return out, projects.New(st.db).Unfit(ctx, in.Spec.GetProject())
	}
	if _, failed := store.Failed(err, "app"); failed {
		return out, projects.AppNotFound(in.Spec.GetProject(), in.Spec.GetApp())
	}
	return out, err
}

// enqueueFacts reads what queueing turns on, side by side.
func (st *Store) enqueueFacts(ctx context.Context, in NewJob, now time.Time) (job.Enqueue, error) {
	spec := in.Spec
	m := job.Meta{
		ID: in.ID, Project: spec.GetProject(), App: spec.GetApp(), Workspace: spec.GetWorkspace(),
		Operation: OperationName(spec.GetOperation()), Owner: in.Owner, QueuedBy: in.QueuedBy,
		Target:    job.Target{RunnerID: spec.GetTarget().GetRunnerId(), Labels: spec.GetTarget().GetLabels().GetLabels()},
		DependsOn: spec.GetDependsOn(), AllowFailure: spec.GetDependsOnAllowFailure(),
	}
	if laned(m.Operation) {
		m.Lane = store.LanePK(m.Project, m.App, m.Workspace)
	}
	if s := spec.GetExpiresInSeconds(); s > 0 {
		m.ExpiresAt = now.Add(time.Duration(s) * time.Second).UnixMilli()
	}
	if id := spec.GetSingletonId(); id != "" {
		sum := sha256.Sum256([]byte(m.Project + "\x00" + id))
		m.Singleton = hex.EncodeToString(sum[:16])
	}
	facts := job.Enqueue{}
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		m.Local, m.Pool, err = st.route(inner, m, spec.GetDataSource().GetLocal() != nil, now)
		return err
	})
	g.Go(func() (err error) {
		facts.States, err = st.states(inner, m.DependsOn, in.MayFollow)
		return err
	})
	g.Go(func() error {
		old, err := st.replaced(inner, m.Singleton)
		if err != nil {
			return err
		}
		facts.Replaces = old
		if old != nil && old.Lane != nil && old.Lane.Lane.Key == m.Lane {
			facts.Lane = old.Lane // one reading of a lane, else its version guards the wrong one
			return nil
		}
		facts.Lane, _, err = st.laneView(inner, job.Meta{ID: m.ID, Lane: m.Lane})
		return err
	})
	if err := g.Wait(); err != nil {
		return facts, err
	}
	facts.Job = m
	return facts, nil
}

// replaced reads the job that a singleton names.
func (st *Store) replaced(ctx context.Context, singleton string) (*job.Replaced, error) {
	if singleton == "" {
		return nil, nil
	}
	var named singletonItem
	found, err := st.db.Get(ctx, store.Singleton(singleton), true, &named)
	if err != nil || !found {
		return nil, err
	}
	m, err := st.Meta(ctx, named.JobID)
	if err != nil {
		return nil, err
	}
	r := &job.Replaced{Meta: m}
	if !m.State.Ended() {
		r.Lane, _, err = st.laneView(ctx, m)
	}
	return r, err
}

// route finds where a job is announced. A job with a local source, or for a runner that is not a standing one, is local: only
// that runner can run it, and it claims by id.
func (st *Store) route(ctx context.Context, m job.Meta, localSource bool, now time.Time) (local bool, pool string, err error) {
	if id := m.Target.RunnerID; id != "" {
		r, found, err := st.runners.Get(ctx, id)
		switch {
		case err != nil:
			return false, "", err
		case localSource || !found || !r.Standing():
			return true, "", nil
		}
		return false, r.Pool, nil
	}
	pools, err := st.runners.Pools(ctx)
	if err != nil {
		return false, "", err
	}
	return false, job.Route(m, runners.PoolFacts(pools), now), nil
}

// Follow does what is owed after decisions were committed: row 18 for each dependent of a job that ended, and for each job that was
// named. Jobs that end on the way are followed in turn, up to a bound; what is left over, the sweep does. It
// returns the messages that are owed.
func (st *Store) Follow(ctx context.Context, owed job.Decision) ([]job.WakeUp, error) {
	const most = 100
	var wakeUps []job.WakeUp
	ended, advance := owed.Dependents, owed.Advance
	for n := 0; n < most && len(ended)+len(advance) > 0; n++ {
		if len(advance) > 0 {
			id := advance[0]
			advance = advance[1:]
			d, err := st.Advance(ctx, id)
			if err != nil {
				return wakeUps, err
			}
			wakeUps, ended, advance = append(wakeUps, d.WakeUps...), append(ended, d.Dependents...), append(advance, d.Advance...)
			continue
		}
		id := ended[0]
		ended = ended[1:]
		d, err := st.settle(ctx, id)
		if err != nil {
			return wakeUps, err
		}
		wakeUps, ended, advance = append(wakeUps, d.WakeUps...), append(ended, d.Dependents...), append(advance, d.Advance...)
	}
	return wakeUps, nil
}

// settle advances every dependent of an ended job, and then takes the job out of the work index.
func (st *Store) settle(ctx context.Context, id string) (owed job.Decision, err error) {
	items, err := st.db.All(ctx, store.Query{PK: store.JobPK(id), SKPrefix: store.DependentPrefix, Order: store.OldestFirst, Consistent: true})
	if err != nil {
		return owed, err
	}
	for _, item := range items {
		d, err := st.Advance(ctx, store.StringOf(item, "job_id"))
		if err != nil {
			return owed, err
		}
		owed.WakeUps, owed.Dependents, owed.Advance = append(owed.WakeUps, d.WakeUps...), append(owed.Dependents, d.Dependents...), append(owed.Advance, d.Advance...)
	}
	_, err = st.decide(ctx, func() (job.Decision, []store.Action, error) {
		m, err := st.Meta(ctx, id)
		return job.Settled(m), nil, err
	}, nil)
	return owed, err
}

// Advance is row 18.
func (st *Store) Advance(ctx context.Context, id string) (job.Decision, error) {
	return st.decide(ctx, func() (job.Decision, []store.Action, error) {
		m, err := st.Meta(ctx, id)
		if err != nil || m.State != job.Blocked {
			return job.Decision{}, nil, err
		}
		f := job.AdvanceFacts{Meta: m}
		if f.Lane, f.First, err = st.laneView(ctx, m); err != nil {
			return job.Decision{}, nil, err
		}
		if f.Deps, err = st.dependencies(ctx, m); err != nil {
			return job.Decision{}, nil, err
		}
		return job.Advance(f, st.db.Now()), nil, nil
	}, nil)
}
