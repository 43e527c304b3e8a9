package table

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
)

// sweepItem is what the sweep remembers. Times are Unix milliseconds.
type sweepItem struct {
	// Alive is when the sweep last ran, or when a claim noticed that it had not.
	Alive int64 `dynamodbav:"alive"`
	// Spare is until when lapsed leases are left alone.
	Spare int64 `dynamodbav:"spare"`
}

// BeginSweep notes that the sweep runs. spared: the server was away, and lapsed leases are to be left alone, so that
// their runners can renew first.
func (t *Table) BeginSweep(ctx context.Context) (spared bool, err error) {
	now := t.clock()
	// A run on time, which nearly all are, costs this one write: what it must know is in the answer.
	item, err := t.single(ctx, Update(SweepState(), Set("SET #alive = ?, #"+AttrVersion+" = ?", now.UnixMilli(), SchemaVersion),
		If("#alive >= ?", now.Add(-job.SweepAway).UnixMilli())))
	var late *ConditionError
	if errors.As(err, &late) {
		return alive(ctx, t, true)
	}
	if err != nil {
		return false, err
	}
	var s sweepItem
	if err := Decode(item, &s); err != nil {
		return false, err
	}
	return now.UnixMilli() < s.Spare, nil
}

// leasesSpared is what a claim asks when it meets a lapsed lease: it may be the first to notice that the server was away.
func leasesSpared(ctx context.Context, db *Table) (bool, error) {
	return alive(ctx, db, false)
}

// alive reads before it writes: how long the server was away decides what is written, in one write, so that no function
// can die between noticing and sparing.
func alive(ctx context.Context, db *Table, ran bool) (bool, error) {
	now := db.Now()
	var s sweepItem
	found, err := db.Get(ctx, SweepState(), true, &s)
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
		if err := db.Put(ctx, SweepState(), s); err != nil {
			return false, err
		}
	}
	return now.UnixMilli() < s.Spare, nil
}

// DueJobs lists jobs for which something is owed by now, the longest overdue of each partition of the work index first,
// at most most from each.
func (t *Table) DueJobs(ctx context.Context, most int) ([]string, error) {
	pools, err := t.Pools(ctx)
	if err != nil {
		return nil, err
	}
	partitions := []string{WorkIndex, PoolWork("")}
	for _, p := range pools {
		partitions = append(partitions, PoolWork(p.Name))
	}
	var ids []string
	for _, pk := range partitions {
		due, err := t.dueIn(ctx, pk, most)
		if err != nil {
			return nil, err
		}
		ids = append(ids, due...)
	}
	return ids, nil
}

// dueIn lists at most most due jobs of one partition. Those that name a runner stand before the others, in the order of their
// runners: among them are some that are not due yet, which are passed over.
func (t *Table) dueIn(ctx context.Context, pk string, most int) ([]string, error) {
	now := sortTime(t.clock())
	in := QueryInput{Index: Index2, PK: pk, SKTo: now + "~", Forward: true, Limit: most}
	var ids []string
	for {
		page, next, err := t.Query(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, item := range page {
			if at, named := namedTime(str(item, AttrSort2)); named && at > now {
				continue
			}
			ids = append(ids, jobIDOf(KeyOf(item)))
		}
		if next == "" || len(ids) >= most {
			return ids[:min(len(ids), most)], nil
		}
		in.Token = next
	}
}

// namedTime is the time in the entry of a job that names one runner.
func namedTime(sk string) (at string, named bool) {
	rest, named := strings.CutPrefix(sk, namedMark)
	_, rest, _ = strings.Cut(rest, "#")
	at, _, _ = strings.Cut(rest, "#")
	return at, named
}

func jobIDOf(k Key) string {
	if len(k.PK) < 2 {
		return ""
	}
	return k.PK[2:]
}

// SweepJob does what is due for one job: rows 15, 16, 17 and 18. What its decision owes is returned.
func (t *Table) SweepJob(ctx context.Context, id string, spared bool) (job.Decision, error) {
	m, err := t.JobMeta(ctx, id)
	if err != nil {
		return job.Decision{}, err
	}
	if m.State.Ended() {
		return t.settle(ctx, id)
	}
	if m.State == job.Running {
		return t.leaseOver(ctx, id, spared)
	}
	d, err := t.expire(ctx, id, spared)
	if err != nil || !d.Empty() {
		return d, err
	}
	if m.State == job.Ready {
		return t.ringAgain(ctx, id)
	}
	if d, err = t.AdvanceJob(ctx, id); err != nil || !d.Empty() {
		return d, err
	}
	return t.decide(ctx, func() (job.Decision, []TxAction, error) {
		m, err := t.JobMeta(ctx, id)
		if err != nil {
			return job.Decision{}, nil, err
		}
		seen, err := t.localRunnerSeen(ctx, m, spared)
		return job.LookAgain(m, seen, t.clock()), nil, err
	}, nil)
}

// leaseOver is row 15.
func (t *Table) leaseOver(ctx context.Context, id string, spared bool) (job.Decision, error) {
	var f job.ClaimFacts
	d, err := t.decide(ctx, func() (job.Decision, []TxAction, error) {
		m, err := t.JobMeta(ctx, id)
		if err != nil {
			return job.Decision{}, nil, err
		}
		if f, _, err = t.claimFacts(ctx, m); err != nil {
			return job.Decision{}, nil, err
		}
		f.Spared = spared
		return job.LeaseOver(f, t.clock()), nil, nil
	}, nil)
	if err == nil && f.Lease != nil && f.Lease.Silent(t.clock()) && !spared {
		err = t.runnerSilent(ctx, f.Lease.RunnerID, f.Lease.Until)
	}
	return d, err
}

// localRunnerSeen is when the runner of a local job that waits was seen last: at the job's queueing, if it never was. It is 0
// for other jobs, and after the server was away, when those who live have yet to say so.
func (t *Table) localRunnerSeen(ctx context.Context, m job.Meta, spared bool) (int64, error) {
	if !m.Local || spared || (m.State != job.Blocked && m.State != job.Ready) {
		return 0, nil
	}
	r, found, err := t.Runner(ctx, m.Target.RunnerID)
	if err != nil {
		return 0, err
	}
	if !found {
		return m.QueuedAt, nil
	}
	return r.Seen, nil
}

// expire is row 17.
func (t *Table) expire(ctx context.Context, id string, spared bool) (job.Decision, error) {
	return t.decide(ctx, func() (job.Decision, []TxAction, error) {
		f, err := t.endFacts(ctx, id)
		if err != nil {
			return job.Decision{}, nil, err
		}
		if f.Seen, err = t.localRunnerSeen(ctx, f.Meta, spared); err != nil {
			return job.Decision{}, nil, err
		}
		return job.Expire(f, t.clock()), nil, nil
	}, nil)
}

// ringAgain is row 16. The job is routed again: its pool may have died, or one that fits may have appeared.
func (t *Table) ringAgain(ctx context.Context, id string) (job.Decision, error) {
	return t.decide(ctx, func() (job.Decision, []TxAction, error) {
		m, err := t.JobMeta(ctx, id)
		if err != nil || m.State != job.Ready || m.Local {
			return job.Decision{}, nil, err
		}
		now := t.clock()
		_, pool, err := t.route(ctx, m, false, now)
		if err != nil {
			return job.Decision{}, nil, fmt.Errorf("routing job %s: %w", id, err)
		}
		return job.RingAgainIfDue(m, pool, now), nil, nil
	}, nil)
}

// Reroute rings READY jobs that had no pool, now that a pool has appeared or come back: at most most of those that one fits,
// whatever else waits. The sweep does the rest.
func (t *Table) Reroute(ctx context.Context, most int) ([]job.Ring, error) {
	_, entries, err := t.waitingApart(ctx, "")
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	pools, err := t.Pools(ctx)
	if err != nil {
		return nil, err
	}
	facts := poolFacts(pools)
	waiting, err := t.waiting(ctx, entries, func(m job.Meta) bool { return job.Route(m, facts, t.clock()) != "" })
	if err != nil {
		return nil, err
	}
	var rings []job.Ring
	for _, m := range waiting[:min(len(waiting), most)] {
		d, err := t.ringAgain(ctx, m.ID)
		if err != nil {
			return rings, err
		}
		rings = append(rings, d.Ring...)
	}
	return rings, nil
}
