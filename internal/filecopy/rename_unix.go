//go:build !windows

package filecopy

import "os"

func rename(from, to string) error { return os.Rename(from, to) }
