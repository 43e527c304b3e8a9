package source

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// LimitsFrom reads bounds from an environment: WAYPOINT_SOURCE_TIMEOUT and WAYPOINT_SOURCE_MAX_MB.
func LimitsFrom(environ []string) (l Limits, err error) {
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if value == "" {
			continue
		}
		switch name {
		case "WAYPOINT_SOURCE_TIMEOUT":
			if l.Time, err = time.ParseDuration(value); err != nil || l.Time <= 0 {
				return l, &Error{Message: fmt.Sprintf("WAYPOINT_SOURCE_TIMEOUT=%q is not a duration", value), Hint: "Use one such as 30m or 2h."}
			}
		case "WAYPOINT_SOURCE_MAX_MB":
			mb, err := strconv.ParseInt(value, 10, 32)
			if err != nil || mb <= 0 {
				return l, &Error{Message: fmt.Sprintf("WAYPOINT_SOURCE_MAX_MB=%q is not a size in MB", value), Hint: "Use one such as 20000."}
			}
			l.Bytes = mb << 20
		}
	}
	return l, nil
}
