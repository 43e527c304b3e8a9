package jobs

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// fill gives every field of a value, at any depth, a value that is not zero.
func fill(t *testing.T, rv reflect.Value, n *int64) {
	t.Helper()
	*n++
	switch rv.Kind() {
	case reflect.String:
		rv.SetString(fmt.Sprint("value ", *n))
	case reflect.Int64:
		rv.SetInt(*n)
	case reflect.Bool:
		rv.SetBool(true)
	case reflect.Slice:
		rv.Set(reflect.MakeSlice(rv.Type(), 2, 2))
		for i := range rv.Len() {
			fill(t, rv.Index(i), n)
		}
	case reflect.Map:
		rv.Set(reflect.ValueOf(map[string]string{"a": "1", "b": "2"}))
	case reflect.Struct:
		for i := range rv.NumField() {
			fill(t, rv.Field(i), n)
		}
	default:
		t.Fatalf("the engine has a field of kind %s: no item of ours holds one", rv.Kind())
	}
}

func filled[T any](t *testing.T) (v T) {
	t.Helper()
	n := int64(0)
	fill(t, reflect.ValueOf(&v).Elem(), &n)
	return v
}

// What the engine decides on is read as it was written, field by field.
func TestEveryFieldOfTheEngineIsStored(t *testing.T) {
	meta, lease, step := filled[job.Meta](t), filled[job.Lease](t), filled[job.Step](t)
	lane := filled[job.Lane](t)
	leaseStored := leaseItem{
		Attempt: lease.Attempt, Live: lease.Live, Until: lease.Until, NextOutput: lease.NextOutput, OutputMark: lease.OutputMark,
		SettledOutput: lease.SettledOutput, Superseded: positionsItems(lease.Superseded), CancelRequested: lease.CancelRequested,
		RunnerID: lease.RunnerID, Owner: lease.Owner, Nonce: lease.Nonce,
	}
	for _, c := range []struct {
		wrote, stored any
		read          func(store.Item) (any, error)
	}{
		{meta, stored(meta), func(i store.Item) (any, error) { return decodeMeta(i) }},
		{lease, leaseStored, func(i store.Item) (any, error) { return decodeLease(i) }},
		{step, stored(step), func(i store.Item) (any, error) { return decodeStep(i) }},
		{lane, laneItem(lane), func(i store.Item) (any, error) { return decodeLane(i, lane.Key) }},
	} {
		item, err := store.Encode(c.stored)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := c.read(item); err != nil || !reflect.DeepEqual(read, c.wrote) {
			t.Errorf("%v: read %+v, wrote %+v", err, read, c.wrote)
		}
	}
}

// The names of an item's fields are the engine's, so that each field that a decision names is found; a name that no item has is
// an error, not an attribute of that name.
func TestEveryFieldOfAnItemHasAnAttribute(t *testing.T) {
	for kind, rt := range map[job.Kind]reflect.Type{
		job.MetaItem: reflect.TypeFor[job.Meta](), job.LeaseItem: reflect.TypeFor[job.Lease](), job.LaneItem: reflect.TypeFor[job.Lane](),
		job.WaiterItem: reflect.TypeFor[job.Waiter](), job.StepItem: reflect.TypeFor[job.Step](), job.DependentItem: reflect.TypeFor[job.Edge](),
		job.SingletonItem: reflect.TypeFor[job.Singleton](),
	} {
		for i := range rt.NumField() {
			f := rt.Field(i).Name
			if _, err := attribute(kind, job.Field(f)); err != nil && f != "Key" {
				t.Errorf("%s: %v", rt, err)
			}
		}
	}
	change := &job.Change{Item: job.Item{Kind: job.LaneItem, ID: "l"}, Do: job.Update, Guard: []job.Cond{{Field: "RunnerID", Op: job.Missing}}}
	if _, err := guards(change); err == nil {
		t.Error("a guard on a field that a lane does not have was made")
	}
}
