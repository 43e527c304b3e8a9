//go:build unix && !linux

package server

import (
	"os"

	"golang.org/x/sys/unix"
)

// redirectOutput makes everything that this process prints from now on go to f: also a crash's last words.
func redirectOutput(f *os.File) {
	_ = unix.Dup2(int(f.Fd()), 1)
	_ = unix.Dup2(int(f.Fd()), 2)
}
