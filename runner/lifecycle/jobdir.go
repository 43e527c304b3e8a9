package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/filecopy"
	"github.com/waypoint-serverless/waypoint/runner/machine"
)

const (
	jobDirs = "waypoint-job-*"
	// deadDirs are those that are being removed: nobody's, whatever became of who removes them.
	deadDirs = "waypoint-dead-*"
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

// newJobDir makes a directory and locks it. Between the two, RemoveDead of a runner that starts just now may take it for
// that of a dead job; then another one is made.
func newJobDir() (*jobDir, error) {
	const tries = 10
	var last error
	for range tries {
		path, err := os.MkdirTemp("", jobDirs)
		if err != nil {
			return nil, fmt.Errorf("making the job's directory: %w", err)
		}
		lock, err := machine.TryLock(jobLock(path))
		if err == nil {
			return &jobDir{path, lock}, nil
		}
		last = err
		if !errors.Is(err, machine.ErrLocked) && !errors.Is(err, fs.ErrNotExist) {
			_ = os.RemoveAll(path)
			break
		}
	}
	return nil, fmt.Errorf("making the job's directory: %w", last)
}

// remove removes the directory, also what a build made read-only.
func (d *jobDir) remove() error {
	dead, err := setAside(d.path, d.lock)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing the job's directory: %w", err)
	}
	return filecopy.Remove(dead)
}

// RemoveDead removes the directories of jobs whose process died without doing so.
func RemoveDead(ctx context.Context, log *slog.Logger) {
	for _, path := range temporary(jobDirs) {
		if info, err := os.Lstat(path); err != nil || !info.IsDir() || ctx.Err() != nil || !isDead(path, info.ModTime()) {
			continue
		}
		log.InfoContext(ctx, "removing the directory of a job that died", "dir", path)
	}
	for _, path := range temporary(deadDirs) {
		if ctx.Err() != nil {
			return
		}
		if err := filecopy.Remove(path); err != nil {
			log.WarnContext(ctx, "could not remove the directory of a job that died", "dir", path, "error", err)
		}
	}
}

func temporary(pattern string) []string {
	all, _ := filepath.Glob(filepath.Join(os.TempDir(), pattern)) // fails for bad patterns only
	return all
}

// isDead reports whether the directory was that of a dead job, and has set it aside then.
func isDead(path string, changed time.Time) bool {
	if _, err := os.Stat(jobLock(path)); err != nil && time.Since(changed) < foreign {
		return false // of an older version, or one that is just being made
	}
	lock, err := machine.TryLock(jobLock(path))
	if err != nil {
		return false // it lives, or it is another user's
	}
	_, err = setAside(path, lock)
	return err == nil
}

// setAside renames a job's directory to one of deadDirs while the caller holds its lock, and gives the lock back. Whoever
// is about to lock the directory then finds it gone, and it is not removed under somebody's feet.
func setAside(path string, lock *machine.Lock) (dead string, err error) {
	name := strings.TrimPrefix(filepath.Base(path), strings.TrimSuffix(jobDirs, "*"))
	dead = filepath.Join(filepath.Dir(path), strings.TrimSuffix(deadDirs, "*")+name)
	err = os.Rename(path, dead)
	lock.Close()
	if err != nil {
		// Windows moves no directory with an open file in it; there, that keeps one safe that is being locked meanwhile.
		err = os.Rename(path, dead)
	}
	return dead, err
}
