package dynamodb

import (
	"context"
	"errors"

	"zombiezen.com/go/sqlite"
)

func (e *Engine) getItem(ctx context.Context, body string) ([]byte, error) {
	var r request
	if err := r.decode(body, membersGet); err != nil {
		return nil, err
	}
	g, err := e.prepareGet(ctx, "GetItem", &r)
	if err != nil {
		return nil, err
	}
	var found row
	if err := e.store.Read(ctx, func(conn *sqlite.Conn) error {
		found, err = getRow(conn, g.key)
		return err
	}); err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(found.json)+256), '{')
	if found.found {
		out = append(out, `"Item":`...)
		if out, err = g.append(out, found.json); err != nil {
			return nil, err
		}
	}
	if wantsCapacity(r.capacity) {
		out = comma(out)
		u := newUsage(g.t, true)
		u.table = readUnits(found.size, r.consistent)
		out = append(out, `"ConsumedCapacity":`...)
		out = u.append(out, r.capacity, false)
	}
	return append(out, '}'), nil
}

// comma separates a member from the one before it, if there is one.
func comma(b []byte) []byte {
	if b[len(b)-1] == '{' {
		return b
	}
	return append(b, ',')
}

// get is one read of one item, alone, in a batch or in a transaction.
type get struct {
	t    *table
	key  []byte
	pick *node // nil: the whole item
}

func (e *Engine) prepareGet(ctx context.Context, operation string, r *request) (get, error) {
	var g get
	subs, err := newPlaceholders(r)
	if err != nil {
		return g, err
	}
	if r.has&memberProjection != 0 {
		if g.pick, err = parseProjection(r.projection, subs); err != nil {
			return g, err
		}
	}
	if err := subs.allUsed(); err != nil {
		return g, err
	}
	if g.t, err = e.tableFor(ctx, operation, r.table); err != nil {
		return g, err
	}
	if r.has&memberKey == 0 {
		return g, missing("key")
	}
	return g, g.setKey(r.key)
}

func (g *get) setKey(key item) error {
	if err := g.t.key.checkKey(key); err != nil {
		return err
	}
	g.key = g.t.key.append(make([]byte, 0, 96), g.t.space, key)
	return nil
}

// append writes the item, or what the projection leaves of it.
func (g *get) append(b []byte, stored string) ([]byte, error) {
	if g.pick == nil {
		return append(b, stored...), nil
	}
	it, err := decodeItem(stored)
	if err != nil {
		return nil, err
	}
	return appendItem(b, g.pick.pick(it)), nil
}

func (e *Engine) putItem(ctx context.Context, body string) ([]byte, error) {
	return e.writeItem(ctx, body, verbPut, membersPut)
}

func (e *Engine) updateItem(ctx context.Context, body string) ([]byte, error) {
	return e.writeItem(ctx, body, verbUpdate, membersUpdate)
}

func (e *Engine) deleteItem(ctx context.Context, body string) ([]byte, error) {
	return e.writeItem(ctx, body, verbDelete, membersDelete)
}

func (e *Engine) writeItem(ctx context.Context, body string, v verb, allowed members) ([]byte, error) {
	var r request
	if err := r.decode(body, allowed); err != nil {
		return nil, err
	}
	if v != verbUpdate && r.returnValues != "" && r.returnValues != "NONE" && r.returnValues != "ALL_OLD" {
		return nil, validation("Return values set to invalid value")
	}
	a, err := e.prepare(ctx, v, &r)
	if err != nil {
		return nil, err
	}
	if e.faults.strikes(WriteConflict, v.operation()) {
		return nil, errConflict
	}
	err = e.store.Write(ctx, func(conn *sqlite.Conn) error {
		if err := a.check(conn, e.lookup(a.t.name)); err != nil {
			return err
		}
		return a.apply(conn)
	})
	if err != nil {
		return nil, a.failure(err)
	}
	return a.response(), nil
}

// failure turns a failed condition into its answer.
func (a *action) failure(err error) error {
	var failed *conditionError
	if !errors.As(err, &failed) {
		return err
	}
	answer := dynamoError("ConditionalCheckFailedException", conditionFailed)
	if a.r.returnOnFailure == "ALL_OLD" && failed.row.found {
		answer.members = append([]byte(`,"Item":`), failed.row.json...)
	}
	return answer
}

func (a *action) response() []byte {
	out := append(make([]byte, 0, 256), '{')
	out = a.appendAttributes(out)
	if wantsCapacity(a.r.capacity) {
		out = append(comma(out), `"ConsumedCapacity":`...)
		out = a.used.append(out, a.r.capacity, false)
	}
	return append(out, '}')
}

func (a *action) appendAttributes(b []byte) []byte {
	const member = `"Attributes":`
	switch a.r.returnValues {
	case "ALL_OLD":
		if a.oldRow.found {
			b = append(append(b, member...), a.oldRow.json...)
		}
	case "ALL_NEW":
		b = append(append(b, member...), a.json...)
	case "UPDATED_OLD", "UPDATED_NEW":
		from := a.new
		if a.r.returnValues == "UPDATED_OLD" {
			from = a.old
		}
		if a.upd == nil {
			break
		}
		if part := a.upd.touched.pick(from); len(part) > 0 {
			b = appendItem(append(b, member...), part)
		}
	}
	return b
}
