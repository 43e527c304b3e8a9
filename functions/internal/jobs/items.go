package jobs

import (
	"fmt"
	"reflect"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// The items of the engine's structs. Each has the fields of the struct that it stores, under the same Go names, so that
// attributes can be found by them; a struct without structs inside is converted as a whole, which does not compile when a field
// is missing here. The names in the tags are in the data of every installation: a change of one needs a new schema version.

type metaItem struct {
	ID           string     `dynamodbav:"id"`
	Project      string     `dynamodbav:"project"`
	App          string     `dynamodbav:"app,omitempty"`
	Workspace    string     `dynamodbav:"workspace"`
	Operation    string     `dynamodbav:"operation"`
	State        job.State  `dynamodbav:"state"`
	Lane         string     `dynamodbav:"lane,omitempty"`
	Ticket       int64      `dynamodbav:"ticket,omitempty"`
	Target       targetItem `dynamodbav:"target"`
	Local        bool       `dynamodbav:"local,omitempty"`
	Pool         string     `dynamodbav:"pool,omitempty"`
	DependsOn    []string   `dynamodbav:"depends_on,omitempty"`
	AllowFailure []string   `dynamodbav:"allow_failure,omitempty"`
	Dependents   int64      `dynamodbav:"dependents,omitempty"`
	Singleton    string     `dynamodbav:"singleton,omitempty"`
	QueuedAt     int64      `dynamodbav:"queued_at"`
	ReadyAt      int64      `dynamodbav:"ready_at,omitempty"`
	StartedAt    int64      `dynamodbav:"started_at,omitempty"`
	EndedAt      int64      `dynamodbav:"ended_at,omitempty"`
	ReadyNo      int64      `dynamodbav:"ready_no,omitempty"`
	Attempt      int64      `dynamodbav:"attempt,omitempty"`
	Lost         int64      `dynamodbav:"lost,omitempty"`
	WakeDue      int64      `dynamodbav:"ring_due,omitempty"`
	Wait         int64      `dynamodbav:"wait,omitempty"`
	ClaimBy      int64      `dynamodbav:"claim_by,omitempty"`
	ExpiresAt    int64      `dynamodbav:"expires_at,omitempty"`
	Due          int64      `dynamodbav:"due,omitempty"`
	RunnerID     string     `dynamodbav:"runner_id,omitempty"`
	RunnerName   string     `dynamodbav:"runner_name,omitempty"`
	QueuedBy     string     `dynamodbav:"queued_by,omitempty"`
	Owner        string     `dynamodbav:"owner,omitempty"`
	End          *endItem   `dynamodbav:"end,omitempty"` // nil while there is none: a struct is never left out
	EndedBy      int64      `dynamodbav:"ended_by,omitempty"`
}

type targetItem struct {
	RunnerID string            `dynamodbav:"runner_id,omitempty"`
	Labels   map[string]string `dynamodbav:"labels,omitempty"`
}

type endItem struct {
	Reason  string `dynamodbav:"reason,omitempty"`
	Message string `dynamodbav:"message,omitempty"`
	Hint    string `dynamodbav:"hint,omitempty"`
	Step    string `dynamodbav:"step,omitempty"`
}

type leaseItem struct {
	Attempt         int64           `dynamodbav:"attempt"`
	Live            bool            `dynamodbav:"live,omitempty"`
	Until           int64           `dynamodbav:"until,omitempty"`
	NextOutput      int64           `dynamodbav:"next_output,omitempty"`
	OutputMark      int64           `dynamodbav:"output_mark,omitempty"`
	SettledOutput   int64           `dynamodbav:"settled_output,omitempty"`
	Superseded      []positionsItem `dynamodbav:"superseded,omitempty"`
	CancelRequested int64           `dynamodbav:"cancel_requested,omitempty"`
	RunnerID        string          `dynamodbav:"runner_id,omitempty"`
	Owner           string          `dynamodbav:"owner,omitempty"`
	Nonce           string          `dynamodbav:"nonce,omitempty"`
}

type positionsItem struct {
	From int64 `dynamodbav:"from"`
	To   int64 `dynamodbav:"to"`
}

type laneItem struct {
	Key        string `dynamodbav:"-"` // it is the item's key
	Ver        int64  `dynamodbav:"ver,omitempty"`
	Holder     string `dynamodbav:"holder,omitempty"`
	Since      int64  `dynamodbav:"since,omitempty"`
	NextTicket int64  `dynamodbav:"next_ticket,omitempty"`
	Fence      int64  `dynamodbav:"fence,omitempty"`
}

type waiterItem struct {
	Ticket int64  `dynamodbav:"ticket"`
	JobID  string `dynamodbav:"job_id"`
}

type stepItem struct {
	Name       string `dynamodbav:"name"`
	Attempt    int64  `dynamodbav:"attempt"`
	Rerunnable bool   `dynamodbav:"rerunnable,omitempty"`
	StartedAt  int64  `dynamodbav:"started_at"`
	OutputAt   int64  `dynamodbav:"output_at,omitempty"`
	EndedAt    int64  `dynamodbav:"ended_at,omitempty"`
	RecordID   string `dynamodbav:"record_id,omitempty"`
}

type edgeItem struct {
	JobID string `dynamodbav:"job_id"`
}

type singletonItem struct {
	JobID string `dynamodbav:"job_id"`
}

// stored returns the form in which a value of the engine is stored: the item of a struct of its own, and any other value as it is.
func stored(v any) any {
	switch x := v.(type) {
	case job.Meta:
		return metaItemOf(x)
	case job.End:
		return endItem(x)
	case []job.Positions:
		return positionsItems(x)
	case job.Waiter:
		return waiterItem(x)
	case job.Step:
		return stepItem(x)
	case job.Edge:
		return edgeItem(x)
	}
	return v
}

func metaItemOf(m job.Meta) metaItem {
	return metaItem{
		ID: m.ID, Project: m.Project, App: m.App, Workspace: m.Workspace, Operation: m.Operation, State: m.State,
		Lane: m.Lane, Ticket: m.Ticket, Target: targetItem(m.Target), Local: m.Local, Pool: m.Pool,
		DependsOn: m.DependsOn, AllowFailure: m.AllowFailure, Dependents: m.Dependents, Singleton: m.Singleton,
		QueuedAt: m.QueuedAt, ReadyAt: m.ReadyAt, StartedAt: m.StartedAt, EndedAt: m.EndedAt, ReadyNo: m.ReadyNo,
		Attempt: m.Attempt, Lost: m.Lost, WakeDue: m.WakeDue, Wait: m.Wait, ClaimBy: m.ClaimBy, ExpiresAt: m.ExpiresAt, Due: m.Due,
		RunnerID: m.RunnerID, RunnerName: m.RunnerName, QueuedBy: m.QueuedBy, Owner: m.Owner,
		End: endItemOf(m.End), EndedBy: m.EndedBy,
	}
}

func endItemOf(e job.End) *endItem {
	if e == (job.End{}) {
		return nil
	}
	i := endItem(e)
	return &i
}

func (i metaItem) meta() job.Meta {
	m := job.Meta{
		ID: i.ID, Project: i.Project, App: i.App, Workspace: i.Workspace, Operation: i.Operation, State: i.State,
		Lane: i.Lane, Ticket: i.Ticket, Target: job.Target(i.Target), Local: i.Local, Pool: i.Pool,
		DependsOn: i.DependsOn, AllowFailure: i.AllowFailure, Dependents: i.Dependents, Singleton: i.Singleton,
		QueuedAt: i.QueuedAt, ReadyAt: i.ReadyAt, StartedAt: i.StartedAt, EndedAt: i.EndedAt, ReadyNo: i.ReadyNo,
		Attempt: i.Attempt, Lost: i.Lost, WakeDue: i.WakeDue, Wait: i.Wait, ClaimBy: i.ClaimBy, ExpiresAt: i.ExpiresAt, Due: i.Due,
		RunnerID: i.RunnerID, RunnerName: i.RunnerName, QueuedBy: i.QueuedBy, Owner: i.Owner,
		EndedBy: i.EndedBy,
	}
	if i.End != nil {
		m.End = job.End(*i.End)
	}
	return m
}

func (i leaseItem) lease() job.Lease {
	l := job.Lease{
		Attempt: i.Attempt, Live: i.Live, Until: i.Until, NextOutput: i.NextOutput, OutputMark: i.OutputMark,
		SettledOutput: i.SettledOutput, CancelRequested: i.CancelRequested, RunnerID: i.RunnerID, Owner: i.Owner, Nonce: i.Nonce,
	}
	for _, p := range i.Superseded {
		l.Superseded = append(l.Superseded, job.Positions(p))
	}
	return l
}

func positionsItems(all []job.Positions) []positionsItem {
	out := make([]positionsItem, len(all))
	for i, p := range all {
		out[i] = positionsItem(p)
	}
	return out
}

func decodeMeta(item store.Item) (job.Meta, error) {
	var i metaItem
	err := store.Decode(item, &i)
	return i.meta(), err
}

func decodeLease(item store.Item) (job.Lease, error) {
	var i leaseItem
	err := store.Decode(item, &i)
	return i.lease(), err
}

func decodeLane(item store.Item, key string) (job.Lane, error) {
	i := laneItem{Key: key}
	err := store.Decode(item, &i)
	return job.Lane(i), err
}

func decodeStep(item store.Item) (job.Step, error) {
	var i stepItem
	err := store.Decode(item, &i)
	return job.Step(i), err
}

// attributes are the names under which the fields of each kind of item are stored, by their Go names.
var attributes = map[job.Kind]map[string]string{
	job.MetaItem:      attributesOf(reflect.TypeFor[metaItem]()),
	job.LeaseItem:     attributesOf(reflect.TypeFor[leaseItem]()),
	job.LaneItem:      attributesOf(reflect.TypeFor[laneItem]()),
	job.WaiterItem:    attributesOf(reflect.TypeFor[waiterItem]()),
	job.StepItem:      attributesOf(reflect.TypeFor[stepItem]()),
	job.DependentItem: attributesOf(reflect.TypeFor[edgeItem]()),
	job.SingletonItem: attributesOf(reflect.TypeFor[singletonItem]()),
}

func attributesOf(rt reflect.Type) map[string]string {
	out := make(map[string]string, rt.NumField())
	for i := range rt.NumField() {
		if name := store.AttributeOf(rt.Field(i)); name != "" {
			out[rt.Field(i).Name] = name
		}
	}
	return out
}

// attribute returns the name under which a field of an item is stored.
func attribute(kind job.Kind, f job.Field) (string, error) {
	name, ok := attributes[kind][string(f)]
	if !ok {
		return "", fmt.Errorf("items of kind %d store no field %s", kind, f)
	}
	return name, nil
}
