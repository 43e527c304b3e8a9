package machine

import (
	"os"
	"strconv"
	"strings"
)

// DaemonEnviron returns the environment with which Launch started a daemon that lives. It works on Linux alone.
func DaemonEnviron(p Process) (environ []string, err error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/environ")
	if err != nil {
		return nil, err
	}
	for kv := range strings.SplitSeq(strings.TrimRight(string(text), "\x00"), "\x00") {
		if name, _, _ := strings.Cut(kv, "="); name != daemonMark { // Launch sets it anew
			environ = append(environ, kv)
		}
	}
	return environ, nil
}
