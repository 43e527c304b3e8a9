package job

import (
	"sort"
	"time"
)

// OnlineFor is how long after it was last seen a runner, or its pool, counts as online: two and a half heartbeats.
const OnlineFor = 150 * time.Second

// Pool is the set of runners with equal labels and equal projects; each pool has a queue.
type Pool struct {
	Name     string
	Labels   map[string]string
	Projects Projects
	// Seen is when a runner of the pool was last seen, Unix milliseconds.
	Seen int64
}

// Online reports whether something seen at that time counts as online.
func Online(seen int64, now time.Time) bool { return now.UnixMilli()-seen <= OnlineFor.Milliseconds() }

// fits reports whether runners of the pool may claim a job that names no runner.
func (p Pool) fits(m Meta) bool {
	return p.Projects.Has(m.Project) && covers(p.Labels, m.Target.Labels)
}

// Route picks the pool where a job is announced: "" if none fits. Pools with live runners come first, then those with the
// fewest labels beyond the target's (special runners are left to the jobs that ask for them), then those that are bound
// to projects before those that serve all, then the one seen last, then by name. A job that names one runner goes to
// that runner's own pool, which the caller knows.
func Route(m Meta, pools []Pool, now time.Time) string {
	var fit []Pool
	for _, p := range pools {
		if p.fits(m) {
			fit = append(fit, p)
		}
	}
	if len(fit) == 0 {
		return ""
	}
	sort.Slice(fit, func(i, j int) bool {
		a, b := fit[i], fit[j]
		aLive, bLive := Online(a.Seen, now), Online(b.Seen, now)
		switch {
		case aLive != bLive:
			return aLive
		case len(a.Labels) != len(b.Labels) && aLive:
			return len(a.Labels) < len(b.Labels)
		case a.Projects.All != b.Projects.All && aLive:
			return b.Projects.All
		case a.Seen != b.Seen:
			return a.Seen > b.Seen
		}
		return a.Name < b.Name
	})
	return fit[0].Name
}
