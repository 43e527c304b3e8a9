package jobs

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/runners"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// waitingLook is how many index entries of waiting jobs one beat looks at; an entry is a key, so that they cost 3 read units.
const waitingLook = 250

// Waiting finds READY jobs that a runner may claim, whose token is bound to projects: at most most of them: first those that name it, then its pool's, then
// those that no pool fitted; in each the oldest first, however often a job was offered before.
func (dp *Dispatcher) Waiting(ctx context.Context, r runners.Runner, projects job.Projects, most int) ([]job.Meta, error) {
	named, unrouted, err := dp.waitingApart(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	pool, err := dp.db.First(ctx, store.Query{Index: store.Index2, PK: store.PoolWork(r.Pool), Order: store.OldestFirst}, waitingLook)
	if err != nil {
		return nil, err
	}
	var out []job.Meta
	runner := r.Facts(projects)
	for _, entries := range [][]store.Item{named, pool, unrouted} {
		sort.Slice(entries, func(i, j int) bool { return store.KeyOf(entries[i]).PK < store.KeyOf(entries[j]).PK }) // ids begin with their time
		for len(entries) > 0 && len(out) < most {
			n := min(len(entries), 2*(most-len(out)))
			found, err := dp.readWaiting(ctx, entries[:n], runner.Fits)
			if err != nil {
				return nil, err
			}
			out = append(out, found[:min(len(found), most-len(out))]...)
			entries = entries[n:]
		}
	}
	return out, nil
}

// waitingApart reads the entries of the READY jobs that name a runner, and of those that no pool fitted. They share a
// partition, so that mostly one query tells that there is neither.
func (dp *Dispatcher) waitingApart(ctx context.Context, runner string) (named, unrouted []store.Item, err error) {
	in := store.Query{Index: store.Index2, PK: store.PoolWork(""), Order: store.OldestFirst, Limit: waitingLook}
	page, more, err := dp.db.Page(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	for _, item := range page {
		switch sk := store.StringOf(item, store.AttrSort2); {
		case strings.HasPrefix(sk, store.NamedPrefix(runner)):
			named = append(named, item)
		case !strings.HasPrefix(sk, store.NamedMark):
			unrouted = append(unrouted, item)
		}
	}
	if more == "" {
		return named, unrouted, nil
	}
	own, rest := in, in
	own.SKPrefix, rest.SKFrom = store.NamedPrefix(runner), "0"
	if named, _, err = dp.db.Page(ctx, own); err == nil {
		unrouted, _, err = dp.db.Page(ctx, rest)
	}
	return named, unrouted, err
}

// readWaiting reads the jobs of some entries and keeps those that are READY and fit.
func (dp *Dispatcher) readWaiting(ctx context.Context, entries []store.Item, fit func(job.Meta) bool) ([]job.Meta, error) {
	items, err := dp.db.Hydrate(ctx, entries)
	if err != nil {
		return nil, err
	}
	var out []job.Meta
	for _, item := range items {
		m, err := decodeMeta(item)
		if err != nil {
			return nil, fmt.Errorf("reading the waiting jobs: %w", err)
		}
		if m.State == job.Ready && fit(m) {
			out = append(out, m)
		}
	}
	return out, nil
}

// Reroute announces READY jobs that had no pool, now that a pool has appeared or come back: at most most of those that one fits,
// whatever else waits. The sweep does the rest.
func (dp *Dispatcher) Reroute(ctx context.Context, most int) ([]job.WakeUp, error) {
	_, entries, err := dp.waitingApart(ctx, "")
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	pools, err := dp.runners.Pools(ctx)
	if err != nil {
		return nil, err
	}
	facts := runners.PoolFacts(pools)
	waiting, err := dp.readWaiting(ctx, entries, func(m job.Meta) bool { return job.Route(m, facts, dp.db.Now()) != "" })
	if err != nil {
		return nil, err
	}
	var wakeUps []job.WakeUp
	for _, m := range waiting[:min(len(waiting), most)] {
		d, err := dp.wakeAgain(ctx, m.ID)
		if err != nil {
			return wakeUps, err
		}
		wakeUps = append(wakeUps, d.WakeUps...)
	}
	return wakeUps, nil
}
