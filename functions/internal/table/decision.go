package table

import (
	"context"
	"fmt"
	"time"

	"github.com/waypoint-serverless/waypoint/functions/internal/job"
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
func (t *Table) commit(ctx context.Context, d job.Decision, extra ...TxAction) error {
	if d.Empty() {
		return nil
	}
	var tx Tx
	for _, c := range d.Changes {
		a, err := action(c, t.clock())
		if err != nil {
			return err
		}
		tx.Add(a)
	}
	return t.Commit(ctx, *tx.Add(extra...))
}

// action translates one change of the engine.
func action(c *job.Change, now time.Time) (a TxAction, err error) {
	key, label, ttl := place(c.Item)
	guard, err := guards(c.Guard)
	if err != nil {
		return a, err
	}
	switch c.Do {
	case job.Delete:
		a = Delete(key, guard)
	case job.Check:
		a = Check(key, guard)
	case job.Put:
		item, encodeErr := Encode(c.Value)
		if encodeErr != nil {
			return a, fmt.Errorf("writing %s: %w", key, encodeErr)
		}
		if ttl {
			item[AttrTTL] = number(now.Add(OutputLife).Unix())
		}
		if m, ok := c.Value.(job.Meta); ok {
			item[AttrIndex1], item[AttrSort1] = TextValue(JobsIndex(m.Project)), TextValue(m.ID)
			if c.Due != nil && c.Due.At != 0 {
				pk, sk := workEntry(c.Item.ID, *c.Due)
				item[AttrIndex2], item[AttrSort2] = TextValue(pk), TextValue(sk)
			}
		}
		a = Put(key, item, guard)
	default:
		a = Update(key, updateOf(c), guard)
	}
	if c.Item.Kind == job.LeaseItem {
		a = a.WithOld()
	}
	return a.Named(label), nil
}

// place is where an item of the engine stands, its label, and whether it has a time to live.
func place(i job.Item) (key Key, label string, ttl bool) {
	switch i.Kind {
	case job.MetaItem:
		return JobMeta(i.ID), labelMeta, false
	case job.BodyItem:
		return JobBody(i.ID), "body", false
	case job.LeaseItem:
		return JobLease(i.ID), labelLease, false
	case job.LaneItem:
		return Lane(i.ID), labelLane, false
	case job.WaiterItem:
		return LaneWaiter(i.ID, i.N), "waiter", false
	case job.DependentItem:
		return JobDependent(i.ID, i.Name), "dependent", true
	case job.StepItem:
		return JobStep(i.ID, i.Name), labelStep, true
	case job.OutputItem:
		return JobOutput(i.ID, i.N), "output", true
	default:
		return Singleton(i.ID), "singleton", false
	}
}

func guards(conds []job.Cond) (Expr, error) {
	parts := make([]Expr, 0, len(conds))
	for _, c := range conds {
		name := "#" + c.Attr
		switch c.Op {
		case job.Equal:
			parts = append(parts, If(name+" = ?", c.Value))
		case job.Less:
			parts = append(parts, If(name+" < ?", c.Value))
		case job.NotAtLeast:
			parts = append(parts, If("NOT "+name+" >= ?", c.Value))
		case job.AtLeast:
			parts = append(parts, If(name+" >= ?", c.Value))
		case job.Missing:
			parts = append(parts, If("attribute_not_exists("+name+")"))
		case job.Present:
			parts = append(parts, If("attribute_exists("+name+")"))
		case job.NotEnded:
			parts = append(parts, If(name+" IN (?, ?, ?)", job.Blocked, job.Ready, job.Running))
		default:
			return Expr{}, fmt.Errorf("guard on %s: unknown operator %d", c.Attr, c.Op)
		}
	}
	return And(parts...), nil
}

func updateOf(c *job.Change) Expr {
	var set, remove, add clause
	set.word, remove.word, add.word = "SET ", " REMOVE ", " ADD "
	for _, a := range c.Set {
		if job.Zero(a.Value) {
			remove.add("#" + a.Attr)
		} else {
			set.add("#"+a.Attr+" = ?", a.Value)
		}
	}
	for _, a := range c.Copy {
		set.add("#"+a.Attr+" = if_not_exists(#"+a.From+", ?)", int64(0))
	}
	for _, a := range c.Add {
		add.add("#"+a.Attr+" ?", a.Value)
	}
	if c.Due != nil {
		if c.Due.At == 0 {
			remove.add("#" + AttrIndex2)
			remove.add("#" + AttrSort2)
		} else {
			pk, sk := workEntry(c.Item.ID, *c.Due)
			set.add("#"+AttrIndex2+" = ?", pk)
			set.add("#"+AttrSort2+" = ?", sk)
		}
	}
	set.add("#"+AttrVersion+" = ?", SchemaVersion)
	return Set(set.text+remove.text+add.text, append(set.args, add.args...)...)
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
	case d.Rung && d.Runner != "":
		return PoolWork(""), NamedPrefix(d.Runner) + sortTime(time.UnixMilli(d.At)) + "#" + id
	case d.Rung:
		return PoolWork(d.Pool), sortTime(time.UnixMilli(d.At)) + "#" + id
	}
	return WorkIndex, sortTime(time.UnixMilli(d.At)) + "#" + id
}
