package entrypoint

import "syscall"

// attributes: a group of its own, and an end if the entrypoint is killed: an app that nobody watches would
// keep its port, and its successor could not start.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
