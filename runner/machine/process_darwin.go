package machine

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

const zombie = 5 // SZOMB of <sys/proc.h>

func startOf(pid int) (start string, alive bool) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid || info.Proc.P_stat == zombie {
		return "", false
	}
	t := info.Proc.P_starttime
	return fmt.Sprintf("%d.%06d", t.Sec, t.Usec), true
}

// Parents lists all processes of the machine with their parents.
func Parents() map[int]int {
	all := map[int]int{}
	infos, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return all
	}
	for i := range infos {
		all[int(infos[i].Proc.P_pid)] = int(infos[i].Eproc.Ppid)
	}
	return all
}

// WithParent makes a process a group leader. It cannot be made to die with its parent here.
func WithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
