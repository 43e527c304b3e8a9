package proctree

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// process is one that may be ended. Number and start time name it for as long as the machine runs.
type process struct {
	pid   int
	start uint64
}

func (p process) terminate() {
	_ = unix.Kill(p.pid, unix.SIGTERM)
	// One that was stopped would never see it.
	_ = unix.Kill(p.pid, unix.SIGCONT)
}

func (p process) kill() { _ = unix.Kill(p.pid, unix.SIGKILL) }

// Adopt makes this process the parent of its descendants' orphans. PID 1 is that anyway.
func Adopt() error {
	if os.Getpid() == 1 {
		return nil
	}
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// Stat is what /proc says of a process.
type Stat struct {
	PID, Parent int
	// State is the letter: 'Z' is a zombie.
	State byte
	// Start is when it started, in ticks since the machine did.
	Start uint64
}

// Children lists the processes whose parent is this one, zombies too.
func Children() []Stat {
	var own []Stat
	self := os.Getpid()
	for _, s := range all() {
		if s.Parent == self {
			own = append(own, s)
		}
	}
	return own
}

// all reads /proc; nil where there is none.
func all() []Stat {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var list []Stat
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		if s, ok := parseStat(line); ok {
			s.PID = pid
			list = append(list, s)
		}
	}
	return list
}

// parseStat reads /proc/PID/stat. The name in it is in parentheses and may hold anything, parentheses too.
func parseStat(line []byte) (s Stat, ok bool) {
	i := bytes.LastIndexByte(line, ')')
	if i < 0 {
		return Stat{}, false
	}
	// State is the third field of the whole line, the parent the fourth, the start the 22nd.
	fields := bytes.Fields(line[i+1:])
	if len(fields) < 20 || len(fields[0]) != 1 {
		return Stat{}, false
	}
	s.State = fields[0][0]
	var err error
	if s.Parent, err = strconv.Atoi(string(fields[1])); err != nil {
		return Stat{}, false
	}
	s.Start, err = strconv.ParseUint(string(fields[19]), 10, 64)
	return s, err == nil
}

// remaining lists this process's descendants that live. Without /proc it knows the group only.
func remaining(group int) []process {
	list := all()
	if list == nil {
		return groupOf(group)
	}
	children := map[int][]Stat{}
	for _, s := range list {
		children[s.Parent] = append(children[s.Parent], s)
	}
	var found []process
	next := []int{os.Getpid()}
	for len(next) > 0 {
		parent := next[0]
		next = next[1:]
		for _, s := range children[parent] {
			next = append(next, s.PID)
			if s.State != 'Z' && s.State != 'X' {
				found = append(found, process{s.PID, s.Start})
			}
		}
	}
	return found
}

func groupOf(group int) []process {
	if group <= 1 || unix.Kill(-group, 0) != nil {
		return nil
	}
	return []process{{pid: -group}}
}
