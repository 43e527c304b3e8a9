package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func anyRunner() *waypointv1.Target {
	return &waypointv1.Target{Target: &waypointv1.Target_Any{Any: &waypointv1.AnyRunner{}}}
}

// follow reads a job's tail until seen says that it has seen enough.
func (s *stack) follow(ctx context.Context, id string, seen func(*waypointv1.Job) bool) error {
	cursor := ""
	for {
		res, err := s.client.Tail.TailJob(ctx, connect.NewRequest(&waypointv1.TailJobRequest{JobId: id, Cursor: cursor, WaitMs: 20_000}))
		if err != nil {
			return err
		}
		if job := res.Msg.GetJob(); job != nil && seen(job) || res.Msg.GetDone() {
			return nil
		}
		cursor = res.Msg.GetNextCursor()
	}
}

func ended(j *waypointv1.Job) bool {
	return j.GetState() >= waypointv1.JobState_JOB_STATE_SUCCEEDED
}

// jobs measures the way of a wake-up message: queue → SQS → standing runner.
func (b *bench) jobs(ctx context.Context, n counts) error {
	s, err := b.newStack(ctx, "jobs")
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.makeProject(ctx, project); err != nil {
		return err
	}
	if err := s.addRunners(ctx, 1); err != nil {
		return err
	}
	var running, sees []time.Duration
	for range n.latencies {
		begin := time.Now()
		id, err := s.queue(ctx, &waypointv1.JobSpec{Project: project, Operation: noop(), Target: anyRunner()})
		if err != nil {
			return err
		}
		if err := s.follow(ctx, id, func(j *waypointv1.Job) bool { return j.GetState() >= waypointv1.JobState_JOB_STATE_RUNNING }); err != nil {
			return err
		}
		sees = append(sees, time.Since(begin))
		if err := s.follow(ctx, id, ended); err != nil {
			return err
		}
		job, err := s.client.Job.GetJob(ctx, connect.NewRequest(&waypointv1.GetJobRequest{Id: id}))
		if err != nil {
			return err
		}
		j := job.Msg.GetJob()
		running = append(running, time.Duration(j.GetStartedUnixMs()-j.GetQueuedUnixMs())*time.Millisecond)
	}
	b.add("queue → running, idle runner, p50 / p95", "3.5 / 7 ms", "≤ 3.5 / ≤ 7 ms", "%.0f / %.0f ms", quantile(running, .5), quantile(running, .95))
	b.add("client sees RUNNING, p50 / p99", "6.5 / 35 ms", "≤ 15 / ≤ 50 ms", "%.1f / %.1f ms", quantile(sees, .5), quantile(sees, .99))
	one, err := s.throughput(ctx, n.jobs)
	if err != nil {
		return err
	}
	b.add("no-op jobs/s, 1 runner", "113–131 jobs/s (8.5 with an app)", "≥ 300 (≥ 100)", "%.0f jobs/s", one)
	if err := s.addRunners(ctx, 3); err != nil {
		return err
	}
	four, err := s.throughput(ctx, n.jobs)
	if err != nil {
		return err
	}
	b.add("no-op jobs/s, 4 runners, same machine", "10 jobs/s", "≥ 100 jobs/s", "%.0f jobs/s", four)
	return nil
}

// throughput queues so many jobs from 16 clients at once, and waits until all have ended.
func (s *stack) throughput(ctx context.Context, count int) (float64, error) {
	begin := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	ids := make([]string, count)
	for i := range ids {
		group.Go(func() (err error) {
			ids[i], err = s.queue(ctx, &waypointv1.JobSpec{Project: project, Operation: noop(), Target: anyRunner()})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := s.follow(context.WithoutCancel(ctx), id, ended); err != nil {
			return 0, err
		}
	}
	return float64(count) / time.Since(begin).Seconds(), nil
}

const trivialHCL = `project = "trivial"
%s
app "web" {
  build {
    use "docker-ref" {
      image = "example/web"
      tag   = "1"
    }
  }
  deploy {
    use "exec" {
      command = ["true"]
    }
  }
}
`

// writeProject writes a waypoint.hcl into a directory of its own.
func (b *bench) writeProject(name, hcl string) (string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "waypoint.hcl"), []byte(hcl), 0o600)
}

func (b *bench) up(ctx context.Context, n counts) error {
	s, err := b.newStack(ctx, "up")
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.addRunners(ctx, 1); err != nil {
		return err
	}
	local, err := b.writeProject("trivial-local", fmt.Sprintf(trivialHCL, ""))
	if err != nil {
		return err
	}
	inits, err := s.times(ctx, n.processes, local, "init")
	if err != nil {
		return err
	}
	b.add("init, p50", "109 ms", "≤ 60 ms", "%.0f ms", quantile(inits, .5))
	locals, err := s.times(ctx, n.ups, local, "up")
	if err != nil {
		return err
	}
	remote, err := b.gitProject(ctx)
	if err != nil {
		return err
	}
	if _, _, _, err := s.waypoint(ctx, remote, "init", "-update"); err != nil {
		return err
	}
	remotes, err := s.times(ctx, n.ups, remote, "up")
	if err != nil {
		return err
	}
	b.add("up, trivial plugins: remote from git / local, p50", "1,184 / 1,588 ms", "≤ 400 / ≤ 250 ms", "%.0f / %.0f ms", quantile(remotes, .5), quantile(locals, .5))
	return nil
}

// gitProject commits the trivial project to a repository and names it as the project's data source.
func (b *bench) gitProject(ctx context.Context) (string, error) {
	dir := filepath.Join(b.dir, "trivial-remote")
	hcl := strings.Replace(fmt.Sprintf(trivialHCL, gitSource(dir)), `"trivial"`, `"trivial-remote"`, 1)
	if _, err := b.writeProject("trivial-remote", hcl); err != nil {
		return "", err
	}
	return dir, commit(ctx, dir)
}

// gitSource is the stanza for a repository of this machine.
func gitSource(dir string) string {
	return fmt.Sprintf("runner {\n  enabled = true\n  data_source \"git\" {\n    url = \"file://%s\"\n  }\n}\n", dir)
}

// commit makes a directory a repository.
func commit(ctx context.Context, dir string) error {
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "."},
		{"-c", "user.name=bench", "-c", "user.email=bench@example.com", "commit", "-qm", "all"},
	} {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

func (s *stack) times(ctx context.Context, n int, dir string, args ...string) ([]time.Duration, error) {
	var all []time.Duration
	for i := range n + 1 {
		_, took, _, err := s.waypoint(ctx, dir, args...)
		if err != nil {
			return nil, err
		}
		if i > 0 { // the first warms up
			all = append(all, took)
		}
	}
	return all, nil
}

const outputHCL = `project = "output"
variable "script" {
  type    = string
  default = "true"
}
app "web" {
  build {
    use "process" {
      command = ["sh", "-c", var.script]
    }
  }
  deploy {
    use "null" {}
  }
}
`

func (b *bench) output(ctx context.Context, n counts) error {
	s, err := b.newStack(ctx, "output")
	if err != nil {
		return err
	}
	defer s.stop()
	dir, err := b.writeProject("output-project", outputHCL)
	if err != nil {
		return err
	}
	build := func(script string) []string { return []string{"build", "--var", "script=" + script} }
	if _, _, _, err := s.waypoint(ctx, dir, build("true")...); err != nil {
		return err
	}
	sparse, err := s.lineLatency(ctx, dir, build(`for i in $(seq 1 30); do echo "at $(date +%s%N)"; sleep 0.3; done`))
	if err != nil {
		return err
	}
	b.add("output line → client, p50 / p95 (sparse lines)", "3.9 / 24 ms", "≤ 15 / ≤ 60 ms", "%.1f / %.1f ms", quantile(sparse, .5), quantile(sparse, .95))
	steady, err := s.lineLatency(ctx, dir, build(`for i in $(seq 1 60); do echo "at $(date +%s%N)"; sleep 0.19; done`))
	if err != nil {
		return err
	}
	b.add("output line → client at 5 lines/s, p50 / p95", "1.2 / 2.5 ms", "≤ 10 / ≤ 30 ms", "%.1f / %.1f ms", quantile(steady, .5), quantile(steady, .95))
	many, err := s.times(ctx, max(n.ups/2, 1), dir, build("seq 1 10000")...)
	if err != nil {
		return err
	}
	b.add("10,000-line job, wall, p50", "1.7–2.6 s", "≤ 1.2 s", "%.2f s", quantile(many, .5)/1000)
	lost := 0
	for range 10 {
		out, _, _, err := s.waypoint(ctx, dir, build(`seq 1 100 | sed 's/^/line-/'`)...)
		if err != nil {
			return err
		}
		for i := range 100 {
			if !strings.Contains(out, "line-"+strconv.Itoa(i+1)) {
				lost++
			}
		}
	}
	b.add("lines lost from fast commands (10 runs of 100 lines)", "in 3–4 of 10 runs", "0", "%d", lost)
	return nil
}

// lineLatency runs a command that prints the time in its lines, and compares it with the time of their arrival.
func (s *stack) lineLatency(ctx context.Context, dir string, args []string) ([]time.Duration, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "waypoint"), args...)
	cmd.Dir, cmd.Env = dir, s.env()
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var all []time.Duration
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		_, at, ok := strings.Cut(lines.Text(), "at 1")
		nanos, err := strconv.ParseInt("1"+strings.TrimSpace(at), 10, 64)
		if ok && err == nil {
			all = append(all, time.Since(time.Unix(0, nanos)))
		}
	}
	return all, cmd.Wait()
}
