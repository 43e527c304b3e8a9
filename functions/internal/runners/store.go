// Package runners keeps the runners that registered, and their pools.
//
// It imports the kernel, the contract, package job (what the engine decides on) and package projects. Which jobs a runner may
// have is decided in package job and read in package jobs.
package runners

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
	"github.com/waypoint-serverless/waypoint/functions/internal/projects"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Store keeps runners and pools. It is safe for concurrent use.
type Store struct{ db *store.DB }

// New returns the runners of a table.
func New(db *store.DB) *Store { return &Store{db: db} }

// How long a runner that is not seen is remembered, and how seldom "last seen" is written.
const (
	runnerLife    = 24 * time.Hour
	cliRunnerLife = 24 * time.Hour
	seenAtMost    = 30 * time.Second
)

// Runner is a registered runner. Times are Unix milliseconds.
type Runner struct {
	ID          string            `dynamodbav:"id"`
	Name        string            `dynamodbav:"name"`
	Labels      map[string]string `dynamodbav:"labels,omitempty"`
	Projects    projects.Binding  `dynamodbav:"projects,omitempty"`
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

// Standing reports whether the runner takes jobs of its pool.
func (r Runner) Standing() bool {
	return r.Kind == int32(waypointv1.RunnerKind_RUNNER_KIND_STANDING)
}

// CLI reports whether the runner is a CLI's own, with the token of its user.
func (r Runner) CLI() bool { return r.Kind == int32(waypointv1.RunnerKind_RUNNER_KIND_CLI) }

// Facts are what the engine decides on. projects are those of the token that is used now: those that the runner
// registered with may be older.
func (r Runner) Facts(projects job.Projects) job.Runner {
	return job.Runner{ID: r.ID, Name: r.Name, Labels: r.Labels, Projects: projects, Standing: r.Standing(), Owner: r.Owner}
}

// Proto is the runner in the contract.
func (r Runner) Proto(now time.Time) *waypointv1.Runner {
	return &waypointv1.Runner{Id: r.ID, Name: r.Name, Labels: r.Labels, Kind: waypointv1.RunnerKind(r.Kind),
		RegisteredUnix: r.Registered / 1000, LastSeenUnixMs: r.Seen, Online: job.Online(r.Seen, now),
		Concurrency: int32(r.Concurrency), Running: int32(r.Running), Version: r.Version,
		Projects: r.Projects.Read().Names, AllProjects: r.Projects.Read().All}
}

// NotFound is the refusal for a runner that is not registered (any more), or not with the caller's token.
func NotFound(id string) *fault.Error {
	return fault.New(connect.CodeNotFound, fault.RunnerNotFound, "there is no runner %s", id).
		WithHint("A runner registers at its start: waypoint runner agent.").WithFact("runner_id", id)
}

// Pool is a pool of runners with equal labels and projects.
type Pool struct {
	Name     string            `dynamodbav:"name"`
	Labels   map[string]string `dynamodbav:"labels,omitempty"`
	Projects projects.Binding  `dynamodbav:"projects,omitempty"`
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
func (st *Store) Pools(ctx context.Context) ([]Pool, error) {
	items, err := st.db.All(ctx, store.Query{PK: store.PoolsPK, Order: store.OldestFirst})
	if err != nil {
		return nil, err
	}
	pools := make([]Pool, len(items))
	for i, item := range items {
		if err := store.Decode(item, &pools[i]); err != nil {
			return nil, fmt.Errorf("reading the pools: %w", err)
		}
	}
	return pools, nil
}

// PoolFacts are what the engine routes by.
func PoolFacts(pools []Pool) []job.Pool {
	out := make([]job.Pool, len(pools))
	for i, p := range pools {
		out[i] = job.Pool{Name: p.Name, Labels: p.Labels, Projects: p.Projects.Read(), Seen: p.Seen}
	}
	return out
}

// Put registers a runner, or registers it again; a runner id belongs to the token that registered it first. Its pool is
// made, or seen.
func (st *Store) Put(ctx context.Context, r Runner, queueURL string) (Runner, error) {
	now := st.db.Now()
	r.Registered, r.Seen = now.UnixMilli(), now.UnixMilli()
	r.TTL = now.Add(lifeOf(r)).Unix()
	r.Index1PK, r.Index1SK = store.RunnersIndex, strings.ToLower(r.Name)+"#"+r.ID
	if r.Standing() {
		r.Index2PK, r.Index2SK = store.PoolPK(r.Pool), store.PoolSort(r.ID, now)
	}
	var tx store.Tx
	tx.Add(store.Put(store.Runner(r.ID), r, store.If("attribute_not_exists(#pk) OR #owner = ? OR #ttl <= ?", r.Owner, now.Unix())).Named("runner"))
	if r.Standing() {
		tx.Add(store.Put(store.Pool(r.Pool), Pool{Name: r.Pool, Labels: r.Labels, Projects: r.Projects, Seen: r.Seen, QueueURL: queueURL}))
	}
	err := st.db.Transact(ctx, tx)
	if _, taken := store.Failed(err, "runner"); taken {
		return r, fault.New(connect.CodeAlreadyExists, fault.AlreadyExists, "runner id %s is registered with another token", r.ID).
			WithHint("Start the runner with an id of its own.")
	}
	return r, err
}

func lifeOf(r Runner) time.Duration {
	if r.Standing() {
		return runnerLife
	}
	return cliRunnerLife
}

// Get reads one runner strongly.
func (st *Store) Get(ctx context.Context, id string) (r Runner, found bool, err error) {
	found, err = st.db.Get(ctx, store.Runner(id), true, &r)
	return r, found, err
}

// NoteSeen notes that a runner lives, at most every 30 s, unless how many jobs it runs changed. found is false for one
// that is not registered.
func (st *Store) NoteSeen(ctx context.Context, id, owner string, running int64) (r Runner, found bool, err error) {
	r, found, err = st.Get(ctx, id)
	if err != nil || !found || r.Owner != owner {
		return r, false, err
	}
	now := st.db.Now()
	if now.UnixMilli()-r.Seen < seenAtMost.Milliseconds() && r.Running == running {
		return r, true, nil
	}
	change := store.Set("SET #seen = ?, #running = ?, #ttl = ?", now.UnixMilli(), running, now.Add(lifeOf(r)).Unix())
	if r.Standing() {
		change = store.Set(change.Text+", #"+store.AttrSort2+" = ?", append(change.Args, store.PoolSort(id, now))...)
	}
	err = st.db.Update(ctx, store.Runner(id), change, store.Exists())
	if err != nil {
		if _, gone := store.Failed(err, ""); gone {
			return r, false, nil
		}
		return r, false, err
	}
	r.Seen, r.Running = now.UnixMilli(), running
	if !r.Standing() {
		return r, true, nil
	}
	err = st.db.Update(ctx, store.Pool(r.Pool), store.Set("SET #seen = ?", now.UnixMilli()), store.If("attribute_exists(#pk) AND (attribute_not_exists(#seen) OR #seen < ?)", now.Add(-seenAtMost).UnixMilli()))
	if _, fresh := store.Failed(err, ""); fresh {
		err = nil
	}
	return r, true, err
}

// Drop removes a runner that stops, and lets its pool look as old as the runners that stay.
func (st *Store) Drop(ctx context.Context, id, owner string) error {
	r, found, err := st.Get(ctx, id)
	if err != nil || !found || r.Owner != owner {
		return err
	}
	if err := st.db.Delete(ctx, store.Runner(id), store.If("#owner = ?", owner)); err != nil {
		if _, gone := store.Failed(err, ""); gone {
			return nil
		}
		return err
	}
	if !r.Standing() {
		return nil
	}
	stay, err := st.InPool(ctx, r.Pool)
	if err != nil {
		return err
	}
	seen := int64(0)
	for _, other := range stay {
		if other.ID != id {
			seen = max(seen, other.Seen)
		}
	}
	if seen >= st.db.Now().Add(-job.OnlineFor).UnixMilli() {
		return nil
	}
	// Still the time at which the last one was seen, for people; but beyond what counts as online.
	gone := st.db.Now().Add(-job.OnlineFor).UnixMilli() - 1
	return st.db.Update(ctx, store.Pool(r.Pool), store.Set("SET #seen = ?", max(seen, gone)), store.Exists())
}

// InPool lists all runners of a pool that were seen lately, and of those that were not only some (eventually consistent).
func (st *Store) InPool(ctx context.Context, pool string) ([]Runner, error) {
	since := store.PoolSort("", st.db.Now().Add(-job.OnlineFor))
	page, err := st.db.All(ctx, store.Query{Index: store.Index2, PK: store.PoolPK(pool), SKFrom: since, Order: store.OldestFirst})
	if err != nil {
		return nil, err
	}
	return st.read(ctx, page)
}

// List lists all runners by name.
func (st *Store) List(ctx context.Context, size int, token string) (out []Runner, next string, err error) {
	q := store.Query{Index: store.Index1, PK: store.RunnersIndex, Order: store.OldestFirst, Token: token}
	next, err = st.db.List(ctx, q, size, nil, func(item store.Item) (bool, error) {
		var r Runner
		if err := store.Decode(item, &r); err != nil {
			return false, fmt.Errorf("reading the runners: %w", err)
		}
		out = append(out, r)
		return true, nil
	})
	return out, next, err
}

func (st *Store) read(ctx context.Context, page []store.Item) ([]Runner, error) {
	items, err := st.db.Hydrate(ctx, page)
	if err != nil {
		return nil, err
	}
	out := make([]Runner, len(items))
	for i, item := range items {
		if err := store.Decode(item, &out[i]); err != nil {
			return nil, fmt.Errorf("reading the runners: %w", err)
		}
	}
	return out, nil
}

// NoteSilent notes that a runner let a lease lapse that ended at until: it counts as gone, unless it has been seen since. Its
// next heartbeat brings it back.
func (st *Store) NoteSilent(ctx context.Context, id string, until int64) error {
	err := st.db.Update(ctx, store.Runner(id), store.Set("SET #seen = ?", int64(0)), store.If("#seen <= ?", until))
	if _, seen := store.Failed(err, ""); seen {
		return nil
	}
	return err
}
