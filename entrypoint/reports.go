package entrypoint

import (
	"slices"
	"sync"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Bounds of a report, as the server has them.
const (
	mostProblems     = 20
	mostProblemBytes = 500
)

// reports are what the instance has to say of itself. The supervisor sets them and the remote sends them, each once.
type reports struct {
	mu       sync.Mutex
	problems []string
	// set counts changes; sent is the last one that the server has accepted.
	changes, sent int
	// changed gets a token with each change.
	changed chan struct{}
}

func newReports() *reports { return &reports{changed: make(chan struct{}, 1)} }

// set replaces the problems and reports whether they differ from those before.
func (r *reports) set(problems []string) (differ bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Equal(problems, r.problems) {
		return false
	}
	r.problems = problems
	r.changes++
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return true
}

// pending returns what the server does not know yet; nil: nothing. change is for accepted.
func (r *reports) pending() (report *waypointv1.InstanceReport, change int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changes == r.sent {
		return nil, r.changes
	}
	report = &waypointv1.InstanceReport{}
	for _, p := range r.problems[:min(len(r.problems), mostProblems)] {
		report.Problems = append(report.Problems, cutText(p, mostProblemBytes))
	}
	return report, r.changes
}

func (r *reports) accepted(change int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = change
}

// forgotten makes everything unknown to the server again.
func (r *reports) forgotten() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problems) > 0 {
		r.sent = -1
	}
}

// cutText cuts a text to a number of bytes, between characters.
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && text[most]&0xC0 == 0x80 {
		most--
	}
	return text[:most]
}
