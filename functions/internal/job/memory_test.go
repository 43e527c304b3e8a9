package job

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"testing"
	"time"
)

// memory carries decisions out on maps, as package jobs does on DynamoDB: all guards, then all writes.
type memory struct {
	items map[Item]attrs
}

type attrs map[Field]any

func newMemory() *memory { return &memory{items: map[Item]attrs{}} }

// commit returns the item whose guard failed, or ok.
func (s *memory) commit(d Decision) (Item, bool) {
	for _, c := range d.Changes {
		if len(c.Guard)+len(c.Set)+len(c.Add)+len(c.Copy) > 0 {
			if f := unknown(c); f != "" {
				panic(fmt.Sprintf("a change of %+v names the field %s", c.Item, f))
			}
		}
		for _, g := range c.Guard {
			if !holds(s.items[c.Item], g) {
				return c.Item, false
			}
		}
	}
	for _, c := range d.Changes {
		switch c.Do {
		case Put:
			s.items[c.Item] = toAttrs(c.Value)
		case Delete:
			delete(s.items, c.Item)
		case Update:
			item := s.items[c.Item]
			if item == nil {
				item = attrs{}
				s.items[c.Item] = item
			}
			for _, a := range c.Set {
				if Zero(a.Value) {
					delete(item, a.Field)
				} else {
					item[a.Field] = a.Value
				}
			}
			for _, a := range c.Copy {
				n, _ := item[a.From].(int64)
				item[a.Field] = n
			}
			for _, a := range c.Add {
				n, _ := item[a.Field].(int64)
				item[a.Field] = n + a.Value.(int64)
			}
		}
	}
	return Item{}, true
}

func holds(item attrs, g Cond) bool {
	v, there := item[g.Field]
	switch g.Op {
	case Missing:
		return !there
	case Present:
		return there
	case Equal:
		return there && v == g.Value
	case Less:
		return there && v.(int64) < g.Value.(int64)
	case AtLeast:
		return there && v.(int64) >= g.Value.(int64)
	case NotEnded:
		s, _ := v.(State)
		return there && !s.Ended()
	}
	return false
}

// toAttrs takes an item's struct apart; a zero value is not there.
func toAttrs(v any) attrs {
	out := attrs{}
	rv := reflect.ValueOf(v)
	for i, name := range fieldsOf(rv.Type()) {
		if !rv.Field(i).IsZero() {
			out[name] = rv.Field(i).Interface()
		}
	}
	return out
}

func fromAttrs(item attrs, out any) {
	rv := reflect.ValueOf(out).Elem()
	for i, name := range fieldsOf(rv.Type()) {
		if v, ok := item[name]; ok {
			rv.Field(i).Set(reflect.ValueOf(v))
		}
	}
}

// fields of the types of this package, found once: the walks read millions of items.
var fields = map[reflect.Type][]Field{}

func fieldsOf(rt reflect.Type) []Field {
	if fs, ok := fields[rt]; ok {
		return fs
	}
	fs := make([]Field, rt.NumField())
	for i := range fs {
		fs[i] = Field(rt.Field(i).Name)
	}
	fields[rt] = fs
	return fs
}

// structs of the items of each kind that decisions change by field.
var structs = map[Kind]reflect.Type{
	MetaItem: reflect.TypeFor[Meta](), LeaseItem: reflect.TypeFor[Lease](), LaneItem: reflect.TypeFor[Lane](),
	WaiterItem: reflect.TypeFor[Waiter](), StepItem: reflect.TypeFor[Step](), SingletonItem: reflect.TypeFor[Singleton](),
}

// unknown returns a field that a change names and its item does not have; "" if there is none.
func unknown(c *Change) Field {
	known := fieldsOf(structs[c.Item.Kind])
	var named []Field
	for _, g := range c.Guard {
		named = append(named, g.Field)
	}
	for _, a := range append(slices.Clone(c.Set), c.Add...) {
		named = append(named, a.Field)
	}
	for _, a := range c.Copy {
		named = append(named, a.Field, a.From)
	}
	for _, f := range named {
		if !slices.Contains(known, f) {
			return f
		}
	}
	return ""
}

func (s *memory) meta(id string) (m Meta) {
	fromAttrs(s.items[metaOf(id)], &m)
	return m
}

func (s *memory) lease(id string) *Lease {
	item, ok := s.items[leaseOf(id)]
	if !ok {
		return nil
	}
	var l Lease
	fromAttrs(item, &l)
	return &l
}

func (s *memory) steps(id string) (steps []Step) {
	for k, item := range s.items {
		if k.Kind == StepItem && k.ID == id {
			var st Step
			fromAttrs(item, &st)
			steps = append(steps, st)
		}
	}
	return steps
}

func (s *memory) waiters(key string) (ws []Waiter) {
	for k, item := range s.items {
		if k.Kind == WaiterItem && k.ID == key {
			var w Waiter
			fromAttrs(item, &w)
			ws = append(ws, w)
		}
	}
	sort.Slice(ws, func(i, j int) bool { return ws[i].Ticket < ws[j].Ticket })
	return ws
}

func (s *memory) deps(m Meta) Dependencies {
	states := map[string]State{}
	for _, id := range m.DependsOn {
		states[id] = s.meta(id).State
	}
	return SortDependencies(m, states)
}

// view is a lane as the job sees it: its next waiter is the lowest other than the job.
func (s *memory) view(m Meta) *LaneView {
	if m.Lane == "" {
		return nil
	}
	v := &LaneView{Lane: Lane{Key: m.Lane}}
	fromAttrs(s.items[laneOf(m.Lane)], &v.Lane)
	for _, w := range s.waiters(m.Lane) {
		if w.JobID != m.ID {
			n := s.meta(w.JobID)
			v.Next = &NextWaiter{Waiter: w, Meta: n, Deps: s.deps(n)}
			break
		}
	}
	return v
}

func (s *memory) endFacts(id string) EndFacts {
	m := s.meta(id)
	f := EndFacts{Meta: m, Lane: s.view(m)}
	if m.State == Running {
		f.Lease = s.lease(id)
	}
	return f
}

func (s *memory) claimFacts(id, nonce string) ClaimFacts {
	m := s.meta(id)
	return ClaimFacts{Meta: m, Lease: s.lease(id), Steps: s.steps(id), Lane: s.view(m), Nonce: nonce}
}

func (s *memory) advanceFacts(id string) AdvanceFacts {
	m := s.meta(id)
	f := AdvanceFacts{Meta: m, Deps: s.deps(m), Lane: s.view(m)}
	if ws := s.waiters(m.Lane); len(ws) > 0 {
		f.First = &ws[0]
	}
	return f
}

func (s *memory) dependents(id string) (ids []string) {
	for k := range s.items {
		if k.Kind == DependentItem && k.ID == id {
			ids = append(ids, k.Name)
		}
	}
	sort.Strings(ids)
	return ids
}

// world is a memory with a clock, for tests that walk through the rows.
type world struct {
	t *testing.T
	*memory
	now time.Time
}

const lane = "L#p#a#default"

func newWorld(t *testing.T) *world {
	return &world{t: t, memory: newMemory(), now: time.UnixMilli(1_700_000_000_000)}
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

func (w *world) must(d Decision) Decision {
	w.t.Helper()
	if item, ok := w.commit(d); !ok {
		w.t.Fatalf("the guard of %+v failed", item)
	}
	return d
}

func (w *world) refused(what string, d Decision) {
	w.t.Helper()
	if d.Empty() {
		w.t.Fatalf("%s: nothing was tried", what)
	}
	if _, ok := w.commit(d); ok {
		w.t.Errorf("%s: it was accepted", what)
	}
}

func (w *world) enqueueFacts(m Meta) Enqueue {
	if m.Workspace == "" {
		m.Workspace = "default"
	}
	m.Pool = "pool"
	in := Enqueue{Job: m, States: map[string]State{}, Lane: w.view(Meta{Lane: m.Lane})}
	for _, id := range m.DependsOn {
		if s := w.meta(id).State; s != "" {
			in.States[id] = s
		}
	}
	if m.Singleton != "" {
		var named Singleton
		fromAttrs(w.items[singletonOf(m.Singleton)], &named)
		if named.JobID != "" {
			old := w.meta(named.JobID)
			in.Replaces = &Replaced{Meta: old, Lane: w.view(old)}
		}
	}
	return in
}

func (w *world) queue(m Meta) Decision {
	w.t.Helper()
	d, _ := Queue(w.enqueueFacts(m), w.now)
	return w.must(d)
}

func (w *world) state(id string, want State) {
	w.t.Helper()
	if got := w.meta(id).State; got != want {
		w.t.Errorf("job %s is %s, want %s", id, got, want)
	}
}

func (w *world) holder(want string) {
	w.t.Helper()
	if got := w.view(Meta{Lane: lane}).Lane.Holder; got != want {
		w.t.Errorf("the lane is held by %q, want %q", got, want)
	}
}

var (
	runnerA = Runner{ID: "A", Projects: Projects{All: true}, Name: "a", Standing: true, Owner: "token-a"}
	runnerB = Runner{ID: "B", Projects: Projects{All: true}, Name: "b", Standing: true, Owner: "token-b"}
)

func (w *world) claim(id string, r Runner) Grant {
	w.t.Helper()
	g := Claim(w.claimFacts(id, "nonce-"+r.ID+fmt.Sprint(w.now.UnixMilli())), r, w.now)
	w.must(g.Decision)
	return g
}

func (w *world) claimed(id string, r Runner) int64 {
	w.t.Helper()
	g := w.claim(id, r)
	if g.Answer != Claimed {
		w.t.Fatalf("the claim of %s was answered %d", id, g.Answer)
	}
	return g.Lease.Attempt
}
