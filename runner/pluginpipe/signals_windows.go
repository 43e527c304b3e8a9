package pluginpipe

import (
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

func ignored() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}
