package dynamodb

import (
	"zombiezen.com/go/sqlite"
)

// schema holds all of the engine's data. Rows of all tables and indexes lie in
// one b-tree, told apart by the first bytes of their keys.
const schema = `
CREATE TABLE IF NOT EXISTS ddb_tables (name TEXT PRIMARY KEY, definition TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ddb_counter (one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL);
INSERT OR IGNORE INTO ddb_counter VALUES (1, 1);
CREATE TABLE IF NOT EXISTS ddb_rows (k BLOB PRIMARY KEY, size INTEGER NOT NULL, item TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ddb_expiry (space INTEGER, at INTEGER, k BLOB, PRIMARY KEY (space, at, k)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ddb_tokens (token TEXT PRIMARY KEY, hash BLOB NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ddb_tokens_expires ON ddb_tokens (expires);
CREATE TABLE IF NOT EXISTS ddb_garbage (space INTEGER PRIMARY KEY);
`

const (
	selectRow  = `SELECT size, item FROM ddb_rows WHERE k = ?`
	upsertRow  = `INSERT INTO ddb_rows (k, size, item) VALUES (?, ?, ?) ON CONFLICT (k) DO UPDATE SET size = excluded.size, item = excluded.item`
	deleteRow  = `DELETE FROM ddb_rows WHERE k = ?`
	selectUp   = `SELECT size, item FROM ddb_rows WHERE k >= ? AND k < ? ORDER BY k`
	selectDown = `SELECT size, item FROM ddb_rows WHERE k >= ? AND k < ? ORDER BY k DESC`
)

// row is a stored item.
type row struct {
	found bool
	size  int
	json  string
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
	r := row{true, stmt.ColumnInt(0), stmt.ColumnText(1)}
	return r, stmt.Reset()
}

func putRow(conn *sqlite.Conn, key []byte, size int, json []byte) error {
	stmt, err := conn.Prepare(upsertRow)
	if err != nil {
		return err
	}
	stmt.BindBytes(1, key)
	stmt.BindInt64(2, int64(size))
	stmt.BindText(3, string(json))
	_, err = stmt.Step()
	return err
}

func removeRow(conn *sqlite.Conn, key []byte) error {
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
		more, err := f(row{true, stmt.ColumnInt(0), stmt.ColumnText(1)})
		if err != nil || !more {
			stmt.Reset() //nolint:errcheck // the error that ended the loop is the one to report
			return err
		}
	}
}
