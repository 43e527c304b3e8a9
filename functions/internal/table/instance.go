package table

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Instances are entrypoints that said that they run. They are listed while their logs are kept.
const (
	// InstanceLive is how long after its last word an instance counts as running.
	InstanceLive = 6 * time.Minute
	// InstanceBeat is how often an instance's word is written down: a fraction of InstanceLive.
	InstanceBeat = 4 * time.Minute
)

// InstanceInfo is one entrypoint of a deployment.
type InstanceInfo struct {
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
func (t *Table) SeeInstance(ctx context.Context, deployment, instance, version string) error {
	now := t.Now()
	err := t.Update(ctx, Instance(deployment, instance),
		Set("SET #id = ?, #registered = if_not_exists(#registered, ?), #seen = ?, #version = if_not_exists(#version, ?), #ttl = ?",
			instance, now.Unix(), now.Unix(), version, now.Add(logLife).Unix()))
	if err != nil {
		return err
	}
	return t.Put(ctx, InstanceSeen(deployment, instance, now), seenItem{ID: instance, TTL: now.Add(InstanceLive).Unix() + 1})
}

// ReportInstance notes what an instance says of itself; no problem takes the old ones away.
func (t *Table) ReportInstance(ctx context.Context, deployment, instance string, problems []string) error {
	now := t.Now()
	return t.Update(ctx, Instance(deployment, instance),
		Set("SET #id = ?, #registered = if_not_exists(#registered, ?), #seen = ?, #problems = ?, #ttl = ?",
			instance, now.Unix(), now.Unix(), problems, now.Add(logLife).Unix()))
}

// instancesMost bounds how many instances of a deployment are listed beside those that live. Each costs a reader of the logs a
// query a second.
const instancesMost = 50

// ListInstances lists the instances of a deployment whose logs are shown, newest first: all that live, and the newest of the
// others. Each restart of an app makes a new instance, so that an app that crashes again and again has thousands of them
// within a week: the newest say why.
func (t *Table) ListInstances(ctx context.Context, deployment string) ([]InstanceInfo, error) {
	live, err := t.liveInstances(ctx, deployment)
	if err != nil {
		return nil, err
	}
	items, err := t.QueryAll(ctx, QueryInput{PK: DeploymentPK(deployment), SKPrefix: InstancePrefix, Limit: instancesMost}, instancesMost)
	if err != nil {
		return nil, err
	}
	out := make([]InstanceInfo, 0, len(items)+len(live))
	listed := map[string]bool{}
	for _, item := range items[:min(len(items), instancesMost)] {
		var i InstanceInfo
		if err := Decode(item, &i); err != nil {
			return nil, err
		}
		listed[i.ID] = true
		out = append(out, i)
	}
	for id, seen := range live {
		if !listed[id] {
			out = append(out, InstanceInfo{ID: id, LastSeen: seen})
		}
	}
	slices.SortFunc(out, func(a, b InstanceInfo) int { return strings.Compare(b.ID, a.ID) })
	return out, nil
}

// LiveInstances lists the instances that said lately that they run.
func (t *Table) LiveInstances(ctx context.Context, deployment string) ([]InstanceInfo, error) {
	live, err := t.liveInstances(ctx, deployment)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, 0, len(live))
	for id := range live {
		keys = append(keys, Instance(deployment, id))
	}
	found, err := t.BatchGet(ctx, keys, false)
	if err != nil {
		return nil, err
	}
	out := make([]InstanceInfo, 0, len(found))
	for _, item := range found {
		var i InstanceInfo
		if err := Decode(item, &i); err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b InstanceInfo) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// liveInstances finds the instances that said lately that they run, and when each said so last (Unix seconds).
func (t *Table) liveInstances(ctx context.Context, deployment string) (map[string]int64, error) {
	items, err := t.QueryAll(ctx, QueryInput{
		PK: DeploymentPK(deployment), SKFrom: InstanceSeen(deployment, "", t.Now().Add(-InstanceLive)).SK,
		SKTo: InstanceSeen(deployment, "~", t.Now()).SK, Forward: true,
	}, 0)
	if err != nil {
		return nil, err
	}
	live := make(map[string]int64, len(items))
	for _, item := range items {
		var i seenItem
		if err := Decode(item, &i); err != nil {
			return nil, err
		}
		live[i.ID] = i.TTL - int64(InstanceLive.Seconds()) - 1
	}
	return live, nil
}

// CountLive counts the instances that said lately that they run.
func (t *Table) CountLive(ctx context.Context, deployment string) (int32, error) {
	live, err := t.liveInstances(ctx, deployment)
	return int32(len(live)), err
}
