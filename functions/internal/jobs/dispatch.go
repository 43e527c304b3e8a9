package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/runners"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Dispatcher finds jobs for which something is owed: for the sweep, and for runners that ask for work. It is safe for concurrent
// use.
type Dispatcher struct {
	db      *store.DB
	jobs    *Store
	runners *runners.Store
}

// NewDispatcher looks after the jobs of a store.
func NewDispatcher(s *Store) *Dispatcher { return &Dispatcher{db: s.db, jobs: s, runners: s.runners} }

// sweepItem is what the sweep remembers. Times are Unix milliseconds.
type sweepItem struct {
	// Alive is when the sweep last ran, or when a claim noticed that it had not.
	Alive int64 `dynamodbav:"alive"`
	// Spare is until when lapsed leases are left alone.
	Spare int64 `dynamodbav:"spare"`
}

// BeginSweep notes that the sweep runs. spared: the server was away, and lapsed leases are to be left alone, so that
// their runners can renew first.
func (dp *Dispatcher) BeginSweep(ctx context.Context) (spared bool, err error) {
	now := dp.db.Now()
	// A run on time, which nearly all are, costs this one write: what it must know is in the answer.
	item, err := dp.db.Write(ctx, store.Update(store.SweepState(), store.Set("SET #alive = ?, #"+store.AttrVersion+" = ?", now.UnixMilli(), store.SchemaVersion),
		store.If("#alive >= ?", now.Add(-job.SweepAway).UnixMilli())))
	var late *store.ConditionError
	if errors.As(err, &late) {
		return alive(ctx, dp.db, true)
	}
	if err != nil {
		return false, err
	}
	var s sweepItem
	if err := store.Decode(item, &s); err != nil {
		return false, err
	}
	return now.UnixMilli() < s.Spare, nil
}

// leasesSpared is what a claim asks when it meets a lapsed lease: it may be the first to notice that the server was away.
func leasesSpared(ctx context.Context, db *store.DB) (bool, error) {
	return alive(ctx, db, false)
}

// alive reads before it writes: how long the server was away decides what is written, in one write, so that no function
// can die between noticing and sparing.
func alive(ctx context.Context, db *store.DB, ran bool) (bool, error) {
	now := db.Now()
	var s sweepItem
	found, err := db.Get(ctx, store.SweepState(), true, &s)
	if err != nil {
		return false, err
	}
	if !found {
		s = sweepItem{Alive: now.UnixMilli()} // a new installation was not away
	}
	away := now.UnixMilli()-s.Alive > job.SweepAway.Milliseconds()
	if away {
		s.Spare = now.Add(job.SpareTime).UnixMilli()
	}
	if ran || away || !found {
		s.Alive = now.UnixMilli()
		// Two that write at once say the same.
		if err := db.Put(ctx, store.SweepState(), s); err != nil {
			return false, err
		}
	}
	return now.UnixMilli() < s.Spare, nil
}

// Due lists jobs for which something is owed by now, the longest overdue of each partition of the work index first,
// at most most from each.
func (dp *Dispatcher) Due(ctx context.Context, most int) ([]string, error) {
	partitions, err := dp.workPartitions(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, pk := range partitions {
		due, err := dp.dueIn(ctx, pk, most)
		if err != nil {
			return nil, err
		}
		ids = append(ids, due...)
	}
	return ids, nil
}

// dueIn lists at most most due jobs of one partition. Those that name a runner stand before the others, in the order of their
// runners: among them are some that are not due yet, which are passed over.
func (dp *Dispatcher) dueIn(ctx context.Context, pk string, most int) ([]string, error) {
	now := store.SortTime(dp.db.Now())
	in := store.Query{Index: store.Index2, PK: pk, SKTo: now + "~", Order: store.OldestFirst, Limit: most}
	var ids []string
	for {
		page, next, err := dp.db.Page(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, item := range page {
			if at, named := namedTime(store.StringOf(item, store.AttrSort2)); named && at > now {
				continue
			}
			ids = append(ids, jobIDOf(store.KeyOf(item)))
		}
		if next == "" || len(ids) >= most {
			return ids[:min(len(ids), most)], nil
		}
		in.Token = next
	}
}

// namedTime is the time in the entry of a job that names one runner.
func namedTime(sk string) (at string, named bool) {
	rest, named := strings.CutPrefix(sk, store.NamedMark)
	_, rest, _ = strings.Cut(rest, "#")
	at, _, _ = strings.Cut(rest, "#")
	return at, named
}

func jobIDOf(k store.Key) string {
	if len(k.PK) < 2 {
		return ""
	}
	return k.PK[2:]
}

// Sweep does what is due for one job: rows 15, 16, 17 and 18. What its decision owes is returned.
func (dp *Dispatcher) Sweep(ctx context.Context, id string, spared bool) (job.Decision, error) {
	m, err := dp.jobs.Meta(ctx, id)
	if err != nil {
		return job.Decision{}, err
	}
	if m.State.Ended() {
		return dp.jobs.settle(ctx, id)
	}
	if m.State == job.Running {
		return dp.leaseOver(ctx, id, spared)
	}
	d, err := dp.expire(ctx, id, spared)
	if err != nil || !d.Empty() {
		return d, err
	}
	if m.State == job.Ready {
		return dp.wakeAgain(ctx, id)
	}
	if d, err = dp.jobs.Advance(ctx, id); err != nil || !d.Empty() {
		return d, err
	}
	return dp.jobs.decide(ctx, func() (job.Decision, []store.Action, error) {
		m, err := dp.jobs.Meta(ctx, id)
		if err != nil {
			return job.Decision{}, nil, err
		}
		seen, err := dp.localRunnerSeen(ctx, m, spared)
		return job.PostponeLook(m, seen, dp.db.Now()), nil, err
	}, nil)
}

// leaseOver is row 15.
func (dp *Dispatcher) leaseOver(ctx context.Context, id string, spared bool) (job.Decision, error) {
	var f job.ClaimFacts
	d, err := dp.jobs.decide(ctx, func() (job.Decision, []store.Action, error) {
		m, err := dp.jobs.Meta(ctx, id)
		if err != nil {
			return job.Decision{}, nil, err
		}
		if f, _, err = dp.jobs.claimFacts(ctx, m); err != nil {
			return job.Decision{}, nil, err
		}
		f.Spared = spared
		return job.ExpireLease(f, dp.db.Now()), nil, nil
	}, nil)
	if err == nil && f.Lease != nil && f.Lease.Silent(dp.db.Now()) && !spared {
		err = dp.runners.NoteSilent(ctx, f.Lease.RunnerID, f.Lease.Until)
	}
	return d, err
}

// localRunnerSeen is when the runner of a local job that waits was seen last: at the job's queueing, if it never was. It is 0
// for other jobs, and after the server was away, when those who live have yet to say so.
func (dp *Dispatcher) localRunnerSeen(ctx context.Context, m job.Meta, spared bool) (int64, error) {
	if !m.Local || spared || (m.State != job.Blocked && m.State != job.Ready) {
		return 0, nil
	}
	r, found, err := dp.runners.Get(ctx, m.Target.RunnerID)
	if err != nil {
		return 0, err
	}
	if !found {
		return m.QueuedAt, nil
	}
	return r.Seen, nil
}

// expire is row 17.
func (dp *Dispatcher) expire(ctx context.Context, id string, spared bool) (job.Decision, error) {
	return dp.jobs.decide(ctx, func() (job.Decision, []store.Action, error) {
		f, err := dp.jobs.endFacts(ctx, id)
		if err != nil {
			return job.Decision{}, nil, err
		}
		if f.Seen, err = dp.localRunnerSeen(ctx, f.Meta, spared); err != nil {
			return job.Decision{}, nil, err
		}
		return job.Expire(f, dp.db.Now()), nil, nil
	}, nil)
}

// wakeAgain is row 16. The job is routed again: its pool may have died, or one that fits may have appeared.
func (dp *Dispatcher) wakeAgain(ctx context.Context, id string) (job.Decision, error) {
	return dp.jobs.decide(ctx, func() (job.Decision, []store.Action, error) {
		m, err := dp.jobs.Meta(ctx, id)
		if err != nil || m.State != job.Ready || m.Local {
			return job.Decision{}, nil, err
		}
		now := dp.db.Now()
		_, pool, err := dp.jobs.route(ctx, m, false, now)
		if err != nil {
			return job.Decision{}, nil, fmt.Errorf("routing job %s: %w", id, err)
		}
		return job.WakeAgainIfDue(m, pool, now), nil, nil
	}, nil)
}
