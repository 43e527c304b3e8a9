// Package filecopy copies files and directory trees for every component: what the process plugin keeps and deploys,
// what the files plugin publishes, what templates render, and the configuration files of apps.
//
// One rule holds everywhere. A file is written beside its place and renamed into it, so that a reader sees the old
// content or the new one, whole, and a program that runs keeps its own. Mode and modification time follow the source,
// also when the target exists, and no umask cuts them. Directories keep their mode, and get it after they have been
// filled. Symbolic links are copied as links. A tree arrives whole or not at all.
//
// It uses the standard library only, because the entrypoint links it. It does not depend on ignore files, apps or jobs.
package filecopy

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// temporary is how names begin under which something is being written.
const temporary = ".waypoint-copy-"

// File copies a regular file, or what a link leads to, with its mode and modification time.
func File(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "copy", Path: from, Err: errors.New("it is not a regular file")}
	}
	return replace(to, info.Mode().Perm(), info.ModTime(), func(out *os.File) error {
		_, err := io.Copy(out, in)
		return err
	})
}

// Write replaces a file's content in one step. The mode is the file's whatever the umask is. prepare, if given, is called
// with the new file before it takes the old one's place.
func Write(path string, content []byte, mode fs.FileMode, prepare ...func(*os.File) error) error {
	return replace(path, mode.Perm(), time.Time{}, func(out *os.File) error {
		_, err := out.Write(content)
		for _, f := range prepare {
			if err == nil {
				err = f(out)
			}
		}
		return err
	})
}

// replace writes a file beside path and renames it. When it fails, path is what it was, and nothing is left beside it.
func replace(path string, mode fs.FileMode, at time.Time, write func(*os.File) error) error {
	out, err := os.CreateTemp(filepath.Dir(path), temporary+"*")
	if err != nil {
		return err
	}
	if err = finish(out, mode, at, write(out)); err == nil {
		err = rename(out.Name(), path)
	}
	if err != nil {
		_ = os.Remove(out.Name())
	}
	return err
}

// finish closes a file that was written and gives it its mode and its time; at zero: now.
func finish(out *os.File, mode fs.FileMode, at time.Time, written error) error {
	if written == nil {
		written = tolerant(out.Chmod(mode))
	}
	if err := errors.Join(written, out.Close()); err != nil {
		return err
	}
	return setTime(out.Name(), at)
}

func setTime(path string, at time.Time) error {
	if at.IsZero() {
		return nil
	}
	return tolerant(os.Chtimes(path, at, at))
}

// tolerant takes the refusal of a mode or time for success: the file is ours, so the refusal means that its file
// system has no such thing (FAT, some network shares).
func tolerant(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
