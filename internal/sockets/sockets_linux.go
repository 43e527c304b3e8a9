package sockets

import (
	"bytes"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// OfTree returns on which addresses a process and its descendants listen; not ok: that is not known.
func OfTree(pid int) (list []netip.AddrPort, ok bool) {
	inodes := map[string]bool{}
	for _, p := range tree(pid) {
		dir := "/proc/" + strconv.Itoa(p) + "/fd"
		fds, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended, or is somebody else's
		}
		ok = true
		for _, fd := range fds {
			if link, err := os.Readlink(dir + "/" + fd.Name()); err == nil {
				if inode, isSocket := strings.CutPrefix(link, "socket:["); isSocket {
					inodes[strings.TrimSuffix(inode, "]")] = true
				}
			}
		}
	}
	for _, s := range ofNetwork(pid) {
		if inodes[s.inode] {
			list = append(list, s.at)
		}
	}
	return sorted(list), ok
}

// OfNetwork returns on which addresses there are listeners in the network namespace of a process.
func OfNetwork(pid int) []netip.AddrPort {
	var list []netip.AddrPort
	for _, s := range ofNetwork(pid) {
		list = append(list, s.at)
	}
	return sorted(list)
}

func ofNetwork(pid int) (out []socket) {
	for _, name := range []string{"tcp", "tcp6"} {
		if text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/net/" + name); err == nil {
			out = append(out, parse(bytes.NewReader(text))...)
		}
	}
	return out
}

// tree is a process with its descendants.
func tree(pid int) []int {
	out := []int{pid}
	for i := 0; i < len(out); i++ {
		tasks, err := os.ReadDir("/proc/" + strconv.Itoa(out[i]) + "/task")
		if err != nil {
			continue
		}
		for _, task := range tasks {
			text, err := os.ReadFile("/proc/" + strconv.Itoa(out[i]) + "/task/" + task.Name() + "/children")
			if err != nil {
				continue
			}
			for _, child := range strings.Fields(string(text)) {
				if n, err := strconv.Atoi(child); err == nil {
					out = append(out, n)
				}
			}
		}
	}
	return out
}
