package lifecycle

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/filecopy"
	"github.com/waypoint-serverless/waypoint/runner/machine"
)

const (
	jobDirs = "waypoint-job-*"
	// foreign is the age at which a job's directory without a lock, of a version that took none, is surely dead.
	foreign = 48 * time.Hour
)

// jobDir is a job's temporary directory, a whole checkout. Its lock tells whoever cleans up that the job lives: it ends
// with this process, however that ends.
type jobDir struct {
	path string
	lock *machine.Lock
}

func jobLock(path string) string { return filepath.Join(path, "lock") }

func newJobDir() (*jobDir, error) {
	path, err := os.MkdirTemp("", jobDirs)
	if err != nil {
		return nil, fmt.Errorf("making the job's directory: %w", err)
	}
	lock, err := machine.TryLock(jobLock(path))
	if err != nil {
		_ = os.RemoveAll(path)
		return nil, fmt.Errorf("making the job's directory: %w", err)
	}
	return &jobDir{path, lock}, nil
}

// remove removes the directory, also what a build made read-only.
func (d *jobDir) remove() error {
	d.lock.Close()
	return filecopy.Remove(d.path)
}

// RemoveDead removes the directories of jobs whose process died without doing so.
func RemoveDead(ctx context.Context, log *slog.Logger) {
	all, err := filepath.Glob(filepath.Join(os.TempDir(), jobDirs))
	if err != nil {
		return
	}
	for _, path := range all {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || ctx.Err() != nil {
			continue
		}
		if _, err := os.Stat(jobLock(path)); err != nil {
			if time.Since(info.ModTime()) < foreign {
				continue // of an older version, or one that is just being made
			}
		} else {
			lock, err := machine.TryLock(jobLock(path))
			if err != nil {
				continue // it lives, or it is another user's
			}
			lock.Close()
		}
		if err := filecopy.Remove(path); err != nil {
			log.WarnContext(ctx, "could not remove the directory of a job that died", "dir", path, "error", err)
			continue
		}
		log.InfoContext(ctx, "removed the directory of a job that died", "dir", path)
	}
}
