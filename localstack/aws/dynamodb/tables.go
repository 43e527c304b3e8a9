package dynamodb

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// loadTables reads the engine's view of its tables from the store.
func (e *Engine) loadTables(ctx context.Context) error {
	tables := map[string]*table{}
	err := e.store.Read(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.Execute(conn, `SELECT definition FROM ddb_tables`, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
			var def tableDefinition
			if err := json.Unmarshal([]byte(stmt.ColumnText(0)), &def); err != nil {
				return fmt.Errorf("a table's definition: %w", err)
			}
			tables[def.Name] = newTable(def)
			return nil
		}})
	})
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.tables = tables
	e.mu.Unlock()
	return e.sweepGarbage(ctx)
}

func (e *Engine) snapshot() []*table {
	e.mu.RLock()
	defer e.mu.RUnlock()
	all := make([]*table, 0, len(e.tables))
	for _, t := range e.tables {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *table) int { return strings.Compare(a.name, b.name) })
	return all
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// describe is a TableDescription.
func (e *Engine) describe(t *table, status string, n tableCount) map[string]any {
	d := map[string]any{
		"TableName": t.name, "TableArn": e.arn(t.name), "TableId": t.def.ID, "TableStatus": status,
		"CreationDateTime": seconds(t.def.Created), "AttributeDefinitions": t.def.Attributes, "KeySchema": t.def.Key,
		"ItemCount": n.items, "TableSizeBytes": n.bytes,
		"BillingModeSummary":        map[string]any{"BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": seconds(t.def.Created)},
		"ProvisionedThroughput":     map[string]any{"ReadCapacityUnits": 0, "WriteCapacityUnits": 0, "NumberOfDecreasesToday": 0},
		"DeletionProtectionEnabled": t.def.DeletionProtection,
	}
	var indexes []map[string]any
	for _, ix := range t.def.Indexes {
		indexes = append(indexes, map[string]any{
			"IndexName": ix.Name, "IndexArn": e.arn(t.name) + "/index/" + ix.Name, "IndexStatus": "ACTIVE",
			"KeySchema": ix.Key, "Projection": ix.Projection,
			"ProvisionedThroughput": map[string]any{"ReadCapacityUnits": 0, "WriteCapacityUnits": 0, "NumberOfDecreasesToday": 0},
		})
	}
	if indexes != nil {
		d["GlobalSecondaryIndexes"] = indexes
	}
	return d
}

type tableInput struct{ TableName string }

// named decodes a request that has a table's name alone, and finds the table.
func (e *Engine) named(ctx context.Context, body, operation string) (*table, error) {
	var in tableInput
	if err := decodeControl(body, &in); err != nil {
		return nil, err
	}
	return e.controlled(ctx, operation, in.TableName)
}

func (e *Engine) controlled(ctx context.Context, operation, name string) (*table, error) {
	name = e.plainName(name)
	if err := checkTableName(name); err != nil {
		return nil, err
	}
	if err := e.allow(ctx, operation, e.arn(name)); err != nil {
		return nil, err
	}
	if t := e.lookup(name); t != nil {
		return t, nil
	}
	return nil, tableNotFound(name)
}

func (e *Engine) describeTable(ctx context.Context, body string) ([]byte, error) {
	t, err := e.named(ctx, body, "DescribeTable")
	if err != nil {
		return nil, err
	}
	n, err := e.count(ctx, t)
	if err != nil {
		return nil, err
	}
	return respond(map[string]any{"Table": e.describe(t, "ACTIVE", n)})
}

func (e *Engine) count(ctx context.Context, t *table) (tableCount, error) {
	now := e.clock()
	e.mu.RLock()
	n, ok := e.counts[t.def.ID]
	e.mu.RUnlock()
	if ok && now.Sub(n.at) < countEvery {
		return n, nil
	}
	n = tableCount{at: now}
	lo, hi := segmentRange(t.space, 0, 1)
	err := e.store.Read(ctx, func(conn *sqlite.Conn) error {
		stmt, err := conn.Prepare(`SELECT count(*), coalesce(sum(size), 0) FROM ddb_rows WHERE k >= ? AND k < ?`)
		if err != nil {
			return err
		}
		stmt.BindBytes(1, lo)
		stmt.BindBytes(2, hi)
		if _, err := stmt.Step(); err != nil {
			return err
		}
		n.items, n.bytes = stmt.ColumnInt64(0), stmt.ColumnInt64(1)
		return nil
	})
	if err == nil {
		e.mu.Lock()
		e.counts[t.def.ID] = n
		e.mu.Unlock()
	}
	return n, err
}

func (e *Engine) listTables(ctx context.Context, body string) ([]byte, error) {
	var in struct {
		ExclusiveStartTableName string
		Limit                   *int
	}
	if err := decodeControl(body, &in); err != nil {
		return nil, err
	}
	if err := e.allow(ctx, "ListTables", "*"); err != nil {
		return nil, err
	}
	limit := 100
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 || limit > 100 {
		return nil, validation(fmt.Sprintf("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and 100", limit))
	}
	names := []string{}
	out := map[string]any{}
	for _, t := range e.snapshot() {
		if t.name <= in.ExclusiveStartTableName {
			continue
		}
		if len(names) == limit {
			out["LastEvaluatedTableName"] = names[limit-1]
			break
		}
		names = append(names, t.name)
	}
	out["TableNames"] = names
	return respond(out)
}

// updateTable changes deletion protection; everything else about a table is
// refused by name.
func (e *Engine) updateTable(ctx context.Context, body string) ([]byte, error) {
	var in struct {
		TableName                 string
		DeletionProtectionEnabled *bool
	}
	if err := decodeControl(body, &in); err != nil {
		return nil, err
	}
	t, err := e.controlled(ctx, "UpdateTable", in.TableName)
	if err != nil {
		return nil, err
	}
	if in.DeletionProtectionEnabled == nil {
		return nil, validation("At least one of the members that this engine implements is required: DeletionProtectionEnabled")
	}
	t, err = e.redefine(ctx, t.name, func(def *tableDefinition) error {
		def.DeletionProtection = *in.DeletionProtectionEnabled
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	n, err := e.count(ctx, t)
	if err != nil {
		return nil, err
	}
	return respond(map[string]any{"TableDescription": e.describe(t, "ACTIVE", n)})
}

// redefine changes a table's definition; then, if given, runs in the same
// write.
func (e *Engine) redefine(ctx context.Context, name string, edit func(*tableDefinition) error, then func(*sqlite.Conn, *table) error) (next *table, err error) {
	err = e.change(ctx, name, func(conn *sqlite.Conn, have *table) (*table, error) {
		if have == nil {
			return nil, tableNotFound(name)
		}
		def := have.def
		if err := edit(&def); err != nil {
			return nil, err
		}
		next = newTable(def)
		if then != nil {
			return next, then(conn, next)
		}
		return next, nil
	})
	return next, err
}

func (e *Engine) deleteTable(ctx context.Context, body string) ([]byte, error) {
	t, err := e.named(ctx, body, "DeleteTable")
	if err != nil {
		return nil, err
	}
	err = e.change(ctx, t.name, func(conn *sqlite.Conn, have *table) (*table, error) {
		switch {
		case have == nil:
			return nil, tableNotFound(t.name)
		case have.def.DeletionProtection:
			return nil, validation("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
		}
		t = have
		return nil, markGarbage(conn, have)
	})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	delete(e.counts, t.def.ID)
	e.mu.Unlock()
	if err := e.sweepGarbage(ctx); err != nil {
		return nil, err
	}
	return respond(map[string]any{"TableDescription": e.describe(t, "DELETING", tableCount{})})
}

// markGarbage notes the row spaces of a table that is gone. Their rows are
// removed in small writes, by DeleteTable or at the next start.
func markGarbage(conn *sqlite.Conn, t *table) error {
	spaces := []uint32{t.space}
	for _, ix := range t.indexes {
		spaces = append(spaces, ix.space)
	}
	for _, s := range spaces {
		if err := exec(conn, `INSERT OR IGNORE INTO ddb_garbage (space) VALUES (CAST(? AS INTEGER))`, fmt.Sprint(s)); err != nil {
			return err
		}
	}
	return dropExpiry(conn, t)
}

const garbageBatch = 500

func (e *Engine) sweepGarbage(ctx context.Context) error {
	for {
		more := false
		err := e.store.Write(ctx, func(conn *sqlite.Conn) error {
			stmt, err := conn.Prepare(`SELECT space FROM ddb_garbage LIMIT 1`)
			if err != nil {
				return err
			}
			found, err := stmt.Step()
			if err != nil || !found {
				return err
			}
			space := uint32(stmt.ColumnInt64(0))
			stmt.Reset() //nolint:errcheck // the row was read
			more = true
			return sweepSpace(conn, space)
		})
		if err != nil || !more {
			return err
		}
	}
}

func sweepSpace(conn *sqlite.Conn, space uint32) error {
	lo, hi := segmentRange(space, 0, 1)
	if more, err := clearSome(conn, lo, hi, garbageBatch); err != nil || more {
		return err
	}
	return exec(conn, `DELETE FROM ddb_garbage WHERE space = CAST(? AS INTEGER)`, fmt.Sprint(space))
}
