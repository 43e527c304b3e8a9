package sqs

import (
	"encoding/json"
	"regexp"
	"sync"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// A standard queue takes messages with a MessageGroupId since July 2025 and is a fair queue then: a group that has a
// large part of the messages in flight is a noisy neighbour, and the messages of the others are received before its own.
// Groups neither order messages nor keep them from being received at once.

// A group is noisy with more than a tenth of the messages in flight, and with at least so many of its own.
const noisyLeast = 30

var groupIDs = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("^[!-~]{1,128}$") })

// checkGroup holds a group's id to SQS's rules; nil is none.
func checkGroup(id *string) error {
	if id != nil && !groupIDs().MatchString(*id) {
		return invalidValue("The parameter MessageGroupId is invalid. Reason: it can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	}
	return nil
}

// addGroupColumn brings a data file of an earlier version up to date, which does not have the column.
func addGroupColumn(c *sqlite.Conn) error {
	there := false
	err := sqlitex.Execute(c, `SELECT 1 FROM pragma_table_info('sqs_message') WHERE name = 'message_group'`, &sqlitex.ExecOptions{
		ResultFunc: func(*sqlite.Stmt) error { there = true; return nil },
	})
	if err != nil || there {
		return err
	}
	return exec(c, `ALTER TABLE sqs_message ADD COLUMN message_group TEXT NOT NULL DEFAULT ''`)
}

// noisyGroups lists the noisy groups of a queue as JSON; "" if there are none. Without enough messages in flight, which
// q knows a bound of, nothing is asked.
func noisyGroups(c *sqlite.Conn, q *queue, now int64) (string, error) {
	if q.inFlight >= 0 && q.inFlight < noisyLeast {
		return "", nil
	}
	var noisy []string
	err := sqlitex.Execute(c, `SELECT message_group FROM sqs_message WHERE queue = ?1 AND visible_at > ?2 AND received_at > 0 AND message_group <> ''
		GROUP BY message_group HAVING count(*) >= ?3
		AND count(*) * 10 > (SELECT count(*) FROM sqs_message WHERE queue = ?1 AND visible_at > ?2 AND received_at > 0)`, &sqlitex.ExecOptions{
		Args:       []any{q.id, now, noisyLeast},
		ResultFunc: func(st *sqlite.Stmt) error { noisy = append(noisy, st.ColumnText(0)); return nil },
	})
	if err != nil || len(noisy) == 0 {
		return "", err
	}
	list, err := json.Marshal(noisy)
	return string(list), err
}
