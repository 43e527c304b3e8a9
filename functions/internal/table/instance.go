package table

import (
	"context"
	"slices"
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
	TTL        int64  `dynamodbav:"ttl"`
}

// SeeInstance notes that an instance runs; version is kept from the first word.
func (t *Table) SeeInstance(ctx context.Context, deployment, instance, version string) error {
	now := t.Now()
	return t.Update(ctx, Instance(deployment, instance),
		Set("SET #id = ?, #registered = if_not_exists(#registered, ?), #seen = ?, #version = if_not_exists(#version, ?), #ttl = ?",
			instance, now.Unix(), now.Unix(), version, now.Add(logLife).Unix()))
}

// ReportInstance notes what an instance says of itself; no problem takes the old ones away.
func (t *Table) ReportInstance(ctx context.Context, deployment, instance string, problems []string) error {
	now := t.Now()
	return t.Update(ctx, Instance(deployment, instance),
		Set("SET #id = ?, #registered = if_not_exists(#registered, ?), #seen = ?, #problems = ?, #ttl = ?",
			instance, now.Unix(), now.Unix(), problems, now.Add(logLife).Unix()))
}

// instancesMost bounds how many instances of a deployment are looked at.
const instancesMost = 1000

// ListInstances lists the instances of a deployment that wrote lately, oldest first.
func (t *Table) ListInstances(ctx context.Context, deployment string) ([]InstanceInfo, error) {
	items, err := t.QueryAll(ctx, QueryInput{PK: DeploymentPK(deployment), SKPrefix: InstancePrefix, Forward: true, Limit: instancesMost}, instancesMost)
	if err != nil {
		return nil, err
	}
	out := make([]InstanceInfo, len(items))
	for i, item := range items {
		if err := Decode(item, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// LiveInstances lists the instances that said lately that they run.
func (t *Table) LiveInstances(ctx context.Context, deployment string) ([]InstanceInfo, error) {
	all, err := t.ListInstances(ctx, deployment)
	if err != nil {
		return nil, err
	}
	oldest := t.Now().Add(-InstanceLive).Unix()
	return slices.DeleteFunc(all, func(i InstanceInfo) bool { return i.LastSeen < oldest }), nil
}

// CountLive counts the instances that said lately that they run.
func (t *Table) CountLive(ctx context.Context, deployment string) (int32, error) {
	live, err := t.LiveInstances(ctx, deployment)
	return int32(len(live)), err //nolint:gosec // at most instancesMost
}
