//go:build unix && !linux

package guard

import (
	"syscall"

	"github.com/waypoint-serverless/waypoint/runner/machine"
)

// processes are those of this machine. Environments cannot be read here: a daemon that left its group and its parent is
// not found.
func processes() []process {
	var all []process
	for pid, parent := range machine.Parents() {
		group, err := syscall.Getpgid(pid)
		if err != nil {
			continue
		}
		all = append(all, process{pid: pid, parent: parent, group: group})
	}
	return all
}
