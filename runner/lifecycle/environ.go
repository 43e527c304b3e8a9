package lifecycle

import (
	"slices"
	"strings"
)

// withheld are variables that never reach a command of a job: they open the server in the runner's name.
func withheld(name string) bool {
	switch name {
	case "WAYPOINT_SERVER_TOKEN", "WAYPOINT_TOKEN", "WAYPOINT_ENTRYPOINT_TOKEN", "WAYPOINT_SERVER_COOKIE":
		return true
	}
	return false
}

// environment is the runner's environment with what is configured for runners over it. The process's own stays as it
// is: jobs of several projects run in it side by side.
func environment(base []string, configured map[string]string) []string {
	out := make([]string, 0, len(base)+len(configured))
	for _, kv := range base {
		name, _, _ := strings.Cut(kv, "=")
		if _, replaced := configured[name]; !replaced && !withheld(name) {
			out = append(out, kv)
		}
	}
	names := make([]string, 0, len(configured))
	for name := range configured {
		if !withheld(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		out = append(out, name+"="+configured[name])
	}
	return out
}
