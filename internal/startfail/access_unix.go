//go:build unix

package startfail

import "golang.org/x/sys/unix"

// mayExecute reports whether this user may execute a file, or enter a directory.
func mayExecute(path string) bool { return unix.Access(path, unix.X_OK) == nil }
