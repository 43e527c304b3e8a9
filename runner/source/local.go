package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/git"
)

// localBound limits how long a job waits for the state of its directory. git answers for 100,000 files in less; a tree that
// takes longer is used without its commit, and that is told.
const localBound = 20 * time.Second

// localRef reads which commit a local directory stands at; nil outside git, or before the first commit. A warning says why
// there is none although the directory is in a repository.
func localRef(ctx context.Context, dir string) (ref *waypointv1.SourceRef, warning string) {
	if !inRepository(dir) {
		return nil, "" // also where git is not installed: nobody misses it
	}
	ctx, cancel := context.WithTimeoutCause(ctx, localBound, &git.Error{Message: "git did not answer within " + localBound.String()})
	defer cancel()
	repo := git.Repo{Dir: dir}
	type state struct {
		changed bool
		err     error
	}
	asked := make(chan state, 1)
	go func() { // both questions at once: each costs a process
		changed, err := repo.Changed(ctx, true)
		asked <- state{changed, err}
	}()
	head, err := repo.Head(ctx)
	now := <-asked
	switch {
	case errors.Is(err, git.ErrNoRepository), errors.Is(err, git.ErrNoCommit):
		return nil, ""
	case err != nil:
		return nil, "The job is recorded without a commit: " + git.InOneLine(err).Error()
	}
	ref = &waypointv1.SourceRef{
		Commit: head.Hash, CommitMessage: subject(head.Message), CommitTimeUnix: head.Time.Unix(), Dirty: now.changed,
	}
	if now.err != nil {
		warning = "Whether the directory has uncommitted changes is not known: " + git.InOneLine(now.err).Error()
	}
	return ref, warning
}

// inRepository reports whether dir, or a directory above it, holds a .git.
func inRepository(dir string) bool {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return false
		}
		dir = parent
	}
}
