package logs

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Instances are entrypoints that said that they run. They are listed while their logs are kept.
const (
	// InstanceLive is how long after its last word an instance counts as running.
	InstanceLive = 6 * time.Minute
	// HeartbeatInterval is how often the last contact with an instance is stored: a fraction of InstanceLive.
	HeartbeatInterval = 4 * time.Minute
)

// Instance is one entrypoint of a deployment.
type Instance struct {
	ID         string `dynamodbav:"id"`
	Registered int64  `dynamodbav:"registered"`
	LastSeen   int64  `dynamodbav:"seen"`
	Version    string `dynamodbav:"version,omitempty"`
	// Problems are what it reported last: sentences.
	Problems []string `dynamodbav:"problems,omitempty"`
	TTL      int64    `dynamodbav:"ttl"`
}

// seenItem stands in the list of the living, which is ordered by time: reading it costs what lives, not what ever did. An
// instance is in it once for each of its words.
type seenItem struct {
	ID  string `dynamodbav:"id"`
	TTL int64  `dynamodbav:"ttl"`
}

// SeeInstance notes that an instance runs; version is kept from the first word.
func (st *Store) SeeInstance(ctx context.Context, deployment, instance, version string) error {
	now := st.db.Now()
	err := st.db.Update(ctx, store.Instance(deployment, instance),
		store.Set("SET #id = ?, #registered = if_not_exists(#registered, ?), #seen = ?, #version = if_not_exists(#version, ?), #ttl = ?",
			instance, now.Unix(), now.Unix(), version, now.Add(logLife).Unix()))
	if err != nil {
		return err
	}
	return st.db.Put(ctx, store.InstanceSeen(deployment, instance, now), seenItem{ID: instance, TTL: now.Add(InstanceLive).Unix() + 1})
}

// ReportInstance notes what an instance says of itself; no problem takes the old ones away.
func (st *Store) ReportInstance(ctx context.Context, deployment, instance string, problems []string) error {
	now := st.db.Now()
	return st.db.Update(ctx, store.Instance(deployment, instance),
		store.Set("SET #id = ?, #registered = if_not_exists(#registered, ?), #seen = ?, #problems = ?, #ttl = ?",
			instance, now.Unix(), now.Unix(), problems, now.Add(logLife).Unix()))
}

// instancesMost bounds how many instances of a deployment are listed beside those that live. Each costs a reader of the logs a
// query a second.
const instancesMost = 50

// ListInstances lists the instances of a deployment whose logs are shown, newest first: all that live, and the newest of the
// others. Each restart of an app makes a new instance, so that an app that crashes again and again has thousands of them
// within a week: the newest say why.
func (st *Store) ListInstances(ctx context.Context, deployment string) ([]Instance, error) {
	live, err := st.liveInstances(ctx, deployment)
	if err != nil {
		return nil, err
	}
	items, err := st.db.First(ctx, store.Query{PK: store.DeploymentPK(deployment), SKPrefix: store.InstancePrefix, Order: store.NewestFirst}, instancesMost)
	if err != nil {
		return nil, err
	}
	out := make([]Instance, 0, len(items)+len(live))
	listed := map[string]bool{}
	for _, item := range items[:min(len(items), instancesMost)] {
		var i Instance
		if err := store.Decode(item, &i); err != nil {
			return nil, err
		}
		listed[i.ID] = true
		out = append(out, i)
	}
	for id, seen := range live {
		if !listed[id] {
			out = append(out, Instance{ID: id, LastSeen: seen})
		}
	}
	slices.SortFunc(out, func(a, b Instance) int { return strings.Compare(b.ID, a.ID) })
	return out, nil
}

// LiveInstances lists the instances that said lately that they run.
func (st *Store) LiveInstances(ctx context.Context, deployment string) ([]Instance, error) {
	live, err := st.liveInstances(ctx, deployment)
	if err != nil {
		return nil, err
	}
	keys := make([]store.Key, 0, len(live))
	for id := range live {
		keys = append(keys, store.Instance(deployment, id))
	}
	found, err := st.db.BatchGet(ctx, keys, false)
	if err != nil {
		return nil, err
	}
	out := make([]Instance, 0, len(found))
	for _, item := range found {
		var i Instance
		if err := store.Decode(item, &i); err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// liveInstances finds the instances that said lately that they run, and when each said so last (Unix seconds).
func (st *Store) liveInstances(ctx context.Context, deployment string) (map[string]int64, error) {
	items, err := st.db.All(ctx, store.Query{
		PK: store.DeploymentPK(deployment), SKFrom: store.InstanceSeen(deployment, "", st.db.Now().Add(-InstanceLive)).SK,
		SKTo: store.InstanceSeen(deployment, "~", st.db.Now()).SK, Order: store.OldestFirst,
	})
	if err != nil {
		return nil, err
	}
	live := make(map[string]int64, len(items))
	for _, item := range items {
		var i seenItem
		if err := store.Decode(item, &i); err != nil {
			return nil, err
		}
		live[i.ID] = i.TTL - int64(InstanceLive.Seconds()) - 1
	}
	return live, nil
}

// CountLive counts the instances that said lately that they run.
func (st *Store) CountLive(ctx context.Context, deployment string) (int32, error) {
	live, err := st.liveInstances(ctx, deployment)
	return int32(len(live)), err
}
