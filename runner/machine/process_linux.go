package machine

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// startOf is the clock tick since boot at which the process started, with the id of the boot: numbers begin
// anew with each boot.
func startOf(pid int) (start string, alive bool) {
	f, ok := stat(pid)
	if !ok || len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return "", false
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", false
	}
	return strings.TrimSpace(string(boot)) + ":" + f[19], true
}

// stat gives the fields of /proc/PID/stat after the name, which stands in parentheses and may hold anything.
func stat(pid int) (fields []string, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil, false
	}
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return nil, false
	}
	return strings.Fields(string(b[i+1:])), true
}

// Parents lists all processes of the machine with their parents.
func Parents() map[int]int {
	all := map[int]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return all
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if f, ok := stat(pid); ok && len(f) > 1 {
			all[pid], _ = strconv.Atoi(f[1])
		}
	}
	return all
}

// WithParent makes a process that is started from a locked thread a group leader that dies with its parent.
func WithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
