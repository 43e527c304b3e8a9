package filecopy

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// staleAfter is the age at which an unfinished copy is taken for one whose process was killed. No copy takes a day.
const staleAfter = 24 * time.Hour

// Remove removes a tree, also where directories in it cannot be written to. Nothing there is fine.
func Remove(path string) error {
	err := os.RemoveAll(path)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(path, func(dir string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			// Before its content is read: a directory that cannot be read can be made readable by its owner.
			_ = os.Chmod(dir, 0o700)
		}
		return nil
	})
	return os.RemoveAll(path)
}

// removeStale removes what copies that were killed have left in a directory.
func removeStale(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), temporary) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > staleAfter {
			_ = Remove(filepath.Join(dir, e.Name()))
		}
	}
}
