package server

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

const executableSuffix = ".exe"

// detach takes the process out of this console, so that its Ctrl-C does not reach it.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS}
}

// terminate ends the process: Windows has no request to end. The data file survives it, as it survives a power cut.
func terminate(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}
