package job

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// walk is one random schedule: a few jobs on one lane, two standing runners and a CLI's, functions that read and commit with
// others in between or die in between, messages lost and doubled. After each commit the invariants are checked; at the
// end everything heals, and every job must end.
type walk struct {
	*memory
	rnd  *rand.Rand
	now  time.Time
	bad  string
	log  []string
	bend bend

	jobs    []string
	pending []pending
	mail    []string // wake-up messages under way
	runners []*walker
	// What was observed: first times READY, ends, outside effects, accepted output.
	readied []string
	ended   map[string]State
	acts    map[string]int
	nonce   int
}

// walker is a runner: what it believes to hold, whether it lives.
type walker struct {
	Runner
	job     string
	attempt int64
	next    int64
	step    bool
	stepEnd bool
	dead    bool
}

// pending is a function between its read and its commit. then runs if the commit succeeds.
type pending struct {
	name string
	d    Decision
	then func()
	// fence is the attempt whose write it is, 0 for none.
	job   string
	fence int64
	// takes says that it takes a job from its runner, whose lease must be over.
	takes bool
}

// bend breaks one rule, to see that the walk notices.
type bend struct {
	name      string
	mutate    func(*Decision)
	noWakeUp  bool
	noBlocked bool
	noExpiry  bool
	forgets   bool // the steps
	byID      bool // waiters in the order of ids
}

func newWalk(seed uint64, b bend) *walk {
	w := &walk{memory: newMemory(), rnd: rand.New(rand.NewPCG(seed, 7)), now: time.UnixMilli(1_700_000_000_000), bend: b,
		ended: map[string]State{}, acts: map[string]int{}}
	// The standing runners share a token: only the attempt tells their writes apart.
	w.runners = []*walker{
		{Runner: Runner{ID: "A", Projects: Projects{All: true}, Standing: true, Owner: "token"}}, {Runner: Runner{ID: "B", Projects: Projects{All: true}, Standing: true, Owner: "token"}},
		{Runner: Runner{ID: "cli", Projects: Projects{All: true}, Owner: "token-cli"}},
	}
	return w
}

func (w *walk) fail(format string, args ...any) {
	if w.bad == "" {
		w.bad = fmt.Sprintf(format, args...)
	}
}

func (w *walk) start(p pending) {
	if p.d.Empty() {
		return
	}
	if w.bend.mutate != nil {
		w.bend.mutate(&p.d)
	}
	w.pending = append(w.pending, p)
	if w.rnd.IntN(2) == 0 { // often nothing comes in between
		w.finish(len(w.pending) - 1)
	}
}

func (w *walk) finish(i int) {
	p := w.pending[i]
	w.pending = slices.Delete(w.pending, i, i+1)
	before, lease := w.meta(p.job), w.lease(p.job)
	if _, ok := w.commit(p.d); !ok {
		return
	}
	w.log = append(w.log, p.name)
	if p.fence != 0 && (before.State != Running || before.Attempt != p.fence) {
		w.fail("I3: %s by attempt %d was accepted while %s at attempt %d", p.name, p.fence, before.State, before.Attempt)
	}
	if p.takes && lease != nil && lease.Live && !lease.over(w.now) {
		w.fail("IC: %s took job %s, whose lease is good", p.name, p.job)
	}
	for _, r := range p.d.WakeUps {
		for range w.rnd.IntN(3) { // lost, once, doubled
			w.mail = append(w.mail, r.JobID)
		}
	}
	if p.then != nil {
		p.then()
	}
	w.check(p.name)
	if w.rnd.IntN(4) > 0 { // else the function dies before it follows
		w.follow(p.d)
	}
}

func (w *walk) follow(d Decision) {
	for _, id := range d.Dependents {
		for _, k := range w.dependents(id) {
			w.advance(k)
		}
	}
	for _, id := range d.Advance {
		w.advance(id)
	}
}

func (w *walk) advance(id string) {
	w.start(pending{name: "advance " + id, job: id, d: Advance(w.facts18(id), w.now)})
}

func (w *walk) facts18(id string) AdvanceFacts {
	f := w.advanceFacts(id)
	w.order(f.Lane)
	return f
}

// order bends the order of waiters.
func (w *walk) order(v *LaneView) *LaneView {
	if !w.bend.byID || v == nil || v.Next == nil {
		return v
	}
	ws := w.waiters(v.Lane.Key)
	slices.SortFunc(ws, func(a, b Waiter) int { return strings.Compare(a.JobID, b.JobID) })
	n := w.meta(ws[0].JobID)
	v.Next = &NextWaiter{Waiter: ws[0], Meta: n, Deps: w.deps(n)}
	return v
}

// check looks at every invariant that can be seen in a state.
func (w *walk) check(after string) {
	holder := ""
	if item, ok := w.items[laneOf(lane)]; ok {
		holder, _ = item[fieldHolder].(string)
	}
	for _, id := range w.jobs {
		m := w.meta(id)
		if m.ID == "" {
			continue
		}
		if was, ok := w.ended[id]; ok && was != m.State {
			w.fail("I2: job %s ended %s, then became %s (%s)", id, was, m.State, after)
		}
		if m.State.Ended() {
			w.ended[id] = m.State
			if holder == id {
				w.fail("I4: the lane is held by %s, which has ended (%s)", id, after)
			}
		}
		if m.Lane != "" && (m.State == Ready || m.State == Running) {
			if holder != id {
				w.fail("I4: job %s is %s while %q holds the lane (%s)", id, m.State, holder, after)
			}
			if !slices.Contains(w.readied, id) {
				if n := len(w.readied); n > 0 && w.meta(w.readied[n-1]).Ticket > m.Ticket {
					w.fail("I4: job %s came after %s, which has a later ticket", id, w.readied[n-1])
				}
				w.readied = append(w.readied, id)
			}
		}
		l := w.lease(id)
		if live := l != nil && l.Live; live != (m.State == Running) || (live && l.Attempt != m.Attempt) {
			w.fail("I3: job %s is %s at attempt %d, its lease %+v (%s)", id, m.State, m.Attempt, l, after)
		}
		outputs := int64(0)
		for k := range w.items {
			if k.Kind == OutputItem && k.ID == id {
				outputs++
			}
		}
		if l != nil && outputs != l.NextOutput {
			w.fail("I6: job %s has %d batches, and goes on at %d", id, outputs, l.NextOutput)
		}
	}
	for step, n := range w.acts {
		if n > 1 {
			w.fail("I9: step %s, which must not be run twice, acted %d times", step, n)
		}
	}
}

func (w *walk) queueOne() {
	id := fmt.Sprint(9 - len(w.jobs)) // later jobs have smaller ids, as from a slower clock
	m := Meta{ID: id, Workspace: "default", Pool: "pool"}
	switch w.rnd.IntN(6) {
	case 0: // without a lane
	case 1:
		m.Local, m.Target, m.Lane = true, Target{RunnerID: "cli"}, lane
	case 2:
		m.Singleton, m.Lane = "s", lane
	default:
		m.Lane = lane
	}
	if len(w.jobs) > 0 && w.rnd.IntN(3) == 0 {
		m.DependsOn = []string{w.jobs[w.rnd.IntN(len(w.jobs))]}
		if w.rnd.IntN(2) == 0 {
			m.AllowFailure = m.DependsOn
		}
	}
	if w.rnd.IntN(5) == 0 {
		m.ExpiresAt = w.now.Add(3 * time.Minute).UnixMilli()
	}
	w.jobs = append(w.jobs, id)
	w.enqueue(m)
}

// enqueue retries while somebody else changes what it read; it is acknowledged when it returns.
func (w *walk) enqueue(m Meta) {
	facts := func() Enqueue {
		in := Enqueue{Job: m, States: map[string]State{}, Lane: w.view(Meta{Lane: m.Lane})}
		for _, id := range m.DependsOn {
			in.States[id] = w.meta(id).State
		}
		if m.Singleton != "" {
			var named Singleton
			fromAttrs(w.items[singletonOf(m.Singleton)], &named)
			if named.JobID != "" {
				old := w.meta(named.JobID)
				in.Replaces = &Replaced{Meta: old, Lane: w.order(w.view(old))}
			}
		}
		return in
	}
	d, _ := Queue(facts(), w.now)
	if w.bend.mutate != nil {
		w.bend.mutate(&d)
	}
	// Others may come between its read and its commit.
	for range w.rnd.IntN(3) {
		if len(w.pending) > 0 {
			w.finish(w.rnd.IntN(len(w.pending)))
		} else {
			w.cancelSome()
		}
	}
	for {
		w.pending = append(w.pending, pending{name: "queue " + m.ID, job: m.ID, d: d})
		w.finish(len(w.pending) - 1)
		if w.meta(m.ID).ID != "" {
			return
		}
		if d, _ = Queue(facts(), w.now); w.bend.mutate != nil {
			w.bend.mutate(&d)
		}
	}
}

func (w *walk) endFacts(id string) EndFacts {
	f := w.memory.endFacts(id)
	f.Lane = w.order(f.Lane)
	return f
}

func (w *walk) claimFacts(id, nonce string) ClaimFacts {
	f := w.memory.claimFacts(id, nonce)
	f.Lane = w.order(f.Lane)
	if w.bend.forgets {
		f.Steps = nil
	}
	return f
}

func (w *walk) cancelSome() {
	if len(w.jobs) == 0 {
		return
	}
	id := w.jobs[w.rnd.IntN(len(w.jobs))]
	if w.meta(id).ID == "" {
		return
	}
	w.start(pending{name: "cancel " + id, job: id, d: Cancel(w.endFacts(id), w.rnd.IntN(2) == 0, "me", w.now)})
}

// receive takes a message, or for a CLI's runner its own job.
func (w *walk) receive(r *walker) {
	id := ""
	if r.ID == "cli" {
		for _, j := range w.jobs {
			if m := w.meta(j); m.Local && m.State == Ready {
				id = j
			}
		}
	} else if len(w.mail) > 0 {
		i := w.rnd.IntN(len(w.mail))
		id = w.mail[i]
		w.mail = slices.Delete(w.mail, i, i+1)
	}
	if id == "" || r.job != "" {
		return
	}
	w.nonce++
	f := w.claimFacts(id, fmt.Sprint(w.nonce))
	g := Claim(f, r.Runner, w.now)
	if g.Answer == Leased {
		w.mail = append(w.mail, id)
	}
	w.start(pending{name: "claim " + id + " by " + r.ID, job: id, d: g.Decision, takes: f.Meta.State == Running && g.Answer != Repeated, then: func() {
		if g.Answer == Claimed && w.rnd.IntN(8) > 0 { // else the answer is lost
			r.job, r.attempt, r.next, r.step, r.stepEnd = id, g.Lease.Attempt, g.Lease.NextOutput, false, false
			for _, s := range w.steps(id) {
				r.stepEnd = r.stepEnd || s.EndedAt != 0
			}
		}
	}})
}

// work does one thing for the job that the runner believes to hold.
func (w *walk) work(r *walker) {
	id, a := r.job, r.attempt
	fencedOp := func(name string, d Decision, then func()) {
		w.start(pending{name: name + " " + id + " by " + r.ID, job: id, d: d, fence: a, then: then})
	}
	switch w.rnd.IntN(7) {
	case 0:
		fencedOp("renew", Renew(id, a, r.Owner, w.now), nil)
	case 1:
		if !r.step && !r.stepEnd {
			r.step = true // asked for once; a begin that is lost leaves the step begun or not
			fencedOp("begin", BeginStep(id, a, r.Owner, Step{Name: "deploy", Rerunnable: false}, w.now), func() {
				w.acts[id]++ // the plugin acts as soon as the begin is acknowledged
			})
		}
	case 2:
		if r.step && !r.stepEnd {
			fencedOp("end step", EndStep(id, a, r.Owner, "deploy", "", w.now), func() { r.stepEnd = true })
		}
	case 3, 4:
		position := r.next
		if w.rnd.IntN(6) == 0 {
			position = max(0, position-1+int64(w.rnd.IntN(3))) // a repeat or a gap
		}
		fencedOp("append", AppendOutput(id, a, r.Owner, position, Step{Name: "o"}, w.now), func() {
			if r.job == id && r.attempt == a {
				r.next = position + 1
			}
		})
	case 5:
		if w.meta(id).State == Running {
			fencedOp("complete", Complete(w.endFacts(id), a, r.Owner, nil, 0, w.now), func() {})
			r.job = ""
		}
	case 6:
		f := w.endFacts(id)
		if f.Lease != nil && f.Lease.Attempt == a && (!r.step || r.stepEnd) {
			fencedOp("hand back", HandBack(f, a, r.Owner, w.now), nil)
			r.job = ""
		}
	}
}

func (w *walk) sweep(id string) {
	m := w.meta(id)
	if m.ID == "" || m.Due == 0 || m.Due > w.now.UnixMilli() {
		return
	}
	if m.State != Running && !w.bend.noExpiry {
		w.start(pending{name: "expire " + id, job: id, d: Expire(w.endFacts(id), w.now)})
	}
	switch m = w.meta(id); {
	case m.State.Ended():
		if !w.bend.noBlocked {
			w.follow(Decision{Dependents: []string{id}})
		}
		w.start(pending{name: "settled " + id, job: id, d: Settled(m)})
	case m.State == Blocked && !w.bend.noBlocked:
		w.advance(id)
		w.start(pending{name: "look " + id, job: id, d: PostponeLook(w.meta(id), 0, w.now)})
	case m.State == Ready && !w.bend.noWakeUp:
		w.start(pending{name: "wake up " + id, job: id, d: WakeAgainIfDue(m, "pool", w.now)})
	case m.State == Running:
		d := ExpireLease(w.claimFacts(id, ""), w.now)
		takes := slices.ContainsFunc(d.Changes, func(c *Change) bool { return c.Item == leaseOf(id) })
		w.start(pending{name: "lease over " + id, job: id, d: d, takes: takes})
	}
}

// step is one random event.
func (w *walk) step() {
	r := w.runners[w.rnd.IntN(len(w.runners))]
	switch n := w.rnd.IntN(20); {
	case n < 2 && len(w.jobs) < 4:
		w.queueOne()
	case n < 3:
		if w.rnd.IntN(3) == 0 {
			w.cancelSome()
		}
	case n < 6:
		if !r.dead {
			w.receive(r)
		}
	case n < 12:
		if !r.dead && r.job != "" {
			w.work(r)
		}
	case n < 14:
		if len(w.jobs) > 0 {
			w.sweep(w.jobs[w.rnd.IntN(len(w.jobs))])
		}
	case n < 17:
		if len(w.pending) > 0 {
			w.finish(w.rnd.IntN(len(w.pending)))
		}
	case n < 18:
		if len(w.pending) > 0 { // a function dies
			i := w.rnd.IntN(len(w.pending))
			w.pending = slices.Delete(w.pending, i, i+1)
		}
	case n < 19:
		w.now = w.now.Add(time.Duration(w.rnd.IntN(60)) * time.Second)
	case r.job != "" && w.rnd.IntN(3) == 0:
		// A runner is killed for good, perhaps with a write under way, and whoever outlived it reports that.
		id, a := r.job, r.attempt
		r.job = ""
		f := w.claimFacts(id, "")
		if f.Lease != nil && f.Lease.Live && f.Lease.Attempt == a {
			w.start(pending{name: "lost " + id + " by " + r.ID, job: id, d: HandBackLost(f, a, r.Owner, w.now), fence: a})
		}
	default:
		// A runner stops; it goes on where it was (a zombie), or another starts in its place.
		if r.dead = !r.dead; !r.dead && w.rnd.IntN(2) == 0 {
			r.job = ""
		}
	}
}

// heal lets everything work until every job has ended; a schedule that cannot get there has lost a job.
func (w *walk) heal() {
	w.pending, w.mail = nil, nil
	for _, r := range w.runners {
		r.dead, r.job = r.ID == "cli", "" // the CLI is gone; the others restart
	}
	for range 400 {
		if w.bad != "" {
			return
		}
		done := true
		for _, id := range w.jobs {
			done = done && w.meta(id).State.Ended()
			w.sweep(id)
		}
		if done {
			break
		}
		for len(w.pending) > 0 {
			w.finish(0)
		}
		for _, r := range w.runners[:2] {
			w.receive(r)
			for len(w.pending) > 0 {
				w.finish(0)
			}
			if r.job == "" {
				continue
			}
			if m := w.meta(r.job); m.State == Running && m.Attempt == r.attempt {
				w.start(pending{name: "complete", job: r.job, fence: r.attempt, d: Complete(w.endFacts(r.job), r.attempt, r.Owner, nil, 0, w.now)})
			}
			r.job = ""
		}
		w.now = w.now.Add(30 * time.Second)
	}
	for _, id := range w.jobs {
		if m := w.meta(id); !m.State.Ended() {
			w.fail("I1: job %s is %s for ever", id, m.State)
		}
	}
	if v := w.view(Meta{Lane: lane}); v.Lane.Holder != "" || len(w.waiters(lane)) > 0 {
		w.fail("I4: nobody runs, yet the lane is held by %q and %d wait", v.Lane.Holder, len(w.waiters(lane)))
	}
}

func run(seed uint64, b bend) *walk {
	w := newWalk(seed, b)
	for range 180 {
		w.step()
		if w.bad != "" {
			return w
		}
	}
	w.heal()
	return w
}

func TestRandomSchedulesKeepTheInvariants(t *testing.T) {
	ends := map[State]int{}
	for seed := range uint64(1000) {
		w := run(seed, bend{})
		if w.bad != "" {
			t.Fatalf("seed %d: %s\nafter %v", seed, w.bad, w.log)
		}
		for _, s := range w.ended {
			ends[s]++
		}
	}
	for _, s := range []State{Succeeded, Failed, Canceled} {
		if ends[s] < 50 {
			t.Errorf("only %d jobs ended %s: the schedules do not say much", ends[s], s)
		}
	}
}

// without drops guards from a decision.
func without(kind Kind, field Field) func(*Decision) {
	return func(d *Decision) {
		for _, c := range d.Changes {
			if c.Item.Kind == kind {
				c.Guard = slices.DeleteFunc(slices.Clone(c.Guard), func(g Cond) bool { return g.Field == field })
			}
		}
	}
}

// drop leaves out changes.
func drop(wanted func(*Change) bool) func(*Decision) {
	return func(d *Decision) {
		d.Changes = slices.DeleteFunc(slices.Clone(d.Changes), wanted)
	}
}

func TestMutationsOfTheRulesAreNoticed(t *testing.T) {
	laneWrite := func(c *Change) bool { return c.Item.Kind == LaneItem }
	for _, b := range []bend{
		{name: "guard on the attempt only", mutate: without(LeaseItem, fieldLive)},
		{name: "guard on a live lease of any attempt", mutate: without(LeaseItem, fieldAttempt)},
		{name: "no second wake-up", noWakeUp: true},
		{name: "dependents and waiters are not swept", noBlocked: true},
		{name: "no local expiry", noExpiry: true},
		{name: "claim and sweep forget cut steps", forgets: true},
		{name: "waiters in the order of ids", byID: true},
		{name: "sweep and claim do not re-check the lease", mutate: without(LeaseItem, fieldUntil)},
		{name: "lane without a version", mutate: without(LaneItem, fieldVer)},
		{name: "enqueue and end leave the lane alone", mutate: drop(laneWrite)},
		{name: "output put where it lands", mutate: without(LeaseItem, fieldNextOutput)},
		{name: "state is not checked", mutate: without(MetaItem, fieldState)},
		{name: "an ended waiter keeps its ticket", mutate: drop(func(c *Change) bool { return c.Item.Kind == WaiterItem && c.Do == Delete })},
		{name: "no begin record", mutate: drop(func(c *Change) bool { return c.Item.Kind == StepItem })},
		{name: "force and ends leave the lease open", mutate: func(d *Decision) {
			for _, c := range d.Changes {
				if c.Item.Kind == LeaseItem {
					c.Set = slices.DeleteFunc(slices.Clone(c.Set), func(a Assign) bool { return a.Field == fieldLive && a.Value == false })
				}
			}
		}},
	} {
		t.Run(b.name, func(t *testing.T) {
			for seed := range uint64(2000) {
				if w := run(seed, b); w.bad != "" {
					t.Logf("seed %d: %s", seed, w.bad)
					return
				}
			}
			t.Error("no schedule noticed it")
		})
	}
}
