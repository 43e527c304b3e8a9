//go:build unix

package entrypoint

import (
	"os"
	"path/filepath"
	"syscall"
)

// owner returns what gives a new file its owner. As root we do not know as whom the app will run in the end. The file
// belongs to whom the one that it replaces belonged to, else to whom the directory belongs to: an app that gives up
// root's rights can read what stands in its own directory.
func owner(path string) func(*os.File) error {
	keep := func(*os.File) error { return nil }
	if os.Getuid() != 0 {
		return keep
	}
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		for info, err = nil, os.ErrNotExist; err != nil; {
			parent := filepath.Dir(path)
			if parent == path {
				return keep
			}
			path = parent
			info, err = os.Stat(path)
		}
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return keep
	}
	return func(f *os.File) error { return f.Chown(int(stat.Uid), int(stat.Gid)) }
}
