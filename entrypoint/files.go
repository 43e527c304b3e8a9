package entrypoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/waypoint-serverless/waypoint/internal/filecopy"
)

// defaultFileMode of configuration files, which may hold secrets. An app that gives up its rights before it reads them
// is given another mode with EnvFileMode, or a directory of its own (see owner).
const defaultFileMode = 0o600

// files are the app's configuration files. Paths are relative to the working directory; absolute ones and ones that
// lead out of it are allowed, as in Waypoint: who may set an app's configuration may run anything as the app anyway.
type files struct {
	mode fs.FileMode
	// written is what stands where; a file that could not be replaced has its old content here.
	written map[string]string
}

// apply writes the files that are not as they should be and removes those that are no longer wanted. changed reports
// whether any was. A file that cannot be written is a sentence in problems, keeps no other from being written, and is
// tried again by the next call.
func (f *files) apply(now map[string]string) (changed bool, problems []string) {
	if f.written == nil {
		f.written = map[string]string{}
	}
	for path, content := range now {
		if old, had := f.written[path]; had && old == content {
			continue
		}
		if err := writeFile(path, []byte(content), f.mode); err != nil {
			problems = append(problems, fmt.Sprintf("the configuration file %s cannot be written: %v", path, bare(err)))
			continue
		}
		f.written[path] = content
		changed = true
	}
	for path := range f.written {
		if _, still := now[path]; still {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, fmt.Sprintf("the configuration file %s, which is no longer set, cannot be removed: %v", path, bare(err)))
			continue
		}
		delete(f.written, path)
		changed = true
	}
	slices.Sort(problems)
	return changed, problems
}

// bare is what the system said, without the name of the temporary file that it was about.
func bare(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// writeFile replaces a file in one step. Where that cannot be (the file is a mount point, or stands in a directory that
// we cannot write to), it writes in place.
func writeFile(path string, content []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	chown := owner(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err := filecopy.Write(path, content, mode, chown)
	if err == nil || !onlyInPlace(err) {
		return err
	}
	if info, statErr := os.Stat(path); statErr != nil || !info.Mode().IsRegular() {
		return err
	}
	if err := os.WriteFile(path, content, mode); err != nil {
		return err
	}
	_ = os.Chmod(path, mode) // of somebody else's file, which we may write to, it cannot be changed
	return nil
}

// onlyInPlace reports whether a file could not be replaced for a reason that may not keep it from being written. A full
// disk is not one: the old content would be lost, too.
func onlyInPlace(err error) bool {
	for _, reason := range []error{fs.ErrPermission, syscall.EROFS, syscall.EBUSY, syscall.EXDEV} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}
