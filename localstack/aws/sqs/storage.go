package sqs

import (
	"context"
	"encoding/json"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

// The index answers "what is due first" with one step, and with it how long a poll waits.
const schema = `
CREATE TABLE IF NOT EXISTS sqs_queue (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	name       TEXT    NOT NULL UNIQUE,
	attributes TEXT    NOT NULL,
	tags       TEXT    NOT NULL,
	created    INTEGER NOT NULL,
	modified   INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS sqs_message (
	seq            INTEGER PRIMARY KEY,
	queue          INTEGER NOT NULL,
	visible_at     INTEGER NOT NULL,
	sent           INTEGER NOT NULL,
	received_at    INTEGER NOT NULL DEFAULT 0,
	first_received INTEGER NOT NULL DEFAULT 0,
	receives       INTEGER NOT NULL DEFAULT 0,
	receipt        BLOB,
	id             TEXT    NOT NULL,
	sender         TEXT    NOT NULL,
	source         TEXT    NOT NULL DEFAULT '',
	trace          TEXT    NOT NULL,
	attributes     TEXT    NOT NULL,
	body           TEXT    NOT NULL
);
CREATE INDEX IF NOT EXISTS sqs_message_due ON sqs_message (queue, visible_at);
`

// row is a message in the store. Times are in milliseconds since 1970.
type row struct {
	seq           int64
	visibleAt     int64
	sent          int64
	firstReceived int64
	receives      int
	receipt       []byte
	id            string
	sender        string
	source        string // ARN of the queue from which it was dead-lettered
	trace         string
	group         string // of a fair queue; "" without one
	attributes    string // JSON
	body          string
}

func load(ctx context.Context, s *store.Store) (map[string]*queue, error) {
	if err := s.Migrate(ctx, schema); err != nil {
		return nil, fmt.Errorf("sqs: making tables: %w", err)
	}
	if err := s.Write(ctx, addGroupColumn); err != nil {
		return nil, fmt.Errorf("sqs: adding the column of groups: %w", err)
	}
	queues := make(map[string]*queue)
	err := s.Read(ctx, func(c *sqlite.Conn) error {
		return sqlitex.Execute(c, `SELECT id, name, attributes, tags, created, modified FROM sqs_queue`, &sqlitex.ExecOptions{
			ResultFunc: func(st *sqlite.Stmt) error {
				q := &queue{id: st.ColumnInt64(0), name: st.ColumnText(1), created: st.ColumnInt64(4), modified: st.ColumnInt64(5),
					inFlight: -1, wake: new(notifier)}
				if err := json.Unmarshal([]byte(st.ColumnText(2)), &q.attrs); err != nil {
					return fmt.Errorf("attributes of queue %s: %w", q.name, err)
				}
				if err := json.Unmarshal([]byte(st.ColumnText(3)), &q.tags); err != nil {
					return fmt.Errorf("tags of queue %s: %w", q.name, err)
				}
				q.settings = parse(q.attrs)
				queues[q.name] = q
				return nil
			},
		})
	})
	if err != nil {
		return nil, fmt.Errorf("sqs: loading queues: %w", err)
	}
	return queues, nil
}

func exec(c *sqlite.Conn, query string, args ...any) error {
	return sqlitex.Execute(c, query, &sqlitex.ExecOptions{Args: args})
}

func encodeMaps(attrs, tags map[string]string) (string, string, error) {
	a, err := json.Marshal(attrs)
	if err != nil {
		return "", "", err
	}
	t, err := json.Marshal(tags)
	return string(a), string(t), err
}

func insertQueue(c *sqlite.Conn, q *queue) error {
	attrs, tags, err := encodeMaps(q.attrs, q.tags)
	if err != nil {
		return err
	}
	if err := exec(c, `INSERT INTO sqs_queue (name, attributes, tags, created, modified) VALUES (?, ?, ?, ?, ?)`,
		q.name, attrs, tags, q.created, q.modified); err != nil {
		return err
	}
	q.id = c.LastInsertRowID()
	return nil
}

func updateQueue(c *sqlite.Conn, id, modified int64, attrs, tags map[string]string) error {
	a, t, err := encodeMaps(attrs, tags)
	if err != nil {
		return err
	}
	if err := exec(c, `UPDATE sqs_queue SET attributes = ?, tags = ?, modified = ? WHERE id = ?`, a, t, modified, id); err != nil {
		return err
	}
	return existed(c)
}

// existed turns "no row changed" into QueueDoesNotExist: the queue was deleted meanwhile.
func existed(c *sqlite.Conn) error {
	if c.Changes() == 0 {
		return errNoQueue
	}
	return nil
}

func removeQueue(c *sqlite.Conn, id int64) error {
	if err := removeMessages(c, id); err != nil {
		return err
	}
	if err := exec(c, `DELETE FROM sqs_queue WHERE id = ?`, id); err != nil {
		return err
	}
	return existed(c)
}

func removeMessages(c *sqlite.Conn, queue int64) error {
	return exec(c, `DELETE FROM sqs_message WHERE queue = ?`, queue)
}

// insertMessage adds a message, unless the queue has been deleted meanwhile.
func insertMessage(c *sqlite.Conn, queue int64, m *row) error {
	if err := exec(c, `INSERT INTO sqs_message (queue, visible_at, sent, id, sender, trace, attributes, body, message_group)
		SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE EXISTS (SELECT 1 FROM sqs_queue WHERE id = ?1)`,
		queue, m.visibleAt, m.sent, m.id, m.sender, m.trace, m.attributes, m.body, m.group); err != nil {
		return err
	}
	return existed(c)
}

// firstDue is when the queue's next message is visible, false if it has none at all.
func firstDue(c *sqlite.Conn, queue int64) (at int64, ok bool, err error) {
	err = sqlitex.Execute(c, `SELECT visible_at FROM sqs_message WHERE queue = ? ORDER BY visible_at LIMIT 1`, &sqlitex.ExecOptions{
		Args:       []any{queue},
		ResultFunc: func(st *sqlite.Stmt) error { at, ok = st.ColumnInt64(0), true; return nil },
	})
	return at, ok, err
}

// due lists visible messages, the longest visible first; those of noisy groups, a JSON list or "", come last.
func due(c *sqlite.Conn, queue, now int64, limit int, noisy string) ([]row, error) {
	var rows []row
	order, args := "visible_at, seq", []any{queue, now, limit}
	if noisy != "" {
		order, args = "message_group IN (SELECT value FROM json_each(?4)), "+order, append(args, noisy)
	}
	err := sqlitex.Execute(c, `SELECT seq, sent, first_received, receives, id, sender, source, trace, attributes, body, message_group
		FROM sqs_message WHERE queue = ?1 AND visible_at <= ?2 ORDER BY `+order+` LIMIT ?3`, &sqlitex.ExecOptions{
		Args: args,
		ResultFunc: func(st *sqlite.Stmt) error {
			rows = append(rows, row{
				seq: st.ColumnInt64(0), sent: st.ColumnInt64(1), firstReceived: st.ColumnInt64(2), receives: st.ColumnInt(3),
				id: st.ColumnText(4), sender: st.ColumnText(5), source: st.ColumnText(6), trace: st.ColumnText(7),
				attributes: st.ColumnText(8), body: st.ColumnText(9), group: st.ColumnText(10),
			})
			return nil
		},
	})
	return rows, err
}

func markReceived(c *sqlite.Conn, m *row, now int64) error {
	return exec(c, `UPDATE sqs_message SET visible_at = ?, received_at = ?, first_received = ?, receives = ?, receipt = ? WHERE seq = ?`,
		m.visibleAt, now, m.firstReceived, m.receives, m.receipt, m.seq)
}

// moveMessage puts a message into another queue, where its receives are counted anew. It
// returns false if that queue has been deleted meanwhile.
func moveMessage(c *sqlite.Conn, seq, queue, now int64, source string) (bool, error) {
	err := exec(c, `UPDATE sqs_message SET queue = ?1, visible_at = ?2, received_at = 0, first_received = 0, receives = 0, receipt = NULL, source = ?3
		WHERE seq = ?4 AND EXISTS (SELECT 1 FROM sqs_queue WHERE id = ?1)`, queue, now, source, seq)
	return c.Changes() > 0, err
}

func removeMessage(c *sqlite.Conn, seq int64) error {
	return exec(c, `DELETE FROM sqs_message WHERE seq = ?`, seq)
}

// removeReceived deletes the message of a receipt, if the receipt is its latest.
func removeReceived(c *sqlite.Conn, queue int64, h handle) error {
	return exec(c, `DELETE FROM sqs_message WHERE seq = ? AND queue = ? AND receipt = ?`, h.seq, queue, h.nonce[:])
}

// visibility reads when a received message becomes visible and when it was received,
// false if the receipt is not its latest.
func visibility(c *sqlite.Conn, queue int64, h handle) (visibleAt, receivedAt int64, ok bool, err error) {
	err = sqlitex.Execute(c, `SELECT visible_at, received_at FROM sqs_message WHERE seq = ? AND queue = ? AND receipt = ?`, &sqlitex.ExecOptions{
		Args: []any{h.seq, queue, h.nonce[:]},
		ResultFunc: func(st *sqlite.Stmt) error {
			visibleAt, receivedAt, ok = st.ColumnInt64(0), st.ColumnInt64(1), true
			return nil
		},
	})
	return visibleAt, receivedAt, ok, err
}

func setVisible(c *sqlite.Conn, seq, at int64) error {
	return exec(c, `UPDATE sqs_message SET visible_at = ? WHERE seq = ?`, at, seq)
}

// removeExpired deletes messages sent at or before a time.
func removeExpired(c *sqlite.Conn, queue, before int64) error {
	return exec(c, `DELETE FROM sqs_message WHERE queue = ? AND sent <= ?`, queue, before)
}

// counts are a queue's messages by state.
type counts struct{ visible, inFlight, delayed int }

func count(c *sqlite.Conn, queue, now, expired int64) (counts, error) {
	var n counts
	err := sqlitex.Execute(c, `SELECT
		coalesce(sum(visible_at <= ?2), 0),
		coalesce(sum(visible_at > ?2 AND received_at > 0), 0),
		coalesce(sum(visible_at > ?2 AND received_at = 0), 0)
		FROM sqs_message WHERE queue = ?1 AND sent > ?3`, &sqlitex.ExecOptions{
		Args: []any{queue, now, expired},
		ResultFunc: func(st *sqlite.Stmt) error {
			n = counts{st.ColumnInt(0), st.ColumnInt(1), st.ColumnInt(2)}
			return nil
		},
	})
	return n, err
}
