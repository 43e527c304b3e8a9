package runner_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// cut takes a job from its runner, as a lapsed lease does.
func (w *world) cut(id string) {
	w.api.set(id, func(j *jobItem) { j.live, j.job.State = false, waypointv1.JobState_JOB_STATE_READY })
}

func TestANewAttemptGoesOnAfterTheLastFinishedStep(t *testing.T) {
	for name, portable := range map[string]bool{"with an artifact that it can reach": true, "building again what it cannot reach": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, file(use("echo built"), use("test -e ok || { touch began; sleep 600; }; echo deployed"), use("echo released")))
			w.shell.portable, w.shell.rerun = portable, true
			id := ulid.Make().String()
			w.api.add(id, spec(up(-1)), waypointv1.JobState_JOB_STATE_READY)
			lost := make(chan error, 1)
			go func() { lost <- w.runner().RunJob(t.Context(), id) }()
			awaitFile(t, filepath.Join(w.dir, "began"))
			w.cut(id)
			if err := <-lost; err == nil {
				t.Fatal("the lost job was not noticed")
			}
			if err := os.WriteFile(filepath.Join(w.dir, "ok"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := w.runner().RunJob(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			wantState(t, w.api.job(id), succeeded, "")
			builds := strings.Count(w.api.text(id), "built\n")
			if want := map[bool]int{true: 1, false: 2}[portable]; builds != want {
				t.Errorf("built %d times", builds)
			}
			if len(w.shell.deploys) != 2 || w.shell.deploys[0] != w.shell.deploys[1] {
				t.Errorf("deployment ids: %v", w.shell.deploys)
			}
			if len(w.api.records) != 4 {
				t.Errorf("%d records", len(w.api.records))
			}
		})
	}
}

func awaitFile(t *testing.T, path string) {
	t.Helper()
	awaitThat(t, path+" appears", func() bool { _, err := os.Stat(path); return err == nil })
}

// awaitEnd waits until the process whose id is in a file has ended.
func awaitEnd(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	awaitThat(t, "the command is ended", func() bool { return p.Signal(syscall.Signal(0)) != nil })
}

func TestCancelStopsTheCommandAndSaysSo(t *testing.T) {
	w := newWorld(t, file(use("touch began; echo waiting; sleep 600; touch never"), use("true"), ""))
	id := ulid.Make().String()
	w.api.add(id, spec(up(-1)), waypointv1.JobState_JOB_STATE_READY)
	done := make(chan error, 1)
	go func() { done <- w.runner().RunJob(t.Context(), id) }()
	awaitFile(t, filepath.Join(w.dir, "began"))
	w.api.set(id, func(j *jobItem) { j.cancel = true })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantState(t, w.api.job(id), canceled, "CANCELED")
	if len(w.shell.deploys) != 0 {
		t.Fatal("deployed after the cancel")
	}
}

func TestAnInterruptCancelsALocalJob(t *testing.T) {
	interrupted := errors.New("interrupted")
	t.Run("that runs", func(t *testing.T) {
		w := newWorld(t, file(use("echo last words; touch began; sleep 600"), use("true"), ""))
		id := ulid.Make().String()
		w.api.add(id, spec(up(-1)), waypointv1.JobState_JOB_STATE_READY)
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.runner().RunJob(ctx, id) }()
		awaitFile(t, filepath.Join(w.dir, "began"))
		cancel(interrupted)
		if err := <-done; !errors.Is(err, interrupted) {
			t.Fatal(err)
		}
		j := w.api.job(id)
		if j.GetError().GetReason() != "CANCELED" || !strings.Contains(w.api.text(id), "last words") {
			t.Fatalf("got %v: %s", j.GetError(), w.api.text(id))
		}
	})
	t.Run("that waits", func(t *testing.T) {
		w := newWorld(t, nil)
		id := ulid.Make().String()
		w.api.add(id, spec(up(-1)), waypointv1.JobState_JOB_STATE_BLOCKED)
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.runner().RunJob(ctx, id) }()
		w.api.awaitCall(t, "TailJob")
		cancel(interrupted)
		if err := <-done; !errors.Is(err, interrupted) {
			t.Fatal(err)
		}
		wantState(t, w.api.job(id), canceled, "")
	})
}

func TestALocalJobWaitsUntilItIsReady(t *testing.T) {
	w := newWorld(t, map[string]string{"waypoint.hcl": hello})
	id := ulid.Make().String()
	w.api.add(id, spec(up(-1)), waypointv1.JobState_JOB_STATE_BLOCKED)
	done := make(chan error, 1)
	go func() { done <- w.runner().RunJob(t.Context(), id) }()
	w.api.awaitCall(t, "TailJob")
	w.api.set(id, func(j *jobItem) { j.job.State = waypointv1.JobState_JOB_STATE_READY })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantState(t, w.api.job(id), succeeded, "")
}

func TestAServerThatIsAwayForLongerThanTheLease(t *testing.T) {
	// The first try of the script says who it is and waits to be cut; the second succeeds.
	script := "if test -e began; then echo again; else echo $$ >pid; mv pid began; exec sleep 600; fi"
	cases := map[string]struct {
		build, deploy string
		rerun         bool
		state         waypointv1.JobState
		reason        string
	}{
		"a build is run again":                    {use(script), use("true"), false, succeeded, ""},
		"a deploy that may be run again is":       {use("true"), use(script), true, succeeded, ""},
		"a deploy that may not ends the job lost": {use("true"), use(script), false, failed, "RUNNER_LOST"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for its lease to lapse
			w := newWorld(t, file(c.build, c.deploy, ""))
			w.shell.rerun, w.api.leaseMS = c.rerun, 6000
			var away atomic.Bool
			w.api.broken = func(string, int) string {
				if away.Load() {
					return "refuse"
				}
				return ""
			}
			id := ulid.Make().String()
			w.api.add(id, spec(up(-1)), waypointv1.JobState_JOB_STATE_READY)
			done := make(chan error, 1)
			go func() { done <- w.runner().RunJob(t.Context(), id) }()
			began := filepath.Join(w.dir, "began")
			awaitFile(t, began)
			away.Store(true)
			awaitEnd(t, began)
			away.Store(false)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			wantState(t, w.api.job(id), c.state, c.reason)
			if c.state == succeeded && !strings.Contains(w.api.text(id), "again") {
				t.Fatal(w.api.text(id))
			}
		})
	}
}

// A job's end is written, and a renewal that comes behind it is refused before the runner has heard so.
func TestARenewalThatTheJobsEndOvertakes(t *testing.T) {
	w := newWorld(t, file(use("true"), use("true"), ""))
	w.api.leaseMS = 6000
	refused := make(chan struct{})
	var once sync.Once
	var written atomic.Bool
	w.api.wrapped = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			switch path.Base(r.URL.Path) {
			case "CompleteJob":
				answer := httptest.NewRecorder()
				next.ServeHTTP(answer, r)
				written.Store(true)
				select {
				case <-refused:
				case <-time.After(patience):
				}
				select {
				case <-r.Context().Done(): // the runner has given up
				case <-time.After(time.Second):
				}
				maps.Copy(rw.Header(), answer.Header())
				rw.WriteHeader(answer.Code)
				_, _ = answer.Body.WriteTo(rw)
			case "RenewLease":
				behind := written.Load()
				next.ServeHTTP(rw, r)
				if behind {
					once.Do(func() { close(refused) })
				}
			default:
				next.ServeHTTP(rw, r)
			}
		})
	}
	id := ulid.Make().String()
	w.api.add(id, spec(up(-1)), waypointv1.JobState_JOB_STATE_READY)
	if err := w.runner().RunJob(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	wantState(t, w.api.job(id), succeeded, "")
}

func TestALostLeaseKillsTheCommandAndWritesNothing(t *testing.T) {
	w := newWorld(t, file(use("touch began; sleep 600; touch never"), use("true"), ""))
	w.api.leaseMS = 6000
	id := ulid.Make().String()
	w.api.add(id, spec(up(-1)), waypointv1.JobState_JOB_STATE_READY)
	done := make(chan error, 1)
	go func() { done <- w.runner().RunJob(t.Context(), id) }()
	awaitFile(t, filepath.Join(w.dir, "began"))
	w.cut(id)
	if err := <-done; err == nil {
		t.Fatal("the loss was not told")
	}
	wantState(t, w.api.job(id), waypointv1.JobState_JOB_STATE_READY, "")
}
