package dynamodb

import (
	"context"
	"strconv"

	"zombiezen.com/go/sqlite"
)

// verb is what an action does to its item.
type verb uint8

const (
	verbPut verb = iota
	verbUpdate
	verbDelete
	verbCheck
)

func (v verb) operation() string {
	return [...]string{"PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"}[v]
}

// action is one write on one item, alone or in a transaction. It is prepared
// outside the writer, then checked and applied inside it.
type action struct {
	verb verb
	r    *request
	t    *table
	key  []byte
	cond *condition
	upd  *update

	oldRow row
	old    item // decoded when something needs it
	new    item // nil: the item is gone (or, for a check, untouched)
	json   []byte
	size   int
	used   usage
	failed error // found late, for a transaction to tell as a reason
}

// conditionError is a condition that did not hold, and the item as it is.
type conditionError struct{ row row }

func (e *conditionError) Error() string { return conditionFailed }

// prepare validates all that can be validated without the item.
func (e *Engine) prepare(ctx context.Context, v verb, r *request) (*action, error) {
	a := &action{verb: v, r: r}
	subs, err := newPlaceholders(r)
	if err != nil {
		return nil, err
	}
	if r.has&memberUpdate != 0 {
		if a.upd, err = parseUpdate(r.update, subs); err != nil {
			return nil, err
		}
	}
	if r.has&memberCondition != 0 {
		if a.cond, err = parseCondition("ConditionExpression", r.condition, subs); err != nil {
			return nil, err
		}
	}
	if err := subs.allUsed(); err != nil {
		return nil, err
	}
	if a.t, err = e.tableFor(ctx, v.operation(), r.table); err != nil {
		return nil, err
	}
	return a, a.prepareItem()
}

func (a *action) prepareItem() error {
	t := a.t
	keyed := a.r.key
	if a.verb == verbPut {
		if a.r.has&memberItem == 0 {
			return missing("item")
		}
		keyed = a.r.item
		if err := t.key.checkItem(keyed); err != nil {
			return err
		}
		if err := a.setNew(keyed, itemTooLarge); err != nil {
			return err
		}
	} else {
		if a.r.has&memberKey == 0 {
			return missing("key")
		}
		if err := t.key.checkKey(keyed); err != nil {
			return err
		}
	}
	if a.upd != nil {
		for _, n := range a.upd.touched.names {
			if t.key.contains(n.name) {
				return late(invalidParameter("Cannot update attribute " + n.name + ". This attribute is part of the key"))
			}
		}
	}
	a.key = t.key.append(make([]byte, 0, 96), t.space, keyed)
	return nil
}

// setNew takes the item's new content and checks what must hold for it.
func (a *action) setNew(it item, tooLarge string) error {
	a.new = it
	if a.size = it.size(); a.size > maxItemSize {
		return validation(tooLarge)
	}
	if err := a.t.checkIndexKeys(it); err != nil {
		return err
	}
	a.json = appendItem(make([]byte, 0, a.size+16*len(it)+64), it)
	return nil
}

// check reads the item, evaluates the condition and computes the new content.
// It changes nothing.
func (a *action) check(conn *sqlite.Conn, live *table) error {
	if live == nil || live.space != a.t.space {
		return errDataTable // deleted since the request was prepared
	}
	if a.failed != nil {
		return a.failed
	}
	a.t = live
	var err error
	if a.oldRow, err = getRow(conn, a.key); err != nil {
		return err
	}
	if a.oldRow.found && (a.cond != nil || a.verb == verbUpdate || len(live.indexes) > 0 || live.def.TTLAttribute != "") {
		if a.old, err = decodeItem(a.oldRow.json); err != nil {
			return err
		}
	}
	if a.cond != nil && !a.cond.holds(a.old) {
		return &conditionError{a.oldRow}
	}
	if a.verb != verbUpdate {
		return nil
	}
	before := a.old
	if before == nil {
		before = a.r.key
	}
	if a.upd == nil {
		return a.setNew(before, itemTooLargeUpd)
	}
	after, err := a.upd.apply(before)
	if err != nil {
		return err
	}
	for i := range after {
		if after[i].depth() > maxNestingLevels {
			return validation("Nesting Levels have exceeded supported limits")
		}
	}
	return a.setNew(after, itemTooLargeUpd)
}

// apply writes what check computed: the item, its index rows, its expiry.
func (a *action) apply(conn *sqlite.Conn) error {
	a.used = newUsage(a.t, false)
	a.used.table = writeUnits(max(a.size, a.oldRow.size))
	switch {
	case a.verb == verbCheck:
		return nil
	case a.new == nil && !a.oldRow.found:
		return nil
	case a.new == nil:
		if err := removeRow(conn, a.key, a.oldRow.body); err != nil {
			return err
		}
	case a.oldRow.found && a.oldRow.json == string(a.json):
		return nil // a write that changes nothing moves no index either
	default:
		if err := putRow(conn, a.key, a.size, a.json, a.oldRow.body); err != nil {
			return err
		}
	}
	for i, ix := range a.t.indexes {
		units, err := ix.move(conn, a.t, a.old, a.new)
		if err != nil {
			return err
		}
		a.used.indexes[i] = units
	}
	return moveExpiry(conn, a.t, a.key, a.old, a.new)
}

// move brings an index from an item's old content to its new one and returns
// the write units: a changed key is a delete and a put.
func (ix *index) move(conn *sqlite.Conn, t *table, before, after item) (units float64, err error) {
	var was, is *entry
	if before != nil {
		was = ix.entry(t, before)
	}
	if after != nil {
		is = ix.entry(t, after)
	}
	same := was != nil && is != nil && string(was.key) == string(is.key)
	if same && string(was.json) == string(is.json) {
		return 0, nil
	}
	var body int64
	if was != nil {
		if body, err = bodyOf(conn, was.key); err != nil {
			return 0, err
		}
	}
	if same {
		return writeUnits(max(was.size, is.size)), putRow(conn, is.key, is.size, is.json, body)
	}
	if was != nil {
		if err := removeRow(conn, was.key, body); err != nil {
			return 0, err
		}
		units += writeUnits(was.size)
	}
	if is != nil {
		if err := putRow(conn, is.key, is.size, is.json, 0); err != nil {
			return 0, err
		}
		units += writeUnits(is.size)
	}
	return units, nil
}

// expiryOf is when an item ends: its TTL attribute as seconds, if it is a
// number.
func (t *table) expiryOf(it item) (int64, bool) {
	if t.def.TTLAttribute == "" || it == nil {
		return 0, false
	}
	v := it.get(t.def.TTLAttribute)
	if v == nil || v.kind != kindN {
		return 0, false
	}
	f, err := strconv.ParseFloat(v.s, 64)
	if err != nil || f < 0 || f > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

const (
	insertExpiry = `INSERT OR REPLACE INTO ddb_expiry (space, at, k) VALUES (?, ?, ?)`
	deleteExpiry = `DELETE FROM ddb_expiry WHERE space = ? AND at = ? AND k = ?`
)

func moveExpiry(conn *sqlite.Conn, t *table, key []byte, before, after item) error {
	was, had := t.expiryOf(before)
	is, has := t.expiryOf(after)
	if had == has && was == is {
		return nil
	}
	if had {
		if err := execExpiry(conn, deleteExpiry, t, was, key); err != nil {
			return err
		}
	}
	if has {
		return execExpiry(conn, insertExpiry, t, is, key)
	}
	return nil
}

func execExpiry(conn *sqlite.Conn, query string, t *table, at int64, key []byte) error {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return err
	}
	stmt.BindInt64(1, int64(t.space))
	stmt.BindInt64(2, at)
	stmt.BindBytes(3, key)
	_, err = stmt.Step()
	return err
}
