package git

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Head is the commit that a repository stands at.
type Head struct {
	Hash    string
	Time    time.Time
	Message string
	// Tags point at the commit, by name.
	Tags []string
}

// Head reads the commit that is checked out; ErrNoRepository or ErrNoCommit if there is none.
func (r Repo) Head(ctx context.Context) (Head, error) {
	// rev-list ignores the settings of `git log`; %D follows annotated tags to their commits.
	out, err := r.Output(ctx, nil, "rev-list", "--max-count=1", "--format=%H%n%ct%n%D%n%B", "HEAD", "--")
	if err != nil {
		return Head{}, err
	}
	// The first line is "commit <hash>", which older versions cannot leave out.
	lines := strings.SplitN(string(out), "\n", 5)
	if len(lines) < 5 {
		return Head{}, fmt.Errorf("git rev-list in %s answered %.80q", r.Dir, out)
	}
	seconds, err := strconv.ParseInt(lines[2], 10, 64)
	if err != nil {
		return Head{}, fmt.Errorf("git rev-list in %s answered the time %.80q", r.Dir, lines[2])
	}
	h := Head{Hash: lines[1], Time: time.Unix(seconds, 0), Message: lines[4]}
	for _, name := range strings.Split(lines[3], ", ") { // a name cannot contain a space
		if tag, ok := strings.CutPrefix(name, "tag: "); ok {
			h.Tags = append(h.Tags, tag)
		}
	}
	slices.Sort(h.Tags)
	return h, nil
}

// Changed reports whether the work tree differs from its commit: in tracked files, or also by files that are neither tracked
// nor ignored. A repository without a work tree does not differ.
func (r Repo) Changed(ctx context.Context, untracked bool) (bool, error) {
	// Files are compared by content when their times differ, through the filters that are configured.
	which := "--untracked-files=no"
	if untracked {
		which = "--untracked-files=normal"
	}
	out, err := r.Output(ctx, nil, "status", "--porcelain", which)
	if errors.Is(err, errNoWorkTree) {
		return false, nil
	}
	if errors.Is(err, errTooMuch) {
		return true, nil
	}
	return err == nil && len(out) > 0, err
}

// Remotes reads the URLs of the remotes as they are configured, the first of each.
func (r Repo) Remotes(ctx context.Context) (map[string]string, error) {
	// --list does not fail where there is none, as --get-regexp does.
	out, err := r.Output(ctx, nil, "config", "--list", "-z")
	if err != nil {
		return nil, err
	}
	remotes := map[string]string{}
	for _, entry := range strings.Split(string(out), "\x00") {
		key, value, _ := strings.Cut(entry, "\n")
		name, ok := strings.CutPrefix(key, "remote.")
		if !ok {
			continue
		}
		if name, ok = strings.CutSuffix(name, ".url"); ok && remotes[name] == "" {
			remotes[name] = value
		}
	}
	if len(remotes) == 0 {
		// git lists the user's configuration outside a repository, too.
		if _, err := r.Output(ctx, nil, "rev-parse", "--git-dir"); err != nil {
			return nil, err
		}
	}
	return remotes, nil
}
