package startfail

import "golang.org/x/sys/unix"

// mountedNoexec reports whether a file is on a file system from which nothing can be started.
func mountedNoexec(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0
}
