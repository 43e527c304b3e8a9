package table

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
)

// How long a runner that is not seen is remembered, and how seldom "last seen" is written.
const (
	runnerLife    = 24 * time.Hour
	cliRunnerLife = 24 * time.Hour
	seenAtMost    = 30 * time.Second
)

// RunnerItem is a registered runner. Times are Unix milliseconds.
type RunnerItem struct {
	ID          string            `dynamodbav:"id"`
	Name        string            `dynamodbav:"name"`
	Labels      map[string]string `dynamodbav:"labels,omitempty"`
	Projects    StoredProjects    `dynamodbav:"projects,omitempty"`
	Kind        int32             `dynamodbav:"kind"`
	Pool        string            `dynamodbav:"pool,omitempty"`
	Owner       string            `dynamodbav:"owner"`
	Concurrency int64             `dynamodbav:"concurrency"`
	Running     int64             `dynamodbav:"running,omitempty"`
	Version     string            `dynamodbav:"version,omitempty"`
	Registered  int64             `dynamodbav:"registered"`
	Seen        int64             `dynamodbav:"seen"`
	TTL         int64             `dynamodbav:"ttl"`
	Index1PK    string            `dynamodbav:"gsi1pk"`
	Index1SK    string            `dynamodbav:"gsi1sk"`
	Index2PK    string            `dynamodbav:"gsi2pk,omitempty"`
	Index2SK    string            `dynamodbav:"gsi2sk,omitempty"`
}

// Standing says whether the runner takes jobs of its pool.
func (r RunnerItem) Standing() bool {
	return r.Kind == int32(waypointv1.RunnerKind_RUNNER_KIND_STANDING)
}

// CLI reports whether the runner is a CLI's own, with the token of its user.
func (r RunnerItem) CLI() bool { return r.Kind == int32(waypointv1.RunnerKind_RUNNER_KIND_CLI) }

// facts are what the engine decides on. projects are those of the token that is used now: those that the runner
// registered with may be older.
func (r RunnerItem) facts(projects job.Projects) job.Runner {
	return job.Runner{ID: r.ID, Name: r.Name, Labels: r.Labels, Projects: projects, Standing: r.Standing(), Owner: r.Owner}
}

// Proto is the runner in the contract.
func (r RunnerItem) Proto(now time.Time) *waypointv1.Runner {
	return &waypointv1.Runner{Id: r.ID, Name: r.Name, Labels: r.Labels, Kind: waypointv1.RunnerKind(r.Kind),
		RegisteredUnix: r.Registered / 1000, LastSeenUnixMs: r.Seen, Online: job.Online(r.Seen, now),
		Concurrency: int32(r.Concurrency), Running: int32(r.Running), Version: r.Version,
		Projects: r.Projects.Read().Names, AllProjects: r.Projects.Read().All}
}

// RunnerNotFound is the refusal for a runner that is not registered (any more), or not with the caller's token.
func RunnerNotFound(id string) *fault.Error {
	return fault.New(connect.CodeNotFound, fault.RunnerNotFound, "there is no runner %s", id).
		WithHint("A runner registers at its start: waypoint runner agent.").WithFact("runner_id", id)
}

// PoolItem is a pool of runners with equal labels and projects.
type PoolItem struct {
	Name     string            `dynamodbav:"name"`
	Labels   map[string]string `dynamodbav:"labels,omitempty"`
	Projects StoredProjects    `dynamodbav:"projects,omitempty"`
	Seen     int64             `dynamodbav:"seen,omitempty"`
	QueueURL string            `dynamodbav:"queue_url"`
}

// PoolName is the name of the pool of runners with these labels and projects: a hash, since labels may hold any
// characters. Runners of different projects share no pool: each would take, and throw away, wake-up messages for jobs
// that only the other may claim. The name for all projects is that of labels alone, as pools were before.
func PoolName(labels map[string]string, projects job.Projects) string {
	keys := make([]string, 0, len(labels))
	for k := range labels {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	h := sha256.New()
	for _, k := range keys {
		_, _ = fmt.Fprintf(h, "%q=%q\n", k, labels[k])
	}
	if !projects.All {
		for _, name := range slices.Sorted(slices.Values(projects.Names)) {
			_, _ = fmt.Fprintf(h, "project %q\n", name)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Pools reads all pools with one query.
func (t *Table) Pools(ctx context.Context) ([]PoolItem, error) {
	items, err := t.QueryAll(ctx, QueryInput{PK: PoolsPK, Forward: true}, 0)
	if err != nil {
		return nil, err
	}
	pools := make([]PoolItem, len(items))
	for i, item := range items {
		if err := Decode(item, &pools[i]); err != nil {
			return nil, fmt.Errorf("reading the pools: %w", err)
		}
	}
	return pools, nil
}

func poolFacts(pools []PoolItem) []job.Pool {
	out := make([]job.Pool, len(pools))
	for i, p := range pools {
		out[i] = job.Pool{Name: p.Name, Labels: p.Labels, Projects: p.Projects.Read(), Seen: p.Seen}
	}
	return out
}

// PutRunner registers a runner, or registers it again; a runner id belongs to the token that registered it first. Its pool is
// made, or seen.
func (t *Table) PutRunner(ctx context.Context, r RunnerItem, queueURL string) (RunnerItem, error) {
	now := t.clock()
	r.Registered, r.Seen = now.UnixMilli(), now.UnixMilli()
	r.TTL = now.Add(lifeOf(r)).Unix()
	r.Index1PK, r.Index1SK = RunnersIndex, strings.ToLower(r.Name)+"#"+r.ID
	if r.Standing() {
		r.Index2PK, r.Index2SK = PoolPK(r.Pool), PoolSort(r.ID, now)
	}
	var tx Tx
	tx.Add(Put(Runner(r.ID), r, If("attribute_not_exists(#pk) OR #owner = ? OR #ttl <= ?", r.Owner, now.Unix())).Named("runner"))
	if r.Standing() {
		tx.Add(Put(Pool(r.Pool), PoolItem{Name: r.Pool, Labels: r.Labels, Projects: r.Projects, Seen: r.Seen, QueueURL: queueURL}))
	}
	err := t.Transact(ctx, tx)
	if _, taken := Failed(err, "runner"); taken {
		return r, fault.New(connect.CodeAlreadyExists, fault.AlreadyExists, "runner id %s is registered with another token", r.ID).
			WithHint("Start the runner with an id of its own.")
	}
	return r, err
}

func lifeOf(r RunnerItem) time.Duration {
	if r.Standing() {
		return runnerLife
	}
	return cliRunnerLife
}

// Runner reads one runner strongly.
func (t *Table) Runner(ctx context.Context, id string) (r RunnerItem, found bool, err error) {
	found, err = t.Get(ctx, Runner(id), true, &r)
	return r, found, err
}

// SeeRunner notes that a runner lives, at most every 30 s, unless how many jobs it runs changed. found is false for one
// that is not registered.
func (t *Table) SeeRunner(ctx context.Context, id, owner string, running int64) (r RunnerItem, found bool, err error) {
	r, found, err = t.Runner(ctx, id)
	if err != nil || !found || r.Owner != owner {
		return r, false, err
	}
	now := t.clock()
	if now.UnixMilli()-r.Seen < seenAtMost.Milliseconds() && r.Running == running {
		return r, true, nil
	}
	change := Set("SET #seen = ?, #running = ?, #ttl = ?", now.UnixMilli(), running, now.Add(lifeOf(r)).Unix())
	if r.Standing() {
		change = Set(change.Text+", #"+AttrSort2+" = ?", append(change.Args, PoolSort(id, now))...)
	}
	err = t.Update(ctx, Runner(id), change, Exists())
	if err != nil {
		if _, gone := Failed(err, ""); gone {
			return r, false, nil
		}
		return r, false, err
	}
	r.Seen, r.Running = now.UnixMilli(), running
	if !r.Standing() {
		return r, true, nil
	}
	err = t.Update(ctx, Pool(r.Pool), Set("SET #seen = ?", now.UnixMilli()), If("attribute_exists(#pk) AND (attribute_not_exists(#seen) OR #seen < ?)", now.Add(-seenAtMost).UnixMilli()))
	if _, fresh := Failed(err, ""); fresh {
		err = nil
	}
	return r, true, err
}

// DropRunner removes a runner that stops, and lets its pool look as old as the runners that stay.
func (t *Table) DropRunner(ctx context.Context, id, owner string) error {
	r, found, err := t.Runner(ctx, id)
	if err != nil || !found || r.Owner != owner {
		return err
	}
	if err := t.Delete(ctx, Runner(id), If("#owner = ?", owner)); err != nil {
		if _, gone := Failed(err, ""); gone {
			return nil
		}
		return err
	}
	if !r.Standing() {
		return nil
	}
	stay, err := t.PoolRunners(ctx, r.Pool)
	if err != nil {
		return err
	}
	seen := int64(0)
	for _, other := range stay {
		if other.ID != id {
			seen = max(seen, other.Seen)
		}
	}
	if seen >= t.clock().Add(-job.OnlineFor).UnixMilli() {
		return nil
	}
	// Still the time at which the last one was seen, for people; but beyond what counts as online.
	gone := t.clock().Add(-job.OnlineFor).UnixMilli() - 1
	return t.Update(ctx, Pool(r.Pool), Set("SET #seen = ?", max(seen, gone)), Exists())
}

// PoolRunners lists all runners of a pool that were seen lately, and of those that were not only some (eventually consistent).
func (t *Table) PoolRunners(ctx context.Context, pool string) ([]RunnerItem, error) {
	since := PoolSort("", t.clock().Add(-job.OnlineFor))
	page, err := t.QueryAll(ctx, QueryInput{Index: Index2, PK: PoolPK(pool), SKFrom: since, Forward: true}, 0)
	if err != nil {
		return nil, err
	}
	return t.runners(ctx, page)
}

// Runners lists all runners by name.
func (t *Table) Runners(ctx context.Context, size int, token string) ([]RunnerItem, string, error) {
	page, next, err := t.Query(ctx, QueryInput{Index: Index1, PK: RunnersIndex, Forward: true, Limit: size, Token: token})
	if err != nil {
		return nil, "", err
	}
	out, err := t.runners(ctx, page)
	return out, next, err
}

func (t *Table) runners(ctx context.Context, page []Item) ([]RunnerItem, error) {
	items, err := t.Hydrate(ctx, page)
	if err != nil {
		return nil, err
	}
	out := make([]RunnerItem, len(items))
	for i, item := range items {
		if err := Decode(item, &out[i]); err != nil {
			return nil, fmt.Errorf("reading the runners: %w", err)
		}
	}
	return out, nil
}

// waitingLook is how many index entries of waiting jobs one beat looks at; an entry is a key, so that they cost 3 read units.
const waitingLook = 250

// WaitingJobs finds READY jobs that a runner may claim, whose token is bound to projects: at most most of them: first those that name it, then its pool's, then
// those that no pool fitted; in each the oldest first, however often a job was offered before.
func (t *Table) WaitingJobs(ctx context.Context, r RunnerItem, projects job.Projects, most int) ([]job.Meta, error) {
	named, unrouted, err := t.waitingApart(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	pool, _, err := t.Query(ctx, QueryInput{Index: Index2, PK: PoolWork(r.Pool), Forward: true, Limit: waitingLook})
	if err != nil {
		return nil, err
	}
	var out []job.Meta
	runner := r.facts(projects)
	for _, entries := range [][]Item{named, pool, unrouted} {
		sort.Slice(entries, func(i, j int) bool { return KeyOf(entries[i]).PK < KeyOf(entries[j]).PK }) // ids begin with their time
		for len(entries) > 0 && len(out) < most {
			n := min(len(entries), 2*(most-len(out)))
			found, err := t.waiting(ctx, entries[:n], runner.Fits)
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
func (t *Table) waitingApart(ctx context.Context, runner string) (named, unrouted []Item, err error) {
	in := QueryInput{Index: Index2, PK: PoolWork(""), Forward: true, Limit: waitingLook}
	page, more, err := t.Query(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	for _, item := range page {
		switch sk := str(item, AttrSort2); {
		case strings.HasPrefix(sk, NamedPrefix(runner)):
			named = append(named, item)
		case !strings.HasPrefix(sk, namedMark):
			unrouted = append(unrouted, item)
		}
	}
	if more == "" {
		return named, unrouted, nil
	}
	own, rest := in, in
	own.SKPrefix, rest.SKFrom = NamedPrefix(runner), "0"
	if named, _, err = t.Query(ctx, own); err == nil {
		unrouted, _, err = t.Query(ctx, rest)
	}
	return named, unrouted, err
}

// waiting reads the jobs of some entries and keeps those that are READY and fit.
func (t *Table) waiting(ctx context.Context, entries []Item, fit func(job.Meta) bool) ([]job.Meta, error) {
	items, err := t.Hydrate(ctx, entries)
	if err != nil {
		return nil, err
	}
	var out []job.Meta
	for _, item := range items {
		var m job.Meta
		if err := Decode(item, &m); err != nil {
			return nil, fmt.Errorf("reading the waiting jobs: %w", err)
		}
		if m.State == job.Ready && fit(m) {
			out = append(out, m)
		}
	}
	return out, nil
}

// runnerSilent notes that a runner let a lease lapse that ended at until: it counts as gone, unless it has been seen since. Its
// next beat brings it back.
func (t *Table) runnerSilent(ctx context.Context, id string, until int64) error {
	err := t.Update(ctx, Runner(id), Set("SET #seen = ?", int64(0)), If("#seen <= ?", until))
	if _, seen := Failed(err, ""); seen {
		return nil
	}
	return err
}
