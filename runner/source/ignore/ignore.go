// Package ignore decides which files of a source are left out when files are copied: those that its
// .waypointignore names, with the syntax of a .dockerignore, and .git.
package ignore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/waypoint-serverless/waypoint/internal/filecopy"
)

// File is the name of the file with the patterns; it stands at the root of what is copied.
const File = ".waypointignore"

// always is left out of every copy: history is not part of an app, and can be large.
const always = ".git"

// Rules are the patterns of one directory.
type Rules struct {
	matcher *patternmatcher.PatternMatcher
	// loaded: they are a directory's own, so that its File can name more.
	loaded bool
}

// Load reads the rules of a directory. Without a File only .git is left out.
func Load(dir string) (*Rules, error) {
	path := filepath.Join(dir, File)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return own(Parse(strings.NewReader("")))
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", File, err)
	}
	defer func() { _ = f.Close() }()
	return own(Parse(f))
}

func own(r *Rules, err error) (*Rules, error) {
	if r != nil {
		r.loaded = true
	}
	return r, err
}

// Parse reads rules: a pattern a line, '#' starts a comment line, '!' includes a file again.
func Parse(r io.Reader) (*Rules, error) {
	patterns, err := ignorefile.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", File, err)
	}
	matcher, err := patternmatcher.New(append([]string{always}, patterns...))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", File, err)
	}
	return &Rules{matcher: matcher}, nil
}

// Ignored reports whether a file is left out. path is relative to the rules' directory.
func (r *Rules) Ignored(path string) (bool, error) {
	return r.matcher.MatchesOrParentMatches(filepath.ToSlash(path))
}

// Copy copies the directory from to the directory to, less what the rules leave out, as filecopy.Tree does.
func (r *Rules) Copy(from, to string) (filecopy.Result, error) {
	result, err := filecopy.Tree(from, to, filecopy.Options{Skip: r.skip})
	if outside := (*filecopy.OutsideLink)(nil); errors.As(err, &outside) {
		what := "put what it leads to into that directory, or make the link absolute"
		if r.loaded {
			what += ", or name the link in " + File
		}
		err = fmt.Errorf("%w; %s", err, what)
	}
	return result, err
}

// skip reports whether an entry is left out; a whole directory is, unless a pattern could take something inside back in.
func (r *Rules) skip(rel string, d fs.DirEntry) (bool, error) {
	ignored, err := r.Ignored(rel)
	if err != nil || !ignored {
		return false, err
	}
	if d.IsDir() && (rel == always || !r.matcher.Exclusions()) {
		return true, filepath.SkipDir
	}
	return true, nil
}
