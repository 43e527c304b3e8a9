//go:build !windows

package doctor

import (
	xunix "golang.org/x/sys/unix"
)

// freeBytes is how much this user may still write below a directory.
func freeBytes(dir string) (uint64, error) {
	var s xunix.Statfs_t
	if err := xunix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil //nolint:gosec,unconvert // the types differ between systems; neither is negative
}
