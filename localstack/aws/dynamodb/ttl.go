package dynamodb

import (
	"context"
	"errors"
	"time"

	"zombiezen.com/go/sqlite"
)

const (
	expireLimit = 1000 // items that one ExpireOnce removes at most
	expireBatch = 50   // items in one write, so that others get their turn
	// DynamoDB leaves alone what expired more than five years ago: such values
	// are more likely a mistake than an expiry.
	expireOldest = 5 * 365 * 24 * time.Hour
)

// ExpireOnce removes items whose time-to-live attribute lies before now, and
// transaction tokens that have ended: at most 1,000 items, the oldest first.
// It returns how many items it removed; 1,000 means that there may be more.
func (e *Engine) ExpireOnce(ctx context.Context, now time.Time) (removed int, err error) {
	if err := e.store.Write(ctx, func(conn *sqlite.Conn) error { return dropTokens(conn, now) }); err != nil {
		return 0, err
	}
	for _, t := range e.snapshot() {
		if t.def.TTLAttribute == "" {
			continue
		}
		for removed < expireLimit {
			n := 0
			err := e.store.Write(ctx, func(conn *sqlite.Conn) (err error) {
				n, err = expireSome(conn, e.lookup(t.name), now)
				return err
			})
			if err != nil {
				return removed, err
			}
			if removed += n; n < expireBatch {
				break
			}
		}
	}
	return removed, nil
}

const selectExpired = `SELECT k FROM ddb_expiry WHERE space = ? AND at >= ? AND at < ? ORDER BY at LIMIT ?`

func expireSome(conn *sqlite.Conn, t *table, now time.Time) (int, error) {
	if t == nil {
		return 0, nil
	}
	stmt, err := conn.Prepare(selectExpired)
	if err != nil {
		return 0, err
	}
	stmt.BindInt64(1, int64(t.space))
	stmt.BindInt64(2, now.Add(-expireOldest).Unix())
	stmt.BindInt64(3, now.Unix())
	stmt.BindInt64(4, expireBatch)
	var keys [][]byte
	for {
		found, err := stmt.Step()
		if err != nil {
			return 0, err
		}
		if !found {
			break
		}
		key := make([]byte, stmt.ColumnLen(0))
		stmt.ColumnBytes(0, key)
		keys = append(keys, key)
	}
	for _, key := range keys {
		a := &action{verb: verbDelete, r: &request{}, t: t, key: key}
		if err := a.check(conn, t); err != nil {
			return 0, err
		}
		if !a.oldRow.found {
			return 0, errors.New("dynamodb: an expiry without its item")
		}
		if err := a.apply(conn); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}

// indexExpiry enters the items that a table has when its TTL is turned on.
func indexExpiry(conn *sqlite.Conn, t *table) error {
	lo, hi := segmentRange(t.space, 0, 1)
	type dated struct {
		key []byte
		at  int64
	}
	var found []dated
	if err := eachRow(conn, lo, hi, false, func(r row) (bool, error) {
		it, err := decodeItem(r.json)
		if err != nil {
			return false, err
		}
		if at, ok := t.expiryOf(it); ok {
			found = append(found, dated{t.key.append(nil, t.space, it), at})
		}
		return true, nil
	}); err != nil {
		return err
	}
	for _, d := range found {
		if err := execExpiry(conn, insertExpiry, t, d.at, d.key); err != nil {
			return err
		}
	}
	return nil
}

func dropExpiry(conn *sqlite.Conn, t *table) error {
	stmt, err := conn.Prepare(`DELETE FROM ddb_expiry WHERE space = ?`)
	if err != nil {
		return err
	}
	stmt.BindInt64(1, int64(t.space))
	_, err = stmt.Step()
	return err
}
