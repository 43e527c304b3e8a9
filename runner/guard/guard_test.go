//go:build linux

package guard

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/api/waypoint/v1/waypointv1connect"
)

// This binary is guard and runner too.
const envRole = "GUARD_TEST_ROLE"

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == Argument:
		Main(context.Background(), os.Stdin)
	case os.Getenv(envRole) == "runner":
		runnerProcess(os.Args[1:])
	default:
		os.Exit(m.Run())
	}
}

// runnerProcess starts a shell script under a guard, as a runner does, and stays. Its arguments are the server's address, a
// directory to guard, the script, "kept" if a command like it has ended before, and "orderly" if it is to end by itself.
func runnerProcess(args []string) {
	g := New(Options{Command: []string{os.Args[0], Argument}, Server: Server{Address: args[0], Token: "t"}})
	g.Report("runner", Work{RunnerID: "R", Project: "p", App: "a", Workspace: "w"})
	g.Report("2", Work{RunnerID: "R", JobID: "2", Attempt: 3})
	g.Report("3", Work{RunnerID: "R", JobID: "3", Attempt: 1, Canceled: true})
	g.Report("4", Work{RunnerID: "R", JobID: "4"})
	g.Report("5", Work{RunnerID: "R", JobID: "5", Attempt: 1})() // has ended
	g.Dir(args[1])
	if slices.Contains(args, "kept") {
		c := g.Command()
		start(c, args[2])
		c.Ended()
	} else {
		start(g.Command(), args[2])
	}
	if slices.Contains(args, "orderly") {
		g.Close()
		return
	}
	select {}
}

func start(c *Command, script string) {
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = c.Environ(append(os.Environ(), envRole+"=child"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	c.Started(cmd.Process.Pid)
	if strings.Contains(script, "# and ends") {
		_ = cmd.Wait()
	}
}

// world is a runner with its guard, and the server that the guard calls.
type world struct {
	t      *testing.T
	dir    string
	runner *exec.Cmd
	// kept: the processes are meant to outlive the runner.
	kept  bool
	mu    sync.Mutex
	calls []string
}

type agent struct {
	waypointv1connect.UnimplementedRunnerAgentServiceHandler
	w *world
}

type jobs struct {
	waypointv1connect.UnimplementedJobServiceHandler
	w *world
}

func (w *world) called(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, pid := range w.pids() {
		if !w.kept && alive(pid) {
			w.t.Errorf("process %d lives while %s is reported", pid, fmt.Sprintf(format, args...))
		}
	}
	w.calls = append(w.calls, fmt.Sprintf(format, args...))
}

func (a agent) HandBackJob(_ context.Context, r *connect.Request[waypointv1.HandBackJobRequest]) (*connect.Response[waypointv1.HandBackJobResponse], error) {
	f := r.Msg.GetFence()
	a.w.called("lost %t %s/%d by %s", r.Msg.GetLost(), f.GetJobId(), f.GetAttempt(), f.GetRunnerId())
	return connect.NewResponse(&waypointv1.HandBackJobResponse{}), nil
}

func (a agent) CompleteJob(_ context.Context, r *connect.Request[waypointv1.CompleteJobRequest]) (*connect.Response[waypointv1.CompleteJobResponse], error) {
	a.w.called("%s %s", r.Msg.GetError().GetReason(), r.Msg.GetFence().GetJobId())
	return connect.NewResponse(&waypointv1.CompleteJobResponse{}), nil
}

func (j jobs) CancelJob(_ context.Context, r *connect.Request[waypointv1.CancelJobRequest]) (*connect.Response[waypointv1.CancelJobResponse], error) {
	j.w.called("cancel %s, force %t", r.Msg.GetId(), r.Msg.GetForce())
	return connect.NewResponse(&waypointv1.CancelJobResponse{}), nil
}

func (j jobs) ListJobs(_ context.Context, r *connect.Request[waypointv1.ListJobsRequest]) (*connect.Response[waypointv1.ListJobsResponse], error) {
	of := func(id, runner string, state waypointv1.JobState) *waypointv1.Job {
		return &waypointv1.Job{Id: id, State: state, Spec: &waypointv1.JobSpec{Project: r.Msg.GetProject(),
			Target: &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: runner}}}}
	}
	return connect.NewResponse(&waypointv1.ListJobsResponse{Jobs: []*waypointv1.Job{
		of("mine", "R", waypointv1.JobState_JOB_STATE_BLOCKED), of("others", "S", waypointv1.JobState_JOB_STATE_READY),
		of("ended", "R", waypointv1.JobState_JOB_STATE_SUCCEEDED),
	}}), nil
}

// newWorld starts a runner that runs a script. The script writes the ids of its processes to files $D/pid.*.
func newWorld(t *testing.T, script string, args ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	mux := http.NewServeMux()
	mux.Handle(waypointv1connect.NewRunnerAgentServiceHandler(agent{w: w}))
	mux.Handle(waypointv1connect.NewJobServiceHandler(jobs{w: w}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	if err := os.MkdirAll(filepath.Join(w.dir, "job", "read-only"), 0o500); err != nil {
		t.Fatal(err)
	}
	w.runner = exec.Command(os.Args[0], append([]string{server.URL, filepath.Join(w.dir, "job"), script}, args...)...)
	w.runner.Env = append(os.Environ(), envRole+"=runner", "D="+w.dir)
	w.runner.Stderr = os.Stderr
	if err := w.runner.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.runner.Process.Kill()
		for _, pid := range w.pids() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return w
}

func (w *world) pids() (pids []int) {
	files, _ := filepath.Glob(filepath.Join(w.dir, "pid.*"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			w.t.Error(err)
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func alive(pid int) bool {
	_, ok := readProcess(pid)
	return ok
}

// within waits for something that must happen, on a machine that may be busy.
func (w *world) within(what string, happened func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within two minutes: %s; calls %q", what, w.calls)
		}
	}
}

func (w *world) reported() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := slices.Clone(w.calls)
	slices.Sort(calls)
	return calls
}

// A loop that nobody asks to end: it writes its id, whole, and stays.
const loop = `echo $$ > $D/t.$N; mv $D/t.$N $D/pid.$N; while :; do sleep 0.01; done`

func TestNothingOfAKilledRunnersCommandsStays(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		n      int
	}{
		"the command itself":               {"export N=1; " + loop, 1},
		"a grandchild":                     {"(export N=1; sh -c '" + loop + "') & export N=2; " + loop, 2},
		"one that ignores signals":         {"trap '' HUP INT TERM; export N=1; " + loop, 1},
		"one in a session of its own":      {"(export N=1; setsid sh -c '" + loop + "') & export N=2; " + loop, 2},
		"a daemon, its parent gone":        {"(export N=1; setsid sh -c '" + loop + "' &) ; export N=2; " + loop, 2},
		"a daemon of a command that ended": {"(export N=1; setsid sh -c '" + loop + "' >/dev/null 2>&1 &) ; exit 0 # and ends", 1},
		"many, that start more":            {"for N in 1 2 3 4 5 6 7 8; do export N; (setsid sh -c '" + loop + "' &); done; while :; do sh -c 'sleep 0.01 & sleep 0.01'; done", 8},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.script)
			w.within("the processes run", func() bool { return len(w.pids()) == c.n })
			_ = w.runner.Process.Kill()
			_ = w.runner.Wait()
			w.within("all are gone", func() bool { return !slices.ContainsFunc(w.pids(), alive) })
			want := []string{"CANCELED 3", "cancel 4, force true", "cancel mine, force true", "lost true 2/3 by R"}
			w.within("all is reported", func() bool { return len(w.reported()) >= len(want) })
			if got := w.reported(); !slices.Equal(got, want) {
				t.Errorf("reported %q, want %q", got, want)
			}
			if _, err := os.Stat(filepath.Join(w.dir, "job")); !os.IsNotExist(err) {
				t.Error("the job's directory is still there")
			}
		})
	}
}

func TestWhatACommandLeftOnPurposeOutlivesTheRunner(t *testing.T) {
	w := newWorld(t, "export N=1; "+loop, "kept")
	w.kept = true
	w.within("the process runs", func() bool { return len(w.pids()) == 1 })
	_ = w.runner.Process.Kill()
	_ = w.runner.Wait()
	w.within("all is reported", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.calls) > 0 || !alive(w.pids()[0])
	})
	if !alive(w.pids()[0]) {
		t.Error("it was killed")
	}
}

func TestARunnerThatEndsInOrderIsNotReported(t *testing.T) {
	w := newWorld(t, "export N=1; "+loop, "orderly")
	_ = w.runner.Wait()
	w.within("the process runs", func() bool { return len(w.pids()) == 1 })
	w.within("the guard has ended", func() bool {
		return !slices.ContainsFunc(processes(), func(p process) bool {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
			environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.pid))
			return strings.Contains(string(line), Argument) && strings.Contains(string(environ), "D="+w.dir)
		})
	})
	if calls := w.reported(); len(calls) > 0 || !alive(w.pids()[0]) {
		t.Errorf("calls %q, the process lives: %t", calls, alive(w.pids()[0]))
	}
}

func TestAGuardThatIsGoneIsReplacedAndToldEverything(t *testing.T) {
	dir := t.TempDir()
	g := New(Options{Command: []string{"sh", "-c", "cat > " + dir + "/$$"}})
	g.Dir("/one")
	first := func() (files []string) {
		files, _ = filepath.Glob(dir + "/*")
		return files
	}
	w := &world{t: t}
	w.within("the guard runs", func() bool { return len(first()) == 1 })
	pid, _ := strconv.Atoi(filepath.Base(first()[0]))
	_ = syscall.Kill(-pid, syscall.SIGKILL) // it leads its session
	w.within("the guard is gone", func() bool { return !alive(pid) })
	// What the killed process had started may hold the pipe for a moment more, and takes what is written then to its end.
	w.within("another guard runs", func() bool { g.Dir("/two")(); return len(first()) == 2 })
	g.Close()
	w.within("it knows what the first one knew", func() bool {
		for _, f := range first() {
			if text, _ := os.ReadFile(f); filepath.Base(f) != strconv.Itoa(pid) {
				return strings.Contains(string(text), "/one") && strings.HasSuffix(string(text), "{\"bye\":true}\n")
			}
		}
		return false
	})
}

func TestANilGuardGuardsNothing(t *testing.T) {
	g := From(t.Context())
	c := g.Command()
	if env := c.Environ([]string{"A=b"}); !slices.Equal(env, []string{"A=b"}) {
		t.Errorf("the environment became %q", env)
	}
	c.Started(1)
	c.Kill()
	c.Ended()
	g.Dir("/nowhere")()
	g.Report("x", Work{})()
	g.Close()
}

func TestACommandsMarksNestAndReplaceThoseOfTheEnvironment(t *testing.T) {
	g := New(Options{Command: []string{"true"}, Outer: "outer"})
	defer g.Close()
	env := g.Command().Environ([]string{"A=b", EnvMark + "=stale"})
	value, found := strings.CutPrefix(env[len(env)-1], EnvMark+"=outer.")
	if !found || len(env) != 2 {
		t.Fatalf("got %q", env)
	}
	for mark, is := range map[string]bool{"outer": true, value: true, "stale": false, "out": false} {
		if marked("outer."+value, map[string]commandState{mark: {}}) != is {
			t.Errorf("%s: not %t", mark, is)
		}
	}
}
