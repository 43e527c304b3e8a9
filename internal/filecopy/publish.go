package filecopy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// publish moves the finished copy to its place.
func (c *copier) publish() error {
	if c.target != nil {
		return c.merge()
	}
	c.settle(c.stage)
	if err := tolerant(os.Chmod(c.stage, c.mode)); err != nil {
		return err
	}
	err := rename(c.stage, c.to)
	if target, statErr := os.Stat(c.to); err != nil && statErr == nil && target.IsDir() {
		c.reopen() // somebody made it meanwhile
		return c.merge()
	}
	return err
}

// reopen undoes settle in the stage: a directory that cannot be written to cannot be moved to another one.
func (c *copier) reopen() {
	_ = os.Chmod(c.stage, 0o700)
	for _, e := range c.entries {
		if e.dir {
			_ = os.Chmod(filepath.Join(c.stage, e.rel), e.mode|0o700)
		}
	}
}

// settle gives directories their mode and time, the deepest first.
func (c *copier) settle(root string) {
	for i := len(c.entries) - 1; i >= 0; i-- {
		if e := c.entries[i]; e.dir {
			path := filepath.Join(root, e.rel)
			_ = os.Chmod(path, e.mode)
			_ = setTime(path, e.at)
		}
	}
}

// merge moves the copy into a directory that exists, or leaves that as it was.
func (c *copier) merge() error {
	if err := c.check(); err != nil {
		return err
	}
	undo := &journal{dir: filepath.Join(c.stage, temporary+"replaced")}
	if err := os.Mkdir(undo.dir, 0o700); err != nil {
		return err
	}
	moved := "" // a directory that was moved with all that is in it
	for _, e := range c.entries {
		if moved != "" && strings.HasPrefix(e.rel, moved) {
			continue
		}
		whole, err := c.move(e, undo)
		if err != nil {
			return errors.Join(fmt.Errorf("copying %s: %w", e.rel, err), undo.takeBack())
		}
		if whole {
			moved = e.rel + string(filepath.Separator)
		}
	}
	c.settle(c.to)
	return nil
}

// check finds what would be in the way before anything is moved.
func (c *copier) check() error {
	for _, e := range c.entries {
		target := filepath.Join(c.to, e.rel)
		old, err := os.Lstat(target)
		if err != nil || !old.IsDir() || e.dir {
			continue
		}
		if content, err := os.ReadDir(target); err != nil || len(content) > 0 {
			return fmt.Errorf("%s is a directory that is not empty, and the copy has a file or link of that name: remove the directory", target)
		}
	}
	return nil
}

// move puts one entry in its place. whole: it is a directory and was moved with what is in it.
func (c *copier) move(e entry, undo *journal) (whole bool, err error) {
	from, to := filepath.Join(c.stage, e.rel), filepath.Join(c.to, e.rel)
	old, err := os.Lstat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		undo.made(to)
		return e.dir, transfer(from, to)
	case err != nil:
		return false, err
	case e.dir && old.IsDir():
		return false, undo.open(to, old)
	case e.dir || old.IsDir():
		if err := undo.takeAway(to); err != nil {
			return false, err
		}
		return e.dir, transfer(from, to)
	}
	if err := undo.keep(to, old); err != nil {
		return false, err
	}
	return false, transfer(from, to)
}

// transfer renames, or copies where a part of the target is another file system.
func transfer(from, to string) error {
	err := rename(from, to)
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		_, err = Tree(from, to, Options{})
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return replaceLink(from, to)
	}
	return File(from, to)
}

func replaceLink(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	beside := filepath.Join(filepath.Dir(to), temporary+strconv.FormatInt(time.Now().UnixNano(), 36))
	if err := os.Symlink(target, beside); err != nil {
		return err
	}
	if err := rename(beside, to); err != nil {
		_ = os.Remove(beside)
		return err
	}
	return nil
}

// journal remembers what a merge did, so that it can be taken back.
type journal struct {
	dir   string
	count int
	steps []func() error
}

func (j *journal) takeBack() error {
	var all []error
	for i := len(j.steps) - 1; i >= 0; i-- {
		all = append(all, j.steps[i]())
	}
	if err := errors.Join(all...); err != nil {
		return fmt.Errorf("removing the copy, which is now incomplete: %w", err)
	}
	return nil
}

// made notes something that did not exist before.
func (j *journal) made(path string) {
	j.steps = append(j.steps, func() error { return Remove(path) })
}

// open makes sure that a directory that is there can be written to.
func (j *journal) open(path string, old fs.FileInfo) error {
	if old.Mode().Perm()&0o700 == 0o700 {
		return nil
	}
	j.steps = append(j.steps, func() error { return os.Chmod(path, old.Mode()) })
	return os.Chmod(path, old.Mode()|0o700)
}

// keep keeps what is about to be replaced under a second name; it stays visible meanwhile. Where there are no hard
// links it is taken away.
func (j *journal) keep(path string, old fs.FileInfo) error {
	backup := j.next()
	if old.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		if err := os.Symlink(target, backup); err != nil {
			return err
		}
	} else if err := os.Link(path, backup); err != nil {
		return j.moveTo(backup, path)
	}
	j.steps = append(j.steps, func() error { return rename(backup, path) })
	return nil
}

// takeAway moves what is about to be replaced by something of another kind.
func (j *journal) takeAway(path string) error { return j.moveTo(j.next(), path) }

func (j *journal) moveTo(backup, path string) error {
	err := rename(path, backup)
	if errors.Is(err, syscall.EXDEV) {
		backup = filepath.Join(filepath.Dir(path), filepath.Base(j.dir)+filepath.Base(backup))
		err = rename(path, backup)
	}
	if err != nil {
		return err
	}
	j.steps = append(j.steps, func() error { return errors.Join(Remove(path), rename(backup, path)) })
	return nil
}

func (j *journal) next() string {
	j.count++
	return filepath.Join(j.dir, strconv.Itoa(j.count))
}
