package lifecycle

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestDirectoriesOfDeadJobsAreRemoved(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	alive, err := newJobDir()
	if err != nil {
		t.Fatal(err)
	}
	dead, err := newJobDir()
	if err != nil {
		t.Fatal(err)
	}
	dead.lock.Close() // as when its process was killed
	if err := os.MkdirAll(filepath.Join(dead.path, "source"), 0o500); err != nil {
		t.Fatal(err)
	}
	young, old := filepath.Join(temp, "waypoint-job-young"), filepath.Join(temp, "waypoint-job-old")
	for _, dir := range []string{young, old, filepath.Join(temp, "another")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now().Add(-2 * foreign)
	if err := os.Chtimes(old, before, before); err != nil {
		t.Fatal(err)
	}
	RemoveDead(t.Context(), slog.New(slog.DiscardHandler))
	for dir, want := range map[string]bool{alive.path: true, dead.path: false, young: true, old: false, filepath.Join(temp, "another"): true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", filepath.Base(dir), err == nil, want)
		}
	}
	if err := alive.remove(); err != nil {
		t.Error(err)
	}
}

// A runner that starts must not take the directory of a job that just begins beside it.
func TestDirectoriesOfBeginningJobsAreKept(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	ctx, stop := context.WithCancel(t.Context())
	var sweeps sync.WaitGroup
	for range 4 {
		sweeps.Go(func() {
			for ctx.Err() == nil {
				RemoveDead(ctx, slog.New(slog.DiscardHandler))
			}
		})
	}
	var jobs sync.WaitGroup
	for range 4 {
		jobs.Go(func() {
			for range 150 {
				dir, err := newJobDir()
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(dir.path, "file"), nil, 0o600); err != nil {
					t.Error(err)
				}
				runtime.Gosched()
				if _, err := os.Stat(filepath.Join(dir.path, "file")); err != nil {
					t.Errorf("the directory of a job that lives was removed: %v", err)
				}
				if err := dir.remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	jobs.Wait()
	stop()
	sweeps.Wait()
	RemoveDead(t.Context(), slog.New(slog.DiscardHandler))
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
