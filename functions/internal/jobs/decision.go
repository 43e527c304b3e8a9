package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// OutputLife is how long output, steps and dependency edges are kept.
const OutputLife = 30 * 24 * time.Hour

// Labels of a decision's actions in a *ConditionError.
const (
	labelMeta  = "meta"
	labelLease = fenceLabel
	labelLane  = "lane"
	labelStep  = "step"
)

// commit carries out a decision of the job engine, with further actions, as one transaction (or as one plain write,
// at half the price, when it is one). An empty decision does nothing.
func (st *Store) commit(ctx context.Context, d job.Decision, extra ...store.Action) error {
	if d.Empty() {
		return nil
	}
	var tx store.Tx
	for _, c := range d.Changes {
		a, err := action(c, st.db.Now())
		if err != nil {
			return err
		}
		tx.Add(a)
	}
	return st.db.Commit(ctx, *tx.Add(extra...))
}

// action translates one change of the engine.
func action(c *job.Change, now time.Time) (a store.Action, err error) {
	key, label, ttl := place(c.Item)
	guard, err := guards(c)
	if err != nil {
		return a, err
	}
	switch c.Do {
	case job.Delete:
		a = store.Delete(key, guard)
	case job.Check:
		a = store.Check(key, guard)
	case job.Put:
		item, encodeErr := store.Encode(stored(c.Value))
		if encodeErr != nil {
			return a, fmt.Errorf("writing %s: %w", key, encodeErr)
		}
		if ttl {
			item[store.AttrTTL] = store.Number(now.Add(OutputLife).Unix())
		}
		if m, ok := c.Value.(job.Meta); ok {
			item[store.AttrIndex1], item[store.AttrSort1] = store.TextValue(store.JobsIndex(m.Project)), store.TextValue(m.ID)
			if c.Due != nil && c.Due.At != 0 {
				pk, sk := workEntry(c.Item.ID, *c.Due)
				item[store.AttrIndex2], item[store.AttrSort2] = store.TextValue(pk), store.TextValue(sk)
			}
		}
		a = store.Put(key, item, guard)
	default:
		change, err := updateOf(c)
		if err != nil {
			return a, fmt.Errorf("writing %s: %w", key, err)
		}
		a = store.Update(key, change, guard)
	}
	if c.Item.Kind == job.LeaseItem {
		a = a.WithOld()
	}
	return a.Named(label), nil
}

// place is where an item of the engine stands, its label, and whether it has a time to live.
func place(i job.Item) (key store.Key, label string, ttl bool) {
	switch i.Kind {
	case job.MetaItem:
		return store.JobMeta(i.ID), labelMeta, false
	case job.BodyItem:
		return store.JobBody(i.ID), "body", false
	case job.LeaseItem:
		return store.JobLease(i.ID), labelLease, false
	case job.LaneItem:
		return store.Lane(i.ID), labelLane, false
	case job.WaiterItem:
		return store.LaneWaiter(i.ID, i.N), "waiter", false
	case job.DependentItem:
		return store.JobDependent(i.ID, i.Name), "dependent", true
	case job.StepItem:
		return store.JobStep(i.ID, i.Name), labelStep, true
	case job.OutputItem:
		return store.JobOutput(i.ID, i.N), "output", true
	default:
		return store.Singleton(i.ID), "singleton", false
	}
}

func guards(of *job.Change) (store.Expr, error) {
	parts := make([]store.Expr, 0, len(of.Guard))
	for _, c := range of.Guard {
		name, err := attribute(of.Item.Kind, c.Field)
		if err != nil {
			return store.Expr{}, err
		}
		name = "#" + name
		switch c.Op {
		case job.Equal:
			parts = append(parts, store.If(name+" = ?", c.Value))
		case job.Less:
			parts = append(parts, store.If(name+" < ?", c.Value))
		case job.NotAtLeast:
			parts = append(parts, store.If("NOT "+name+" >= ?", c.Value))
		case job.AtLeast:
			parts = append(parts, store.If(name+" >= ?", c.Value))
		case job.Missing:
			parts = append(parts, store.If("attribute_not_exists("+name+")"))
		case job.Present:
			parts = append(parts, store.If("attribute_exists("+name+")"))
		case job.NotEnded:
			parts = append(parts, store.If(name+" IN (?, ?, ?)", job.Blocked, job.Ready, job.Running))
		default:
			return store.Expr{}, fmt.Errorf("guard on %s: unknown operator %d", c.Field, c.Op)
		}
	}
	return store.And(parts...), nil
}

func updateOf(c *job.Change) (store.Expr, error) {
	var set, remove, add clause
	set.word, remove.word, add.word = "SET ", " REMOVE ", " ADD "
	for _, a := range c.Set {
		name, err := attribute(c.Item.Kind, a.Field)
		switch {
		case err != nil:
			return store.Expr{}, err
		case job.Zero(a.Value):
			remove.add("#" + name)
		default:
			set.add("#"+name+" = ?", stored(a.Value))
		}
	}
	for _, a := range c.Copy {
		to, err := attribute(c.Item.Kind, a.Field)
		if err != nil {
			return store.Expr{}, err
		}
		from, err := attribute(c.Item.Kind, a.From)
		if err != nil {
			return store.Expr{}, err
		}
		set.add("#"+to+" = if_not_exists(#"+from+", ?)", int64(0))
	}
	for _, a := range c.Add {
		name, err := attribute(c.Item.Kind, a.Field)
		if err != nil {
			return store.Expr{}, err
		}
		add.add("#"+name+" ?", a.Value)
	}
	if c.Due != nil {
		if c.Due.At == 0 {
			remove.add("#" + store.AttrIndex2)
			remove.add("#" + store.AttrSort2)
		} else {
			pk, sk := workEntry(c.Item.ID, *c.Due)
			set.add("#"+store.AttrIndex2+" = ?", pk)
			set.add("#"+store.AttrSort2+" = ?", sk)
		}
	}
	set.add("#"+store.AttrVersion+" = ?", store.SchemaVersion)
	return store.Set(set.text+remove.text+add.text, append(set.args, add.args...)...), nil
}

type clause struct {
	word, text string
	args       []any
}

func (c *clause) add(part string, args ...any) {
	if c.text == "" {
		c.text = c.word + part
	} else {
		c.text += ", " + part
	}
	c.args = append(c.args, args...)
}

// workEntry is a job's place in the work index. READY jobs for a pool stand in the pool's own partition, where a beat finds
// them with one query; all others share one. Those for one runner stand before the jobs without a pool, by runner. The id
// keeps equal times apart.
func workEntry(id string, d job.Due) (pk, sk string) {
	switch {
	case d.Offered && d.Runner != "":
		return store.PoolWork(""), store.NamedPrefix(d.Runner) + store.SortTime(time.UnixMilli(d.At)) + "#" + id
	case d.Offered:
		return store.PoolWork(d.Pool), store.SortTime(time.UnixMilli(d.At)) + "#" + id
	}
	return store.WorkIndex, store.SortTime(time.UnixMilli(d.At)) + "#" + id
}
