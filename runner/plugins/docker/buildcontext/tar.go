package buildcontext

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/moby/patternmatcher/ignorefile"
)

// IgnoreFile is the name of the file that says what a build may not see.
const IgnoreFile = ".dockerignore"

// Ignored reads what a build from root with that Dockerfile may not see: the patterns of DOCKERFILE.dockerignore if it
// is there, else those of .dockerignore in root.
func Ignored(root, dockerfile string) ([]string, error) {
	for _, path := range []string{dockerfile + IgnoreFile, filepath.Join(root, IgnoreFile)} {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		patterns, err := ignorefile.ReadAll(f)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		return patterns, nil
	}
	return nil, nil
}

// File is a file that is put into an archive besides those of the directory.
type File struct {
	Name    string
	Content []byte
	Mode    int64
}

// Tar writes the directory as an archive, with the given files in the place of those of their names. Owner and group
// are root's; times are the files' own, to the second: apps serve them as Last-Modified.
func Tar(w io.Writer, d Dir, f Filter, files ...File) error {
	out := tar.NewWriter(w)
	replaced := map[string]bool{}
	for _, file := range files {
		replaced[file.Name] = true
		h := &tar.Header{Typeflag: tar.TypeReg, Name: file.Name, Mode: file.Mode, Size: int64(len(file.Content))}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if _, err := out.Write(file.Content); err != nil {
			return err
		}
	}
	if d.Root != "" {
		if err := d.Walk(f, func(e Entry) error {
			if replaced[e.Name] {
				return nil
			}
			return add(out, e)
		}); err != nil {
			return err
		}
	}
	return out.Close()
}

func add(out *tar.Writer, e Entry) error {
	mode := e.Info.Mode()
	h, err := tar.FileInfoHeader(e.Info, e.Link)
	if err != nil {
		return err
	}
	*h = tar.Header{Typeflag: h.Typeflag, Name: e.Name, Linkname: h.Linkname, Size: h.Size, Mode: h.Mode, ModTime: h.ModTime.Truncate(1e9)}
	if mode.IsDir() && !strings.HasSuffix(h.Name, "/") {
		h.Name += "/"
	}
	if runtime.GOOS == "windows" && mode&fs.ModeSymlink == 0 {
		h.Mode |= 0o755 // the file system does not know what is executable
	}
	if !mode.IsRegular() {
		return out.WriteHeader(h)
	}
	f, err := os.Open(e.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := out.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(f, h.Size)) // it may have grown since
	if err == nil && n < h.Size {
		err = fmt.Errorf("%s became shorter while it was read", e.Path)
	}
	return err
}
