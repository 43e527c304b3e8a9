package filecopy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Options of a copy of a tree.
type Options struct {
	// Skip reports whether an entry is left out; it may return fs.SkipDir for a whole directory. A file below a
	// directory that is left out without fs.SkipDir is copied, with the directories that lead to it. nil: nothing is.
	Skip func(rel string, d fs.DirEntry) (bool, error)
	// Render returns the content of a file's copy; nil: the copies are equal.
	Render func(path, rel string) ([]byte, error)
	// Owned lets the owner read and change everything in the copy, whatever the source's modes are: for output that
	// its maker removes again.
	Owned bool
}

// Result of a copy.
type Result struct {
	// Files counts files and links.
	Files int
	// LeftOut names what cannot be copied, each with what it is: "run/app.sock (a socket)".
	LeftOut []string
}

// OutsideLink is the refusal of a relative link that leads out of what is copied: its copy would lead nowhere.
type OutsideLink struct{ Link, Target, Root string }

func (e *OutsideLink) Error() string {
	return fmt.Sprintf("the symbolic link %s points to %s, which is outside %s: its copy would be broken", e.Link, e.Target, e.Root)
}

// Tree copies the directory from to the directory to. If to does not exist, it appears whole, by one rename. If it
// exists, the copy is made aside, on the same file system, and then moved in entry by entry; when that fails, what was
// moved is taken back. What is in to and not in from stays. Files, links and empty directories are replaced; a link is
// never written through. A directory with content is not replaced by a file.
//
// Regular files, directories and links are copied. A file with several names becomes several files; setuid and
// setgid are not given to files. Absolute links are kept, but one that leads into from becomes relative, so that the
// copy does not depend on its source. Relative links that lead out of from are refused, as an *OutsideLink.
//
// to may lie inside from: it is not copied into itself.
func Tree(from, to string, o Options) (Result, error) {
	c, err := begin(from, to, o)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = Remove(c.stage) }()
	if err := c.fill(); err != nil {
		return Result{}, err
	}
	return c.result, c.publish()
}

// entry is one thing of the copy.
type entry struct {
	rel  string
	dir  bool
	mode fs.FileMode
	at   time.Time
}

type copier struct {
	// from, its second name if it was given by a link, and to.
	from, given, to string
	target          fs.FileInfo // of to; nil if it does not exist
	mode            fs.FileMode // of from
	stage           string
	options         Options
	// entries in the order in which they were made: parents before children.
	entries []entry
	made    map[string]bool // directories
	result  Result
}

// begin checks both ends and makes the directory in which the copy is made.
func begin(from, to string, o Options) (*copier, error) {
	given, err := filepath.Abs(from)
	if err != nil {
		return nil, err
	}
	if to, err = filepath.Abs(to); err != nil {
		return nil, err
	}
	c := &copier{given: given, to: to, options: o, made: map[string]bool{".": true}}
	if c.from, err = filepath.EvalSymlinks(given); err != nil {
		return nil, err
	}
	source, err := os.Stat(c.from)
	if err != nil {
		return nil, err
	}
	if !source.IsDir() {
		return nil, &fs.PathError{Op: "copy", Path: from, Err: errors.New("it is not a directory")}
	}
	c.mode = c.dirMode(source)
	aside := filepath.Dir(to)
	switch c.target, err = os.Stat(to); {
	case err == nil && !c.target.IsDir():
		return nil, &fs.PathError{Op: "copy", Path: to, Err: errors.New("it exists and is not a directory")}
	case err == nil && os.SameFile(source, c.target):
		return nil, fmt.Errorf("%s would be copied onto itself", from)
	case err == nil:
		aside = to // which may be a file system of its own
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if err := os.MkdirAll(aside, 0o755); err != nil {
		return nil, err
	}
	removeStale(aside)
	c.stage, err = os.MkdirTemp(aside, temporary+"*")
	return c, err
}

// fill makes the copy in the stage.
func (c *copier) fill() error {
	return filepath.WalkDir(c.from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(c.from, path)
		if err != nil || rel == "." {
			return err
		}
		if c.own(path, d) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if c.options.Skip != nil {
			if skip, err := c.options.Skip(rel, d); skip || err != nil {
				return err
			}
		}
		if err := c.copyEntry(path, rel, d); err != nil {
			return fmt.Errorf("copying %s: %w", rel, err)
		}
		return nil
	})
}

// own reports whether an entry is what a copy writes: this one, or another.
func (c *copier) own(path string, d fs.DirEntry) bool {
	if strings.HasPrefix(d.Name(), temporary) || path == c.to {
		return true
	}
	if c.target == nil || !d.IsDir() {
		return false
	}
	info, err := d.Info()
	return err == nil && os.SameFile(info, c.target)
}

func (c *copier) copyEntry(path, rel string, d fs.DirEntry) error {
	if d.IsDir() {
		return c.makeDir(rel)
	}
	kind := d.Type()
	if kind != 0 && kind != fs.ModeSymlink {
		c.result.LeftOut = append(c.result.LeftOut, fmt.Sprintf("%s (%s)", rel, kindName(kind)))
		return nil
	}
	if err := c.makeDir(filepath.Dir(rel)); err != nil {
		return err
	}
	c.result.Files++
	if kind == fs.ModeSymlink {
		return c.copyLink(path, rel)
	}
	return c.copyFile(path, rel)
}

func kindName(kind fs.FileMode) string {
	switch {
	case kind&fs.ModeSocket != 0:
		return "a socket"
	case kind&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case kind&fs.ModeDevice != 0:
		return "a device"
	}
	return "not a regular file"
}

// makeDir makes a directory and those above it, open to us until everything stands in it.
func (c *copier) makeDir(rel string) error {
	if c.made[rel] {
		return nil
	}
	if err := c.makeDir(filepath.Dir(rel)); err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(c.from, rel))
	if err != nil {
		return err
	}
	path := filepath.Join(c.stage, rel)
	if err := os.Mkdir(path, 0o700); err != nil {
		return sameName(err)
	}
	mode := c.dirMode(info)
	if made, err := os.Stat(path); err == nil {
		mode |= made.Mode() & fs.ModeSetgid // inherited from the target
	}
	c.made[rel] = true
	c.entries = append(c.entries, entry{rel: rel, dir: true, mode: mode, at: info.ModTime()})
	return tolerant(os.Chmod(path, mode|0o700))
}

func (c *copier) dirMode(info fs.FileInfo) fs.FileMode {
	mode := info.Mode() & (fs.ModePerm | fs.ModeSetgid | fs.ModeSticky)
	if c.options.Owned {
		mode |= 0o700
	}
	return mode
}

func (c *copier) copyFile(path, rel string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	write := func(out io.Writer) error {
		_, err := io.Copy(out, in)
		return err
	}
	at := info.ModTime()
	if c.options.Render != nil {
		content, err := c.options.Render(path, rel)
		if err != nil {
			return err
		}
		write = func(out io.Writer) error {
			_, err := out.Write(content)
			return err
		}
		at = time.Time{} // what it was made of is not the template alone
	}
	mode := info.Mode().Perm()
	if c.options.Owned {
		mode |= 0o600
	}
	out, err := os.OpenFile(filepath.Join(c.stage, rel), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return sameName(err)
	}
	c.entries = append(c.entries, entry{rel: rel})
	return finish(out, mode, at, write(out))
}

func (c *copier) copyLink(path, rel string) error {
	target, err := os.Readlink(path)
	if err != nil {
		return err
	}
	if filepath.IsAbs(target) {
		target = c.relative(target, rel)
	} else if !filepath.IsLocal(filepath.Join(filepath.Dir(rel), target)) {
		return &OutsideLink{Link: rel, Target: target, Root: c.given}
	}
	if err := os.Symlink(target, filepath.Join(c.stage, rel)); err != nil {
		return sameName(err)
	}
	c.entries = append(c.entries, entry{rel: rel})
	return nil
}

// relative makes an absolute target relative to the link if it leads into what is copied.
func (c *copier) relative(target, link string) string {
	for _, root := range []string{c.from, c.given} {
		inside, err := filepath.Rel(root, target)
		if err != nil || !filepath.IsLocal(inside) {
			continue
		}
		if short, err := filepath.Rel(filepath.Dir(link), inside); err == nil {
			return short
		}
	}
	return target
}

// sameName explains that something new is there already: two names differ for the source's file system only.
func sameName(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: the file system of the copy does not distinguish its name from another one's (upper and lower case)", err)
	}
	return err
}
