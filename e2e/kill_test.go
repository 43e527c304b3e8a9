package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// moments is how many seeded moments each kill is tried at.
const moments = 20

// upTime is about how long an `up` of the numbered project takes.
const upTime = 1800 * time.Millisecond

// atMoments runs a test at seeded moments within an `up`, several at once: most of their time is spent waiting for
// leases to lapse.
func atMoments(t *testing.T, f func(t *testing.T, after time.Duration)) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(20261124, uint64(len(t.Name()))))
	for i := range moments {
		after := time.Duration(rng.Int64N(int64(upTime)))
		t.Run(fmt.Sprintf("%02d_after_%dms", i, after.Milliseconds()), func(t *testing.T) {
			t.Parallel()
			f(t, after)
		})
	}
}

// start starts an `up` and returns it with its output.
func (w *world) start(dir string, args ...string) (*exec.Cmd, *safeBuffer) {
	w.t.Helper()
	out := &safeBuffer{}
	cmd := w.command(dir, args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return cmd, out
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// wait waits for a command, bounded.
func wait(t *testing.T, cmd *exec.Cmd, limit time.Duration) error {
	t.Helper()
	limit = max(limit, patience)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		_ = cmd.Process.Signal(syscall.SIGQUIT) // it tells its stacks on stderr
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
		}
		t.Fatalf("%v did not end within %s", cmd.Args, limit)
		return nil
	}
}

// A runner dies in mid-job and another is alive: the job is resumed, and the CLI shows it to its end.
func TestKillRunner_AnotherAlive_Resumes(t *testing.T) {
	atMoments(t, func(t *testing.T, after time.Duration) {
		w := newWorld(t)
		w.startServer()
		dir := w.project("count", true)
		runners := map[string]*exec.Cmd{"a": w.startRunner("a"), "b": w.startRunner("b")}
		cmd, out := w.start(dir, "up")
		time.Sleep(after)
		victim := "a"
		if job := w.latestJob("count"); job != nil && job.GetRunnerName() != "" {
			victim = job.GetRunnerName()
		}
		_ = runners[victim].Process.Kill()
		_ = runners[victim].Wait()
		if err := wait(t, cmd, 5*time.Minute); err != nil {
			t.Fatalf("up: %v\n%s", err, out)
		}
		job := w.latestJob("count")
		if job.GetState() != waypointv1.JobState_JOB_STATE_SUCCEEDED {
			t.Fatalf("the job ended %s: %v", job.GetState(), job.GetError())
		}
		expectLines(t, w.numbers(job.GetId()), 40)
		w.must(dir, "up")
	})
}

// The only runner dies: the CLI says NO_RUNNER; a new runner takes the job.
func TestKillRunner_NoneAlive_SaysNoRunner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startServer()
	dir := w.project("count", true)
	only := w.startRunner("only")
	held, letGo := w.hold()
	cmd, out := w.start(dir, "up", held)
	w.waitFor("the first line", 20*time.Second, func() error {
		if !strings.Contains(out.String(), "line 5.") {
			return fmt.Errorf("not yet: %s", out)
		}
		return nil
	})
	_ = only.Process.Kill()
	_ = only.Wait()
	w.waitFor("the CLI to say why", 4*time.Minute, func() error {
		if !strings.Contains(out.String(), "NO_RUNNER") {
			return fmt.Errorf("not said: %s", tail(out.String(), 500))
		}
		return nil
	})
	letGo()
	w.startRunner("new")
	if err := wait(t, cmd, 5*time.Minute); err != nil {
		t.Fatalf("up: %v\n%s", err, out)
	}
	expectLines(t, w.numbers(w.latestJob("count").GetId()), 40)
}

// The server dies in mid-job and is started again: nobody gives up, and no line is lost or doubled.
func TestKillServer(t *testing.T) {
	for _, remote := range []bool{false, true} {
		t.Run(map[bool]string{false: "local", true: "remote"}[remote], func(t *testing.T) {
			atMoments(t, func(t *testing.T, after time.Duration) {
				w := newWorld(t)
				w.startServer()
				dir := w.project("count", remote)
				if remote {
					w.startRunner("r")
				}
				cmd, out := w.start(dir, "up")
				time.Sleep(after)
				w.killServer()
				w.startServer()
				if err := wait(t, cmd, 5*time.Minute); err != nil {
					t.Fatalf("up: %v\n%s", err, out)
				}
				job := w.latestJob("count")
				expectLines(t, w.numbers(job.GetId()), 40)
				w.must(dir, "up")
			})
		})
	}
}

// The CLI of a remote job dies: the job goes on, and its output is read again.
func TestKillCLI_Remote_JobGoesOn(t *testing.T) {
	atMoments(t, func(t *testing.T, after time.Duration) {
		w := newWorld(t)
		w.startServer()
		dir := w.project("count", true)
		w.startRunner("r")
		cmd, _ := w.start(dir, "up")
		time.Sleep(after)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if w.latestJob("count") != nil {
			w.waitFor("the job to end", 5*time.Minute, func() error {
				if job := w.latestJob("count"); job.GetState() != waypointv1.JobState_JOB_STATE_SUCCEEDED {
					return fmt.Errorf("it is %s: %v", job.GetState(), job.GetError())
				}
				return nil
			})
			expectLines(t, w.numbers(w.latestJob("count").GetId()), 40)
		}
		w.must(dir, "up")
	})
}

// The CLI of a local job dies, and with it the only runner that can reach the source: RUNNER_LOST, and the lane is free.
func TestKillCLI_Local_RunnerLost(t *testing.T) {
	atMoments(t, func(t *testing.T, after time.Duration) {
		w := newWorld(t)
		w.startServer()
		dir := w.project("count", false)
		cmd, _ := w.start(dir, "up")
		time.Sleep(after)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if job := w.latestJob("count"); job != nil {
			w.waitFor("the job to end", 5*time.Minute, func() error {
				switch job = w.latestJob("count"); job.GetState() {
				case waypointv1.JobState_JOB_STATE_SUCCEEDED:
					return nil
				case waypointv1.JobState_JOB_STATE_FAILED:
					if r := job.GetError().GetReason(); r != "RUNNER_LOST" {
						t.Fatalf("it failed for %s", r)
					}
					return nil
				case waypointv1.JobState_JOB_STATE_CANCELED:
					// It waited: whoever outlived the CLI cancelled it, or its time passed.
					if r := job.GetError().GetReason(); r != "EXPIRED" && r != "CANCELED" {
						t.Fatalf("it was cancelled for %s", r)
					}
					return nil
				default:
					return fmt.Errorf("it is %s", job.GetState())
				}
			})
			got := w.numbers(job.GetId())
			expectLines(t, got, len(got))
		}
		w.must(dir, "up")
	})
}
