package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

const project = "bench"

func (b *bench) binaries(ctx context.Context, n counts) error {
	size := func(name string) float64 {
		info, err := os.Stat(filepath.Join(b.bin, name))
		if err != nil {
			return 0
		}
		return float64(info.Size()) / (1 << 20)
	}
	b.add("CLI binary / entrypoint binary", "127 / 85 MB", "≤ 60 / ≤ 12 MB", "%.0f / %.0f MB", size("waypoint"), size("waypoint-entrypoint"))
	s, err := b.newStack(ctx, "cli")
	if err != nil {
		return err
	}
	defer s.stop()
	var version, list []time.Duration
	var peak int64
	for range n.processes {
		_, v, m1, err := s.waypoint(ctx, s.dir, "version")
		if err != nil {
			return err
		}
		_, l, m2, err := s.waypoint(ctx, s.dir, "project", "list")
		if err != nil {
			return err
		}
		version, list, peak = append(version, v), append(list, l), max(peak, m1, m2)
	}
	b.add("version / project list, whole process, p50", "83 / 89 ms", "≤ 25 / ≤ 35 ms", "%.0f / %.0f ms", quantile(version, .5), quantile(list, .5))
	b.add("CLI peak memory (version, project list)", "103 MB", "≤ 40 MB", "%.0f MB", float64(peak)/(1<<20))
	return nil
}

func (b *bench) server(ctx context.Context, n counts) error {
	var fresh []time.Duration
	var memory float64
	for i := range max(n.processes/4, 3) {
		s := &stack{bin: b.bin, dir: filepath.Join(b.dir, fmt.Sprintf("fresh%d", i))}
		if err := os.MkdirAll(filepath.Join(s.dir, "home"), 0o700); err != nil {
			return err
		}
		took, err := s.start(ctx)
		if err != nil {
			return err
		}
		time.Sleep(500 * time.Millisecond)
		memory = residentMB(s.server.Process.Pid)
		s.stop()
		fresh = append(fresh, took)
	}
	b.add("server memory, idle, fresh", "104 MB", "≤ 60 MB", "%.0f MB", memory)
	b.add("start → first answered call, fresh", "92 ms", "≤ 90 ms", "%.0f ms", quantile(fresh, .5))
	return nil
}

func (s *stack) makeProject(ctx context.Context, name string, apps ...string) error {
	req := &waypointv1.UpsertProjectRequest{Project: &waypointv1.Project{Name: name, RemoteEnabled: true}}
	for _, a := range apps {
		req.Apps = append(req.Apps, &waypointv1.App{Project: name, Name: a})
	}
	_, err := s.client.Project.UpsertProject(ctx, connect.NewRequest(req))
	return err
}

func (b *bench) reads(ctx context.Context, n counts) error {
	s, err := b.newStack(ctx, "reads")
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.makeProject(ctx, project); err != nil {
		return err
	}
	read := func(ctx context.Context) error {
		_, err := s.client.Project.GetProject(ctx, connect.NewRequest(&waypointv1.GetProjectRequest{Name: project}))
		return err
	}
	originals := map[int]string{1: "0.50 ms (1,747/s)", 8: "1.0 ms (6,612/s)", 64: "3.9 ms (14,190/s)"}
	targets := map[int]string{1: "≤ 0.5 ms", 8: "", 64: "≥ 10,000/s"}
	for _, clients := range []int{1, 8, 64} {
		all, rate, err := hammer(ctx, clients, n.seconds, read)
		if err != nil {
			return err
		}
		b.add(fmt.Sprintf("unary read, %d clients: p50 / p99 (rate)", clients), originals[clients], targets[clients],
			"%.2f / %.1f ms (%.0f/s)", quantile(all, .5), quantile(all, .99), rate)
	}
	return nil
}

// hammer calls from so many clients at once for a while, after a short warm-up.
func hammer(ctx context.Context, clients int, d time.Duration, call func(context.Context) error) ([]time.Duration, float64, error) {
	for range 50 {
		if err := call(ctx); err != nil {
			return nil, 0, err
		}
	}
	var mu sync.Mutex
	var all []time.Duration
	begin := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for range clients {
		group.Go(func() error {
			var mine []time.Duration
			for time.Since(begin) < d {
				t := time.Now()
				if err := call(ctx); err != nil {
					return err
				}
				mine = append(mine, time.Since(t))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
			return nil
		})
	}
	err := group.Wait()
	return all, float64(len(all)) / time.Since(begin).Seconds(), err
}

// ceiling is the server alone: this process claims and completes, and does nothing between.
func (b *bench) ceiling(ctx context.Context, n counts) error {
	s, err := b.newStack(ctx, "ceiling")
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.makeProject(ctx, project); err != nil {
		return err
	}
	runner := ulid.Make().String()
	_, err = s.client.Agent.Register(ctx, connect.NewRequest(&waypointv1.RegisterRequest{
		RunnerId: runner, Name: "bench", Kind: waypointv1.RunnerKind_RUNNER_KIND_CLI, Concurrency: 16,
	}))
	if err != nil {
		return err
	}
	var done atomic.Int64
	begin := time.Now()
	group, gctx := errgroup.WithContext(ctx)
	for range 16 {
		group.Go(func() error {
			for time.Since(begin) < n.seconds {
				if err := s.oneEmptyJob(gctx, runner); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	b.add("server's own ceiling (runner that does nothing)", "176–254 jobs/s", "≥ 500 jobs/s", "%.0f jobs/s", float64(done.Load())/time.Since(begin).Seconds())
	return nil
}

func (s *stack) oneEmptyJob(ctx context.Context, runner string) error {
	id, err := s.queue(ctx, &waypointv1.JobSpec{
		Project: project, Operation: noop(),
		Target: &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: runner}},
	})
	if err != nil {
		return err
	}
	claim, err := s.client.Agent.ClaimJob(ctx, connect.NewRequest(&waypointv1.ClaimJobRequest{
		RunnerId: runner, JobId: id, Nonce: ulid.Make().String(),
	}))
	if err != nil {
		return err
	}
	if claim.Msg.GetOutcome() != waypointv1.ClaimJobResponse_OUTCOME_CLAIMED {
		return fmt.Errorf("claim: %s", claim.Msg.GetOutcome())
	}
	_, err = s.client.Agent.CompleteJob(ctx, connect.NewRequest(&waypointv1.CompleteJobRequest{
		Fence: claim.Msg.GetFence(), NextOutput: claim.Msg.GetNextOutput(),
	}))
	return err
}

func noop() *waypointv1.Operation {
	return &waypointv1.Operation{Operation: &waypointv1.Operation_Noop{Noop: &waypointv1.NoopOp{}}}
}

func (s *stack) queue(ctx context.Context, spec *waypointv1.JobSpec) (string, error) {
	res, err := s.client.Job.QueueJob(ctx, connect.NewRequest(&waypointv1.QueueJobRequest{Spec: spec}))
	if err != nil {
		return "", err
	}
	return res.Msg.GetJob().GetId(), nil
}

// lists measures `job list` and the server's memory and start with many jobs behind it.
func (b *bench) lists(ctx context.Context, n counts) error {
	s, err := b.newStack(ctx, "lists")
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.makeProject(ctx, project); err != nil {
		return err
	}
	made := 0
	originals := map[int]string{0: "85 ms", 1000: "144 ms", 10000: "836 ms"}
	for _, want := range n.manyJobs {
		if err := s.fill(ctx, want-made); err != nil {
			return err
		}
		made = want
		var all []time.Duration
		for range n.processes {
			_, took, _, err := s.waypoint(ctx, s.dir, "job", "list", "-p", project)
			if err != nil {
				return err
			}
			all = append(all, took)
		}
		b.add(fmt.Sprintf("job list at %d jobs, p50", want), originals[want], "≤ 40 ms, flat", "%.0f ms", quantile(all, .5))
	}
	b.add(fmt.Sprintf("server memory at %d jobs", made), "183–190 MB", "≤ 80 MB", "%.0f MB", residentMB(s.server.Process.Pid))
	s.stop()
	took, err := s.start(ctx)
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("start → first answered call, %d jobs", made), "274 ms", "≤ 100 ms", "%.0f ms", ms(took))
	return nil
}

// fill adds ended jobs.
func (s *stack) fill(ctx context.Context, count int) error {
	if count <= 0 {
		return nil
	}
	runner := ulid.Make().String()
	_, err := s.client.Agent.Register(ctx, connect.NewRequest(&waypointv1.RegisterRequest{
		RunnerId: runner, Name: "bench", Kind: waypointv1.RunnerKind_RUNNER_KIND_CLI, Concurrency: 16,
	}))
	if err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for range count {
		group.Go(func() error { return s.oneEmptyJob(gctx, runner) })
	}
	return group.Wait()
}
