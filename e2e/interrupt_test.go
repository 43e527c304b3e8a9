//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"connectrpc.com/connect"
	"golang.org/x/sys/unix"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// envMoments is how many moments each signal is tried at; the default is for machines that are busy.
const envMoments = "E2E_INTERRUPT_MOMENTS"

// openTerminal opens a pseudo-terminal: what is typed goes into master, slave is the command's.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no pseudo-terminals here:", err)
	}
	unlock, number := 0, 0
	for request, value := range map[uintptr]*int{unix.TIOCSPTLCK: &unlock, unix.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
	return master, slave
}

// stubborn is a project whose build leaves a daemon and a child that ignore what is polite, and whose evaluation takes a while.
const stubborn = `project = "stubborn"
variable "n" {
  type    = number
  default = 200
}
app "web" {
  labels = { n = length([for a in range(var.n): [for b in range(var.n): "${a}-${b}"]]) }
  build {
    use "process" {
      command = ["sh", "-c", "(setsid sh -c 'trap : TERM HUP INT; while :; do sleep 0.1; done' &); sh -c 'while :; do sleep 0.1; done' & wait"]
    }
  }
  deploy {
    use "null" {}
  }
}
`

// TestSignalsAtEveryMoment sends each signal, once and twice, at seeded moments of the commands: the command ends with the
// signal's exit code (or had ended before), leaves no process behind, and its lane is free. How soon is logged, not
// asserted, since the machine may be busy (promised are 2 s to the end and 5 s to the free lane); that a lane was freed
// by who was told to end, and not by the lapse of a lease, is asserted.
func TestSignalsAtEveryMoment(t *testing.T) {
	t.Parallel()
	moments := 1
	if n, err := strconv.Atoi(os.Getenv(envMoments)); err == nil {
		moments = n
	}
	// Under nohup SIGHUP is ignored, and so it would be in the commands, which then rightly go on: what is caught here has
	// its default again in what is started.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	w := newWorld(t)
	w.startServer()
	dir := filepath.Join(w.dir, "stubborn")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "waypoint.hcl"), []byte(stubborn), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(dir, "init")
	empty := filepath.Join(w.dir, "empty")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(20261129, 4))
	var ends, lanes []time.Duration
	for _, c := range []struct {
		dir  string
		args []string
	}{
		{empty, []string{"init"}}, {empty, []string{"login", w.address()}}, {dir, []string{"up"}}, {dir, []string{"plan"}},
		{dir, []string{"logs"}}, {dir, []string{"destroy"}},
	} {
		for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
			for _, twice := range []bool{false, true} {
				for range moments {
					after := time.Duration(rng.Int64N(int64(800 * time.Millisecond)))
					name := fmt.Sprintf("%s: %s after %s, twice: %t", c.args[0], signal, after, twice)
					ended, free := w.signalled(t, name, c.dir, c.args, after, signal, twice, code)
					ends, lanes = append(ends, ended), append(lanes, free)
				}
			}
		}
	}
	for what, took := range map[string][]time.Duration{"the command's end": ends, "the free lane": lanes} {
		slices.Sort(took)
		t.Logf("%d signals: median %s, longest %s to %s", len(took), took[len(took)/2], took[len(took)-1], what)
	}
}

func (w *world) signalled(t *testing.T, name, dir string, args []string, after time.Duration, signal syscall.Signal, twice bool, code int) (ended, free time.Duration) {
	t.Helper()
	before := w.latestJob("stubborn").GetId()
	master, slave := openTerminal(t)
	out := &safeBuffer{}
	go func() { _, _ = io.Copy(out, master) }() // ends with the terminal
	const mark = "E2E_MARK=interrupted"
	cmd := exec.Command(filepath.Join(binaries, "waypoint"), args...)
	cmd.Dir, cmd.Env = dir, w.env(mark)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	hung := true
	defer func() {
		if hung {
			time.Sleep(time.Second) // for the stacks to arrive
			t.Logf("%s: %s", name, tail(out.String(), 20_000))
		}
	}()
	time.Sleep(after)
	sent := time.Now()
	_ = cmd.Process.Signal(signal)
	if twice {
		time.Sleep(10 * time.Millisecond)
		_ = cmd.Process.Signal(signal)
	}
	err := wait(t, cmd, patience)
	ended, hung = time.Since(sent), false
	var exit *exec.ExitError
	switch {
	case err == nil: // it had done what it was to do
	case !errors.As(err, &exit), exit.ExitCode() != code && (exit.ExitCode() < 1 || exit.ExitCode() > 4) && !bySignal(exit, signal):
		t.Errorf("%s: it ended with %v: %s", name, err, tail(out.String(), 500))
	case exit.ExitCode() > 0 && exit.ExitCode() <= 4 && !strings.Contains(out.String(), "Error:"):
		t.Errorf("%s: it failed without a word: %s", name, tail(out.String(), 500))
	}
	w.waitFor(name+": no process to be left", patience, func() error {
		if left := marked(mark); len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return nil
	})
	var job *waypointv1.Job
	w.waitFor(name+": the lane to be free", patience, func() error {
		if job = w.latestJob("stubborn"); job != nil && job.GetState() <= waypointv1.JobState_JOB_STATE_RUNNING {
			return fmt.Errorf("job %s is %s", job.GetId(), job.GetState())
		}
		return nil
	})
	if reason := job.GetError().GetReason(); !twice && job.GetId() != before && reason == string(fault.RunnerLost) {
		t.Errorf("%s: the lane was freed by the lapse of the lease: %s", name, job.GetError().GetMessage())
	}
	return ended, time.Since(sent)
}

// bySignal reports whether the process was ended by the signal itself: it came before the command listened.
func bySignal(exit *exec.ExitError, signal syscall.Signal) bool {
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == signal
}

// marked are the processes with an entry in their environment.
func marked(entry string) (found []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		environ, _ := os.ReadFile(f)
		if slices.Contains(strings.Split(string(environ), "\x00"), entry) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
			found = append(found, strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " ")))
		}
	}
	return found
}

// TestAKilledCLILeavesNothing kills a CLI in the middle of a build, and one that waits for its lane: nothing stays, and the
// lane is free within seconds.
func TestAKilledCLILeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startServer()
	dir := filepath.Join(w.dir, "stubborn")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "waypoint.hcl"), []byte(stubborn), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(dir, "init")
	start := func(mark string) *exec.Cmd {
		cmd := w.command(dir, "up")
		cmd.Env = append(cmd.Env, mark)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	state := func(want waypointv1.JobState) func() error {
		return func() error {
			if job := w.latestJob("stubborn"); job.GetState() != want {
				return fmt.Errorf("it is %s", job.GetState())
			}
			return nil
		}
	}
	builds := start("E2E_MARK=builds")
	w.waitFor("the build", time.Minute, func() error {
		if n := len(marked("E2E_MARK=builds")); n < 4 {
			return fmt.Errorf("%d processes", n)
		}
		return nil
	})
	waits := start("E2E_MARK=waits")
	w.waitFor("the second job", time.Minute, state(waypointv1.JobState_JOB_STATE_BLOCKED))
	// The one that waits goes first: the other's end would give it the lane.
	for _, killed := range []struct {
		mark string
		cmd  *exec.Cmd
	}{{"E2E_MARK=waits", waits}, {"E2E_MARK=builds", builds}} {
		mark := killed.mark
		_ = killed.cmd.Process.Kill()
		_ = killed.cmd.Wait()
		began := time.Now()
		w.waitFor(mark+": no process to be left", patience, func() error {
			if left := marked(mark); len(left) > 0 {
				return fmt.Errorf("left: %v", left)
			}
			return nil
		})
		t.Logf("%s: all processes ended %s after the kill", mark, time.Since(began)) // promised are 10 s
	}
	w.waitFor("the waiting job to be given up", patience, state(waypointv1.JobState_JOB_STATE_CANCELED))
	for _, job := range w.jobs("stubborn") {
		w.waitFor("every job to end", patience, func() error {
			if got := w.job(job.GetId()); got.GetState() <= waypointv1.JobState_JOB_STATE_RUNNING {
				return fmt.Errorf("job %s is %s", got.GetId(), got.GetState())
			}
			return nil
		})
	}
}

func (w *world) jobs(project string) []*waypointv1.Job {
	w.t.Helper()
	list, err := w.client().Job.ListJobs(w.t.Context(), connect.NewRequest(&waypointv1.ListJobsRequest{Project: project}))
	if err != nil {
		w.t.Fatal(err)
	}
	return list.Msg.GetJobs()
}

func (w *world) job(id string) *waypointv1.Job {
	w.t.Helper()
	got, err := w.client().Job.GetJob(w.t.Context(), connect.NewRequest(&waypointv1.GetJobRequest{Id: id}))
	if err != nil {
		w.t.Fatal(err)
	}
	return got.Msg.GetJob()
}
