package job

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// Waiting is what WhyNot looks at, as read; it need not be strongly consistent.
type Waiting struct {
	Meta Meta
	Deps Dependencies
	// Lease is the job's, if it has been claimed, and Steps are those of a job whose runner is silent.
	Lease *Lease
	Steps []Step
	// Lane is the job's lane and Holder the job that holds it, if one does.
	Lane   *Lane
	Holder *Meta
	// Pools are all pools; Runners are those of the job's pool.
	Pools   []Pool
	Runners []RunnerView
}

// RunnerView is a runner as lists show it.
type RunnerView struct {
	ID, Name             string
	Projects             Projects
	Concurrency, Running int64
	Seen                 int64
}

// Reason is why a job is not running: a stable reason, a sentence, and the job waited for, if one is.
type Reason struct {
	Reason  fault.Reason
	Message string
	JobID   string
}

// pickUpTime is how long an unclaimed job with a live, free runner is nothing out of the ordinary.
const pickUpTime = 2 * time.Second

// silentAfter is how long after its lease lapsed a runner counts as silent: a renewal that is late is nothing yet.
const silentAfter = 2 * time.Second

// WhyNot says why a job that has not ended is not running, or does not get on because its runner has fallen silent; ok
// is false for one that runs or has ended.
func WhyNot(w Waiting, now time.Time) (r Reason, ok bool) {
	m := w.Meta
	switch {
	case m.State == Blocked:
		return whyBlocked(w, now), true
	case m.State == Ready && m.Local:
		return Reason{Reason: fault.WaitingForCLI, Message: "waiting for the command that queued it to run it"}, true
	case m.State == Ready:
		return whyReady(w, now), true
	case m.State == Running && w.Lease != nil && w.Lease.Silent(now):
		return whySilent(w, now), true
	}
	return Reason{}, false
}

func whyBlocked(w Waiting, now time.Time) Reason {
	m := w.Meta
	if w.Lane != nil && w.Lane.Holder != "" && w.Lane.Holder != m.ID {
		what := "job " + w.Lane.Holder
		if w.Holder != nil {
			what = fmt.Sprintf("job %s (%s, %s)", w.Lane.Holder, w.Holder.Operation, strings.ToLower(string(w.Holder.State)))
		}
		return Reason{Reason: fault.WaitingForLane, JobID: w.Lane.Holder,
			Message: fmt.Sprintf("waiting for %s, which has had %s for %s", what, laneName(m), since(w.Lane.Since, now))}
	}
	if len(w.Deps.Pending) > 0 {
		return Reason{Reason: fault.WaitingForDependency, JobID: w.Deps.Pending[0],
			Message: "waiting for job " + strings.Join(w.Deps.Pending, ", ") + " to end first"}
	}
	return Reason{Reason: fault.WaitingForLane, Message: "waiting for its turn on " + laneName(m)}
}

func whyReady(w Waiting, now time.Time) Reason {
	m := w.Meta
	if id := m.Target.RunnerID; id != "" {
		switch {
		case len(w.Runners) == 0:
			return Reason{Reason: fault.NoRunner, Message: "waiting for runner " + id + ", which has not been seen lately"}
		case !w.Runners[0].Projects.Has(m.Project):
			return Reason{Reason: fault.NoRunner,
				Message: "waiting for runner " + id + ", whose token does not let it run jobs of project " + m.Project}
		}
	}
	var live, fit, elsewhere bool
	var seen int64
	for _, p := range w.Pools {
		if !p.fits(m) {
			elsewhere = elsewhere || covers(p.Labels, m.Target.Labels)
			continue
		}
		fit, seen = true, max(seen, p.Seen)
		if p.Name == m.Pool && len(w.Runners) > 0 {
			// The runners themselves are known, and are fresher: one that lost its lease is known to be silent.
			for _, r := range w.Runners {
				live = live || Online(r.Seen, now)
			}
			continue
		}
		live = live || Online(p.Seen, now)
	}
	switch {
	case !fit && elsewhere:
		return Reason{Reason: fault.NoRunner, Message: fmt.Sprintf(
			"no runner%s has registered that may run jobs of project %s: those that are there are bound to other projects", matching(m.Target), m.Project)}
	case !fit:
		return Reason{Reason: fault.NoRunner, Message: "no runner" + matching(m.Target) + " has registered yet"}
	case !live:
		return Reason{Reason: fault.NoRunner,
			Message: fmt.Sprintf("no runner%s has been seen for %s", matching(m.Target), since(seen, now))}
	}
	free, online := 0, 0
	for _, r := range w.Runners {
		if Online(r.Seen, now) {
			online++
			if r.Running < max(r.Concurrency, 1) {
				free++
			}
		}
	}
	if online > 0 && free == 0 && now.UnixMilli()-m.ReadyAt > pickUpTime.Milliseconds() {
		return Reason{Reason: fault.RunnersBusy, Message: fmt.Sprintf("all %d runners%s are busy", online, matching(m.Target))}
	}
	return Reason{Reason: fault.WakeUpPending, Message: "a runner has been notified and is about to take the job"}
}

// Silent reports whether the attempt's lease has lapsed: its runner has not renewed for longer than a lease.
func (l Lease) Silent(now time.Time) bool {
	return l.Live && now.UnixMilli()-l.Until > silentAfter.Milliseconds()
}

func whySilent(w Waiting, now time.Time) Reason {
	m := w.Meta
	who := fmt.Sprintf("runner %s has not been heard from for %s; ", m.RunnerName, since(w.Lease.Until-LeaseTime.Milliseconds(), now))
	within := "soon"
	if left := w.Lease.lostAt() - now.UnixMilli(); left >= time.Second.Milliseconds() {
		within = fmt.Sprintf("within %d s", left/time.Second.Milliseconds())
	}
	cut, isCut := Cut(w.Steps)
	what := "another runner takes the job over soon"
	if !another(w, now) {
		what = fmt.Sprintf("no other runner%s is online, so the job waits until this one comes back or another one is started", matching(m.Target))
	}
	switch {
	case w.Lease.CancelRequested != 0:
		what = "the job was to be canceled and ends so soon"
	case isCut:
		what = fmt.Sprintf("if it does not come back %s, the job fails: step %q cannot be run twice", within, cut.Name)
	case m.Local:
		what = fmt.Sprintf("if it does not come back %s, the job fails, since nobody else can reach its source", within)
	case m.Lost+1 >= MaxLost:
		what = fmt.Sprintf("the job fails soon: it is the runner number %d that was lost while it ran this job", MaxLost)
	}
	return Reason{Reason: fault.RunnerSilent, Message: who + what}
}

// another reports whether a runner other than the one that is silent could take the job over.
func another(w Waiting, now time.Time) bool {
	for _, r := range w.Runners {
		if r.ID != w.Lease.RunnerID && Online(r.Seen, now) && r.Projects.Has(w.Meta.Project) {
			return true
		}
	}
	return false
}

func laneName(m Meta) string {
	name := m.Project
	if m.App != "" {
		name += "/" + m.App
	}
	return fmt.Sprintf("%s in workspace %s", name, m.Workspace)
}

func matching(t Target) string {
	if len(t.Labels) == 0 {
		return ""
	}
	pairs := make([]string, 0, len(t.Labels))
	for k, v := range t.Labels {
		pairs = append(pairs, k+"="+v)
	}
	sort.Strings(pairs)
	return " with labels " + strings.Join(pairs, ", ")
}

// since words how long ago something was.
func since(ms int64, now time.Time) string {
	d := max(now.Sub(time.UnixMilli(ms)), 0)
	switch {
	case ms == 0:
		return "some time"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}
