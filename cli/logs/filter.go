package logs

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
)

// filter says which lines are shown. Its zero value shows all.
type filter struct {
	since time.Time
	match *regexp.Regexp
}

func newFilter(o *options, now time.Time) (filter, error) {
	var f filter
	if o.since != "" {
		at, ok := parseSince(o.since, now)
		if !ok {
			return f, problem.New("USAGE", "invalid -since %q: use a duration such as 10m, 2h or 3d, or a time such as 2026-11-29T10:00:00Z", o.since)
		}
		f.since = at
	}
	if o.grep != "" {
		match, err := regexp.Compile(o.grep)
		if err != nil {
			return f, problem.New("USAGE", "invalid -grep %q: %v", o.grep, err)
		}
		f.match = match
	}
	return f, nil
}

// parseSince reads a duration before now, in Go's notation or in days, or a time.
func parseSince(text string, now time.Time) (time.Time, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return now.Add(-time.Duration(n) * 24 * time.Hour), err == nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), d >= 0
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

func (f filter) wants(l *waypointv1.LogLine) bool {
	if !f.since.IsZero() && l.GetTimeUnixMs() < f.since.UnixMilli() {
		return false
	}
	return f.match == nil || f.match.MatchString(l.GetText())
}
