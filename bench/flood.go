package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// The flood is ten times what the throttles of the AWS template let through.
const (
	floodOfApps      = 5000 // calls a second
	floodOfStrangers = 1000
	floodCallers     = 32
)

// flood measures renewals of a lease while apps and strangers send ten times their throttles. The callers share this
// machine's processors with the server, so the figure is an upper bound of what the server alone would give.
func (b *bench) flood(ctx context.Context, n counts) error {
	s, err := b.newStack(ctx, "flood", "--throttle")
	if err != nil {
		return err
	}
	defer s.stop()
	fence, err := s.claimOne(ctx)
	if err != nil {
		return err
	}
	strangers, err := client.New(client.Options{Address: s.address(), Component: "bench"})
	if err != nil {
		return err
	}
	defer strangers.CloseIdle()

	floods, stop := context.WithCancel(ctx)
	defer stop()
	var callers errgroup.Group
	var sent atomic.Int64
	pour := func(perSecond rate.Limit, call func(context.Context) error) {
		limit := rate.NewLimiter(perSecond, floodCallers)
		for range floodCallers {
			callers.Go(func() error {
				for limit.Wait(floods) == nil {
					_ = call(client.WithMaxRetry(floods, 0)) // refused, most of them
					sent.Add(1)
				}
				return nil
			})
		}
	}
	pour(floodOfApps, func(ctx context.Context) error {
		_, err := strangers.Entrypoint.GetAppConfig(ctx, connect.NewRequest(&waypointv1.GetAppConfigRequest{}))
		return err
	})
	pour(floodOfStrangers, func(ctx context.Context) error {
		_, err := strangers.Job.ListJobs(ctx, connect.NewRequest(&waypointv1.ListJobsRequest{}))
		return err
	})

	begin := time.Now()
	var all []time.Duration
	for range n.latencies * 3 {
		t := time.Now()
		_, err := s.client.Agent.RenewLease(ctx, connect.NewRequest(&waypointv1.RenewLeaseRequest{Fence: fence}))
		if err != nil {
			return fmt.Errorf("renewing under the flood: %w", err)
		}
		all = append(all, time.Since(t))
	}
	perSecond := float64(sent.Load()) / time.Since(begin).Seconds()
	stop()
	if err := callers.Wait(); err != nil {
		return err
	}
	b.add("lease renewal under a flood of apps and strangers, p50 / p99", "", "p99 ≤ 1,000 ms",
		"%.1f / %.1f ms (%.0f calls/s beside it)", quantile(all, .5), quantile(all, .99), perSecond)
	return nil
}

// claimOne queues a job and claims it, as a runner would.
func (s *stack) claimOne(ctx context.Context) (*waypointv1.Fence, error) {
	if err := s.makeProject(ctx, project); err != nil {
		return nil, err
	}
	runner := ulid.Make().String()
	if _, err := s.client.Agent.Register(ctx, connect.NewRequest(&waypointv1.RegisterRequest{
		RunnerId: runner, Name: "bench", Kind: waypointv1.RunnerKind_RUNNER_KIND_CLI, Concurrency: 1,
	})); err != nil {
		return nil, err
	}
	id, err := s.queue(ctx, &waypointv1.JobSpec{
		Project: project, Operation: noop(),
		Target: &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: runner}},
	})
	if err != nil {
		return nil, err
	}
	claim, err := s.client.Agent.ClaimJob(ctx, connect.NewRequest(&waypointv1.ClaimJobRequest{
		RunnerId: runner, JobId: id, Nonce: ulid.Make().String(),
	}))
	if err != nil {
		return nil, err
	}
	return claim.Msg.GetFence(), nil
}
