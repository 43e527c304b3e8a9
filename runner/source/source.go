// Package source brings a job's files to this machine: from the directory that the CLI was started in, or from
// a git repository over file, https or ssh, with the git program.
//
// A fetched repository is foreign input: no hooks, no configuration of the machine, only the transports that its url
// needs, and bounds of time and size. Credentials stand in files that only the owner reads, while the fetch lasts; they
// are bound to the scheme, host and port that they were given for, and stand in no message, argument or environment.
// It reads sources and writes below the directory that it is given, and beside it.
package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Request says what to fetch.
type Request struct {
	Source *waypointv1.DataSource
	// Overrides of a git source by field name, the job's.
	Overrides map[string]string
	// LocalDir is the directory that a local source stands for; empty: this runner has none.
	LocalDir string
	// Dir is an empty directory that a git source is cloned into.
	Dir string
	// KnownHosts are files of known ssh hosts besides those of the source; nil means the user's and the system's.
	KnownHosts []string
	// Limits bound what a git source may cost.
	Limits Limits
}

// Fetched is a source on this machine.
type Fetched struct {
	// Dir holds the project: path.project.
	Dir string
	// Root is the checkout's root, or Dir.
	Root  string
	Ref   *waypointv1.SourceRef
	Local bool
	// Note is a short text about what was fetched.
	Note string
	// Warning says what is not known of a local directory; may be empty.
	Warning string
}

// Error is a source that could not be fetched, in words for a person.
type Error struct {
	Message, Hint string
	Cause         error
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Fetch brings the source here. It is safe to call again with an emptied directory.
func Fetch(ctx context.Context, r Request) (*Fetched, error) {
	git := r.Source.GetGit()
	if git == nil {
		return fetchLocal(ctx, r)
	}
	spec, err := override(git, r.Overrides)
	if err != nil {
		return nil, err
	}
	return fetchGit(ctx, spec, r)
}

// fetchLocal uses the directory in place.
func fetchLocal(ctx context.Context, r Request) (*Fetched, error) {
	if r.LocalDir == "" {
		return nil, &Error{
			Message: "the project's files are a local directory, which this runner cannot reach",
			Hint:    "Run the operation with --local, or give the project a git data source.",
		}
	}
	if len(r.Overrides) > 0 {
		return nil, &Error{
			Message: "a local directory has nothing to override",
			Hint:    "--remote-source needs a git data source and a remote run.",
		}
	}
	dir, err := filepath.Abs(r.LocalDir)
	if err != nil {
		return nil, fmt.Errorf("finding the source directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, &Error{Message: "the source directory cannot be read", Cause: err}
	}
	if !info.IsDir() {
		return nil, &Error{Message: dir + " is not a directory"}
	}
	ref, warning := localRef(ctx, dir)
	return &Fetched{Dir: dir, Root: dir, Ref: ref, Local: true, Note: "local directory", Warning: warning}, nil
}
