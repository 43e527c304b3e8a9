package server

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// lockOwned does nothing: locks name no owner here, and would keep others from reading the file.
func lockOwned(*os.File) error { return nil }

// owner returns the number that the file names, if it is of a process of this program.
func owner(path string) (pid int) {
	pid = readPIDFile(path)
	if pid == 0 {
		return 0
	}
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return 0
	}
	defer func() { _ = windows.CloseHandle(h) }()
	name := make([]uint16, windows.MAX_LONG_PATH)
	n := uint32(len(name))
	if err := windows.QueryFullProcessImageName(h, 0, &name[0], &n); err != nil {
		return 0
	}
	if !strings.HasPrefix(strings.ToLower(filepath.Base(windows.UTF16ToString(name[:n]))), "waypoint") {
		return 0
	}
	return pid
}

func isQueueFull(error) bool { return false }
