package job

// Kind of item that a change is about.
type Kind int

// Kinds of item, with what identifies one.
const (
	// MetaItem, BodyItem and LeaseItem: ID is the job's.
	MetaItem Kind = iota + 1
	BodyItem
	LeaseItem
	// LaneItem: ID is the lane's key. WaiterItem: and N the ticket.
	LaneItem
	WaiterItem
	// DependentItem: ID is the job waited for, Name the one that waits.
	DependentItem
	// StepItem: Name is the step's. OutputItem: N is the position.
	StepItem
	OutputItem
	// SingletonItem: ID is the singleton's hash.
	SingletonItem
)

// Item names one item of the table.
type Item struct {
	Kind Kind
	ID   string
	N    int64
	Name string
}

// Op is how a guard compares.
type Op int

// Operators of guards.
const (
	Equal Op = iota + 1
	Less
	AtLeast
	// Missing and Present look at whether the field has a value; theirs is ignored.
	Missing
	Present
	// NotAtLeast: the field is less, or missing.
	NotAtLeast
	// NotEnded: the field is a state that is not final.
	NotEnded
)

// Cond is one guard: a field of the change's item compared with a value.
type Cond struct {
	Field Field
	Op    Op
	Value any
}

// Do is what a change does to its item.
type Do int

// What a change can do.
const (
	// Update sets fields (a zero value removes one) and makes the item if it is not there.
	Update Do = iota + 1
	// Put writes Value as the whole item.
	Put
	Delete
	// Check only guards.
	Check
)

// Change is a guarded write of one item. There is one per item in a decision.
type Change struct {
	Item  Item
	Do    Do
	Guard []Cond
	Set   []Assign
	// Add counts a field up.
	Add []Assign
	// Copy gives a field the value that another one has when the decision is carried out (0 if it has none).
	Copy []Copied
	// Value is the item for Put: a struct of this package.
	Value any
	// Due is where the job stands in the work index after the change; nil leaves it.
	Due *Due
}

// Assign gives a field a value. A zero value removes it.
type Assign struct {
	Field Field
	Value any
}

// Copied gives Field the number that From holds.
type Copied struct{ Field, From Field }

// Due is a job's entry in the work index.
type Due struct {
	// At is when something is owed, Unix milliseconds; 0: nothing is.
	At int64
	// Offered reports that the job is READY for the runners of Pool ("" while no pool fits), which find it there with a heartbeat.
	Offered bool
	Pool    string
	// Runner is the one runner that a READY job names: it finds the job apart from its pool's, however many those are.
	Runner string
}

// A WakeUp is a wake-up message to send.
type WakeUp struct {
	JobID, Pool string
	// RunnerID is the one runner that the message is for; "" for any of the pool.
	RunnerID string
}

// Decision is one transaction and what is owed after it. A decision without changes means that nothing is to be done.
type Decision struct {
	Changes []*Change
	// WakeUps are sent after the commit. A message that is lost costs time only: the table knows what is due.
	WakeUps []WakeUp
	// Advance are jobs for which row 18 is to be tried after the commit; Dependents are ended jobs, each of whose
	// dependents is to be tried.
	Advance    []string
	Dependents []string
	// DecideAt is when it will be decided what becomes of a job whose runner is silent, if it stays so; Unix milliseconds, 0: not
	// the case. A sweep that can wait so long decides on time.
	DecideAt int64
}

// StateOf is the state that the decision gives a job; "" if it gives none.
func (d Decision) StateOf(id string) State {
	for _, c := range d.Changes {
		if c.Item != metaOf(id) {
			continue
		}
		for _, a := range c.Set {
			if s, ok := a.Value.(State); ok && a.Field == fieldState {
				return s
			}
		}
	}
	return ""
}

// Empty reports that nothing is to be written.
func (d Decision) Empty() bool { return len(d.Changes) == 0 }

// on returns the decision's change of an item, an Update that does nothing yet if there is none.
func (d *Decision) on(item Item) *Change {
	for _, c := range d.Changes {
		if c.Item == item {
			return c
		}
	}
	c := &Change{Item: item, Do: Update}
	d.Changes = append(d.Changes, c)
	return c
}

func (c *Change) guard(field Field, op Op, v any) *Change {
	c.Guard = append(c.Guard, Cond{field, op, v})
	return c
}

// as guards that a field still has the value that was read; a zero value was not there.
func (c *Change) as(field Field, v any) *Change {
	if Zero(v) {
		return c.guard(field, Missing, nil)
	}
	return c.guard(field, Equal, v)
}

func (c *Change) set(field Field, v any) *Change {
	for i := range c.Set {
		if c.Set[i].Field == field {
			c.Set[i].Value = v
			return c
		}
	}
	c.Set = append(c.Set, Assign{field, v})
	return c
}

func (c *Change) due(d Due) *Change {
	c.Due = &d
	return c.set(fieldDue, d.At)
}

// Zero reports whether an assigned value removes its field.
func Zero(v any) bool {
	switch x := v.(type) {
	case string:
		return x == ""
	case State:
		return x == ""
	case int64:
		return x == 0
	case bool:
		return !x
	case End:
		return x == End{}
	}
	return v == nil
}

func metaOf(id string) Item                  { return Item{Kind: MetaItem, ID: id} }
func leaseOf(id string) Item                 { return Item{Kind: LeaseItem, ID: id} }
func laneOf(key string) Item                 { return Item{Kind: LaneItem, ID: key} }
func waiterOf(key string, ticket int64) Item { return Item{Kind: WaiterItem, ID: key, N: ticket} }
func dependentOf(dep, dependent string) Item {
	return Item{Kind: DependentItem, ID: dep, Name: dependent}
}
func stepOf(id, name string) Item             { return Item{Kind: StepItem, ID: id, Name: name} }
func outputOf(id string, position int64) Item { return Item{Kind: OutputItem, ID: id, N: position} }
func singletonOf(hash string) Item            { return Item{Kind: SingletonItem, ID: hash} }
