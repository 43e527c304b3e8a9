package job

import (
	"sort"
	"time"
)

// OnlineFor is how long after it was last seen a runner, or its pool, counts as online: two and a half beats.
const OnlineFor = 150 * time.Second

// Pool is the set of runners with equal labels; each pool has a queue.
type Pool struct {
	Name   string
	Labels map[string]string
	// Seen is when a runner of the pool was last seen, Unix milliseconds.
	Seen int64
}

// Online says whether something seen at that time counts as online.
func Online(seen int64, now time.Time) bool { return now.UnixMilli()-seen <= OnlineFor.Milliseconds() }

// Route picks the pool where a job with that target is rung: "" if none fits. Pools with live runners come first, then
// those with the fewest labels beyond the target's (special runners are left to the jobs that ask for them), then the
// one seen last, then by name. A target that names one runner goes to that runner's own pool, which the caller knows.
func Route(t Target, pools []Pool, now time.Time) string {
	var fit []Pool
	for _, p := range pools {
		if covers(p.Labels, t.Labels) {
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
		case a.Seen != b.Seen:
			return a.Seen > b.Seen
		}
		return a.Name < b.Name
	})
	return fit[0].Name
}
