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
)

// File is the name of the file with the patterns; it stands at the root of what is copied.
const File = ".waypointignore"

// always is left out of every copy: history is not part of an app, and can be large.
const always = ".git"

// Rules are the patterns of one directory.
type Rules struct {
	matcher *patternmatcher.PatternMatcher
}

// Load reads the rules of a directory. Without a File only .git is left out.
func Load(dir string) (*Rules, error) {
	path := filepath.Join(dir, File)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Parse(strings.NewReader(""))
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", File, err)
	}
	defer func() { _ = f.Close() }()
	return Parse(f)
}

// Parse reads rules: a pattern a line, '#' starts a comment line, '!' takes a file back in.
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

// Ignored says whether a file is left out. path is relative to the rules' directory.
func (r *Rules) Ignored(path string) (bool, error) {
	return r.matcher.MatchesOrParentMatches(filepath.ToSlash(path))
}

// Copy copies the directory from to the directory to, which it makes: regular files with their permissions,
// directories and symbolic links, and nothing else. Links that lead out of from are refused, and to may lie inside
// from: it is not copied into itself.
func (r *Rules) Copy(from, to string) (files int, err error) {
	from, err = filepath.Abs(from)
	if err != nil {
		return 0, err
	}
	to, err = filepath.Abs(to)
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return 0, err
	}
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil || rel == "." {
			return err
		}
		if path == to {
			return filepath.SkipDir
		}
		skip, err := r.skip(rel, d)
		if skip || err != nil {
			return err
		}
		if !d.IsDir() {
			files++
		}
		return copyEntry(from, path, filepath.Join(to, rel), d)
	})
	return files, err
}

// skip says whether an entry is left out; a whole directory is, unless a pattern could take something inside back in.
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

func copyEntry(root, from, to string, d fs.DirEntry) error {
	switch {
	case d.IsDir():
		return os.MkdirAll(to, 0o755)
	case d.Type()&fs.ModeSymlink != 0:
		return copyLink(root, from, to)
	case d.Type().IsRegular():
		return copyFile(from, to)
	}
	return nil // sockets, devices and pipes are no part of an app
}

func copyLink(root, from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	inside := target
	if !filepath.IsAbs(target) {
		inside = filepath.Join(filepath.Dir(from), target)
	}
	rel, err := filepath.Rel(root, inside)
	if err != nil || filepath.IsAbs(target) || !filepath.IsLocal(rel) {
		return fmt.Errorf("the symbolic link %s leads out of %s", from, root)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, to)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	// A directory that is left out can hold a file that is taken back in.
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return fmt.Errorf("copying %s: %w", from, err)
	}
	return out.Close()
}
