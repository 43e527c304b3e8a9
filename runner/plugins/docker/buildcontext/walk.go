// Package buildcontext reads the directory that an image is built from: which files of it a build may see, by
// .dockerignore's rules, in an order that is always the same, and as the tar archive that the Docker engine takes.
package buildcontext

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"github.com/moby/patternmatcher"
)

// Dir is a directory that is sent to an engine.
type Dir struct {
	// Root is where it is.
	Root string
	// Names are the files to send under another name or from elsewhere: name in the directory to a path. With any of
	// them nothing else is sent.
	Names map[string]string
}

// Filter says what of a directory is taken: patterns as .dockerignore has them. No Include: everything.
type Filter struct{ Include, Exclude []string }

// Entry is a file, directory or symbolic link.
type Entry struct {
	// Name in the directory, with slashes; Path on this machine.
	Name, Path string
	Info       fs.FileInfo
	// Link is where a symbolic link leads.
	Link string
}

// Walk calls visit for what the filter takes of the directory, parents before children and names in order, so that the
// same directory is always told the same way. Sockets, pipes and devices are left out.
func (d Dir) Walk(f Filter, visit func(Entry) error) error {
	include, err := matcher(f.Include)
	if err != nil {
		return err
	}
	exclude, err := matcher(f.Exclude)
	if err != nil {
		return err
	}
	if d.Names != nil {
		return d.named(include, visit)
	}
	w := &walker{root: d.Root, include: include, exclude: exclude, visit: visit}
	return filepath.WalkDir(d.Root, w.step)
}

// named visits the named files alone.
func (d Dir) named(include *patternmatcher.PatternMatcher, visit func(Entry) error) error {
	names := make([]string, 0, len(d.Names))
	for name := range d.Names {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if include != nil {
			if wanted, err := include.MatchesOrParentMatches(name); err != nil || !wanted {
				continue
			}
		}
		info, err := os.Stat(d.Names[name])
		if err != nil {
			return err
		}
		if err := visit(Entry{Name: name, Path: d.Names[name], Info: info}); err != nil {
			return err
		}
	}
	return nil
}

func matcher(patterns []string) (*patternmatcher.PatternMatcher, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("a pattern of .dockerignore is not right: %w", err)
	}
	return m, nil
}

type walker struct {
	root             string
	include, exclude *patternmatcher.PatternMatcher
	visit            func(Entry) error
	// waiting are directories that are told only if something below them is.
	waiting []Entry
}

func (w *walker) step(at string, d fs.DirEntry, err error) error {
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && at != w.root {
			return nil // gone since its directory was read
		}
		return err
	}
	rel, err := filepath.Rel(w.root, at)
	if err != nil || rel == "." {
		return err
	}
	for len(w.waiting) > 0 && !strings.HasPrefix(filepath.ToSlash(rel), w.waiting[len(w.waiting)-1].Name+"/") {
		w.waiting = w.waiting[:len(w.waiting)-1]
	}
	wanted, below, err := w.wants(rel, d.IsDir())
	if err != nil {
		return err
	}
	if !wanted && !below {
		if d.IsDir() {
			return filepath.SkipDir
		}
		return nil
	}
	entry, ok, err := entryOf(filepath.ToSlash(rel), at, d)
	if err != nil || !ok {
		return err
	}
	if !wanted {
		w.waiting = append(w.waiting, entry)
		return nil
	}
	for _, parent := range w.waiting {
		if err := w.visit(parent); err != nil {
			return err
		}
	}
	w.waiting = nil
	return w.visit(entry)
}

// wants reports whether the path itself is wanted, and of a directory whether something below it may be.
func (w *walker) wants(rel string, dir bool) (wanted, below bool, err error) {
	wanted, below = true, dir
	if w.include != nil {
		if wanted, err = w.include.MatchesOrParentMatches(rel); err != nil {
			return false, false, err
		}
		below = dir && (wanted || mayMatchBelow(w.include, filepath.ToSlash(rel), false))
	}
	if w.exclude != nil && (wanted || below) {
		out, err := w.exclude.MatchesOrParentMatches(rel)
		if err != nil {
			return false, false, err
		}
		if out {
			wanted = false
			below = below && mayMatchBelow(w.exclude, filepath.ToSlash(rel), true)
		}
	}
	return wanted, below, nil
}

// mayMatchBelow reports whether a pattern may match something below the directory: one that begins with it, or has a
// wildcard, which may stand for anything.
func mayMatchBelow(m *patternmatcher.PatternMatcher, dir string, exceptions bool) bool {
	for _, p := range m.Patterns() {
		if p.Exclusion() != exceptions {
			continue
		}
		text := filepath.ToSlash(p.String())
		if strings.ContainsAny(text, "*?[\\") || strings.HasPrefix(text+"/", dir+"/") {
			return true
		}
	}
	return false
}

// entryOf reads what an entry is; false for what is not sent.
func entryOf(name, at string, d fs.DirEntry) (Entry, bool, error) {
	info, err := d.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return Entry{}, false, nil
	}
	if err != nil {
		return Entry{}, false, err
	}
	e := Entry{Name: name, Path: at, Info: info}
	switch mode := info.Mode(); {
	case mode.IsRegular(), mode.IsDir():
	case mode&fs.ModeSymlink != 0:
		if e.Link, err = os.Readlink(at); err != nil {
			return Entry{}, false, err
		}
		e.Link = filepath.ToSlash(e.Link)
	default:
		return Entry{}, false, nil
	}
	return e, true, nil
}

// Follow gives the patterns of paths together with where symbolic links on their way lead, as far as that is inside the
// root: an instruction that copies a link's target needs it as well.
func Follow(root string, paths []string) []string {
	var out []string
	seen := map[string]bool{}
	var add func(p string, depth int)
	add = func(p string, depth int) {
		p = strings.TrimPrefix(path.Clean("/"+filepath.ToSlash(p)), "/")
		if p == "" {
			p = "."
		}
		if seen[p] || depth > 40 {
			return
		}
		seen[p] = true
		out = append(out, p)
		parts := strings.Split(p, "/")
		for i := range parts {
			head := path.Join(parts[:i+1]...)
			found := []string{head}
			if strings.ContainsAny(parts[i], "*?[") {
				full, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(head)))
				if err != nil {
					continue
				}
				found = found[:0]
				for _, f := range full {
					if rel, err := filepath.Rel(root, f); err == nil {
						found = append(found, filepath.ToSlash(rel))
					}
				}
			}
			for _, f := range found {
				target, err := os.Readlink(filepath.Join(root, filepath.FromSlash(f)))
				if err != nil {
					continue // no link
				}
				add(f, depth+1)
				if target = filepath.ToSlash(target); !path.IsAbs(target) {
					target = path.Join(path.Dir("/"+f), target)
				}
				add(path.Join(append([]string{target}, parts[i+1:]...)...), depth+1)
			}
		}
	}
	for _, p := range paths {
		add(p, 0)
	}
	return out
}
