package dynamodb

import (
	"errors"

	"zombiezen.com/go/sqlite"
)

// schema holds all of the engine's data. Rows of all tables and indexes lie in
// one b-tree, told apart by the first bytes of their keys. A row too long to
// stand in its page has its item in ddb_bodies: SQLite compares a key in an
// overflowing row only after it has copied the whole row.
const schema = `
CREATE TABLE IF NOT EXISTS ddb_tables (name TEXT PRIMARY KEY, definition TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ddb_counter (one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL);
INSERT OR IGNORE INTO ddb_counter VALUES (1, 1);
CREATE TABLE IF NOT EXISTS ddb_rows (k BLOB PRIMARY KEY, size INTEGER NOT NULL, item TEXT NOT NULL, body INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ddb_bodies (id INTEGER PRIMARY KEY, item TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ddb_expiry (space INTEGER, at INTEGER, k BLOB, PRIMARY KEY (space, at, k)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ddb_tokens (token TEXT PRIMARY KEY, hash BLOB NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ddb_tokens_expires ON ddb_tokens (expires);
CREATE TABLE IF NOT EXISTS ddb_garbage (space INTEGER PRIMARY KEY);
`

// inlineLimit is how long key and item may be together to stay inside a page of
// 8 KiB, where a row may take a quarter.
const inlineLimit = 1950

const (
	selectRow  = `SELECT size, item, body FROM ddb_rows WHERE k = ?`
	upsertRow  = `INSERT INTO ddb_rows (k, size, item, body) VALUES (?, ?, ?, ?) ON CONFLICT (k) DO UPDATE SET size = excluded.size, item = excluded.item, body = excluded.body`
	deleteRow  = `DELETE FROM ddb_rows WHERE k = ?`
	selectUp   = `SELECT size, item, body FROM ddb_rows WHERE k >= ? AND k < ? ORDER BY k`
	selectDown = `SELECT size, item, body FROM ddb_rows WHERE k >= ? AND k < ? ORDER BY k DESC`

	selectBodyID = `SELECT body FROM ddb_rows WHERE k = ?`
	selectBody   = `SELECT item FROM ddb_bodies WHERE id = ?`
	insertBody   = `INSERT INTO ddb_bodies (item) VALUES (?)`
	updateBody   = `UPDATE ddb_bodies SET item = ? WHERE id = ?`
	deleteBody   = `DELETE FROM ddb_bodies WHERE id = ?`
)

// row is a stored item.
type row struct {
	found bool
	size  int
	json  string
	body  int64 // its place in ddb_bodies; 0 if it is short
}

func getRow(conn *sqlite.Conn, key []byte) (row, error) {
	stmt, err := conn.Prepare(selectRow)
	if err != nil {
		return row{}, err
	}
	stmt.BindBytes(1, key)
	found, err := stmt.Step()
	if err != nil || !found {
		return row{}, err
	}
	r, err := rowOf(conn, stmt)
	if err != nil {
		return row{}, err
	}
	return r, stmt.Reset()
}

// rowOf reads the row that stmt stands on.
func rowOf(conn *sqlite.Conn, stmt *sqlite.Stmt) (row, error) {
	r := row{found: true, size: stmt.ColumnInt(0), body: stmt.ColumnInt64(2)}
	if r.body == 0 {
		r.json = stmt.ColumnText(1)
		return r, nil
	}
	long, err := conn.Prepare(selectBody)
	if err != nil {
		return row{}, err
	}
	long.BindInt64(1, r.body)
	found, err := long.Step()
	if err == nil && !found {
		err = errors.New("dynamodb: a row without its body")
	}
	if err != nil {
		return row{}, err
	}
	r.json = long.ColumnText(0)
	return r, long.Reset()
}

// bodyOf finds the body of a row that was not read, so that it can be
// replaced; 0 if there is none.
func bodyOf(conn *sqlite.Conn, key []byte) (int64, error) {
	stmt, err := conn.Prepare(selectBodyID)
	if err != nil {
		return 0, err
	}
	stmt.BindBytes(1, key)
	found, err := stmt.Step()
	if err != nil || !found {
		return 0, err
	}
	return stmt.ColumnInt64(0), stmt.Reset()
}

// putRow writes a row; body is the one that the row has so far.
func putRow(conn *sqlite.Conn, key []byte, size int, json []byte, body int64) error {
	text := string(json)
	switch long := len(key)+len(text) > inlineLimit; {
	case long && body == 0:
		if err := execBody(conn, insertBody, text, 0); err != nil {
			return err
		}
		text, body = "", conn.LastInsertRowID()
	case long:
		if err := execBody(conn, updateBody, text, body); err != nil {
			return err
		}
		text = ""
	case body != 0:
		if err := execBody(conn, deleteBody, "", body); err != nil {
			return err
		}
		body = 0
	}
	stmt, err := conn.Prepare(upsertRow)
	if err != nil {
		return err
	}
	stmt.BindBytes(1, key)
	stmt.BindInt64(2, int64(size))
	stmt.BindText(3, text)
	if body == 0 {
		stmt.BindNull(4)
	} else {
		stmt.BindInt64(4, body)
	}
	_, err = stmt.Step()
	return err
}

func execBody(conn *sqlite.Conn, query, text string, id int64) error {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return err
	}
	param := 1
	if query != deleteBody {
		stmt.BindText(param, text)
		param++
	}
	if query != insertBody {
		stmt.BindInt64(param, id)
	}
	_, err = stmt.Step()
	return err
}

func removeRow(conn *sqlite.Conn, key []byte, body int64) error {
	if body != 0 {
		if err := execBody(conn, deleteBody, "", body); err != nil {
			return err
		}
	}
	stmt, err := conn.Prepare(deleteRow)
	if err != nil {
		return err
	}
	stmt.BindBytes(1, key)
	_, err = stmt.Step()
	return err
}

// eachRow calls f for the rows of a half-open range until it returns false.
func eachRow(conn *sqlite.Conn, lo, hi []byte, backward bool, f func(row) (bool, error)) error {
	query := selectUp
	if backward {
		query = selectDown
	}
	stmt, err := conn.Prepare(query)
	if err != nil {
		return err
	}
	stmt.BindBytes(1, lo)
	stmt.BindBytes(2, hi)
	for {
		found, err := stmt.Step()
		if err != nil || !found {
			return err
		}
		more := false
		r, err := rowOf(conn, stmt)
		if err == nil {
			more, err = f(r)
		}
		if err != nil || !more {
			stmt.Reset() //nolint:errcheck // the error that ended the loop is the one to report
			return err
		}
	}
}

// clearSome removes at most limit rows of a range with their bodies, and
// reports whether there may be more.
func clearSome(conn *sqlite.Conn, lo, hi []byte, limit int) (more bool, err error) {
	stmt, err := conn.Prepare(`SELECT k FROM ddb_rows WHERE k >= ? AND k < ? ORDER BY k LIMIT 1 OFFSET ?`)
	if err != nil {
		return false, err
	}
	stmt.BindBytes(1, lo)
	stmt.BindBytes(2, hi)
	stmt.BindInt64(3, int64(limit))
	if more, err = stmt.Step(); err != nil {
		return false, err
	}
	if more {
		hi = make([]byte, stmt.ColumnLen(0))
		stmt.ColumnBytes(0, hi)
		stmt.Reset() //nolint:errcheck // the row was read
	}
	for _, query := range []string{
		`DELETE FROM ddb_bodies WHERE id IN (SELECT body FROM ddb_rows WHERE k >= ? AND k < ? AND body IS NOT NULL)`,
		`DELETE FROM ddb_rows WHERE k >= ? AND k < ?`,
	} {
		stmt, err := conn.Prepare(query)
		if err != nil {
			return false, err
		}
		stmt.BindBytes(1, lo)
		stmt.BindBytes(2, hi)
		if _, err := stmt.Step(); err != nil {
			return false, err
		}
	}
	return more, nil
}
