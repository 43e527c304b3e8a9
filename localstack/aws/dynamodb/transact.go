package dynamodb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
)

const (
	maxTransaction      = 100
	maxTransactionBytes = 4 << 20
	tokenLife           = 10 * time.Minute
)

// reason is why one action of a transaction did not let it happen; an empty
// code stands for None.
type reason struct {
	code    string
	message string
	item    string
}

// canceled is the answer of a transaction that was not made.
func canceled(reasons []reason) error {
	codes := make([]string, len(reasons))
	b := []byte(`,"CancellationReasons":[`)
	for i, r := range reasons {
		if i > 0 {
			b = append(b, ',')
		}
		if codes[i] = r.code; r.code == "" {
			codes[i] = "None"
		}
		b = appendString(append(b, `{"Code":`...), codes[i])
		if r.message != "" {
			b = appendString(append(b, `,"Message":`...), r.message)
		}
		if r.item != "" {
			b = append(append(b, `,"Item":`...), r.item...)
		}
		b = append(b, '}')
	}
	answer := dynamoError("TransactionCanceledException",
		"Transaction cancelled, please refer cancellation reasons for specific reasons ["+strings.Join(codes, ", ")+"]")
	answer.members = append(b, ']')
	return answer
}

// transaction is a decoded TransactWriteItems.
type transaction struct {
	requests []*request
	verbs    []verb
	actions  []*action
	token    string
	capacity string
	metrics  string
	size     int
}

func (e *Engine) transactWrite(ctx context.Context, body string) ([]byte, error) {
	tx := &transaction{}
	if err := tx.decode(body); err != nil {
		return nil, err
	}
	if err := e.prepareTransaction(ctx, tx); err != nil {
		return nil, err
	}
	if e.faults.strikes(TransactionConflict, "TransactWriteItems") {
		reasons := make([]reason, len(tx.actions))
		for i, hit := range e.faults.some(len(reasons)) {
			if hit {
				reasons[i] = reason{code: "TransactionConflict", message: "Transaction is ongoing for the item"}
			}
		}
		return nil, canceled(reasons)
	}
	now := e.clock()
	replayed := false
	if err := e.store.Write(ctx, func(conn *sqlite.Conn) (err error) {
		if replayed, err = tx.claimToken(conn, now); err != nil || replayed {
			return err
		}
		return tx.run(conn, e)
	}); err != nil {
		return nil, err
	}
	return tx.response(replayed), nil
}

func (tx *transaction) decode(body string) error {
	d := decoder{s: body}
	if err := d.object(func(member string) (err error) {
		switch member {
		case "TransactItems":
			return d.array(func() error { return tx.decodeAction(&d) })
		case "ClientRequestToken":
			tx.token, err = d.str()
			if err == nil && (tx.token == "" || len(tx.token) > 36) {
				err = validation("1 validation error detected: Value at 'clientRequestToken' failed to satisfy constraint: Member must have length between 1 and 36")
			}
		case "ReturnConsumedCapacity":
			tx.capacity, err = d.str()
		case "ReturnItemCollectionMetrics":
			tx.metrics, err = d.str()
		default:
			err = notImplemented(member)
		}
		return err
	}); err != nil {
		return err
	}
	if err := d.end(); err != nil {
		return err
	}
	if err := (&request{capacity: tx.capacity, metrics: tx.metrics}).checkChoices(); err != nil {
		return err
	}
	return checkTransactionLength(len(tx.requests))
}

func checkTransactionLength(n int) error {
	if n < 1 {
		return validation("1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	if n > maxTransaction {
		return validation(fmt.Sprintf("1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100; it is %d", n))
	}
	return nil
}

func (tx *transaction) decodeAction(d *decoder) error {
	r := &request{}
	found := false
	err := d.object(func(member string) error {
		if found {
			return validation("TransactItems can only contain one of Check, Put, Update or Delete")
		}
		found = true
		v, allowed := verbPut, membersTxPut
		switch member {
		case "Put":
		case "Update":
			v, allowed = verbUpdate, membersTxUpdate
		case "Delete":
			v, allowed = verbDelete, membersTxDelete
		case "ConditionCheck":
			v, allowed = verbCheck, membersTxDelete
		default:
			return notImplemented(member)
		}
		tx.verbs = append(tx.verbs, v)
		return r.decodeFrom(d, allowed)
	})
	if err == nil && !found {
		err = validation("Invalid Request: TransactWriteRequest should contain Delete or Put or Update request")
	}
	tx.requests = append(tx.requests, r)
	return err
}

func (e *Engine) prepareTransaction(ctx context.Context, tx *transaction) error {
	seen := map[string]bool{}
	for i, r := range tx.requests {
		switch {
		case tx.verbs[i] == verbCheck && r.has&memberCondition == 0:
			return missing(fmt.Sprintf("transactItems.%d.member.conditionCheck.conditionExpression", i+1))
		case tx.verbs[i] == verbUpdate && r.has&memberUpdate == 0:
			return missing(fmt.Sprintf("transactItems.%d.member.update.updateExpression", i+1))
		}
		a, err := e.prepare(ctx, tx.verbs[i], r)
		if v, ok := isValidation(err); ok && v.late {
			a.failed = err
			tx.actions = append(tx.actions, a)
			continue
		}
		if err != nil {
			return err
		}
		if seen[string(a.key)] {
			return validation("Transaction request cannot include multiple operations on one item")
		}
		seen[string(a.key)] = true
		tx.actions = append(tx.actions, a)
		if tx.size += a.size; tx.size > maxTransactionBytes {
			return validation("Collection size exceeded: the aggregate size of the items in the transaction exceeds 4 MB")
		}
	}
	return nil
}

// run checks every action before it applies any: the reasons of all are told.
func (tx *transaction) run(conn *sqlite.Conn, e *Engine) error {
	reasons := make([]reason, len(tx.actions))
	failed := false
	total := 0
	for i, a := range tx.actions {
		err := a.check(conn, e.lookup(a.t.name))
		total += max(a.size, a.oldRow.size)
		if err == nil {
			continue
		}
		if reasons[i], err = reasonOf(a, err); err != nil {
			return err
		}
		failed = true
	}
	if failed {
		return canceled(reasons)
	}
	if total > maxTransactionBytes {
		return validation("Collection size exceeded: the aggregate size of the items in the transaction exceeds 4 MB")
	}
	for _, a := range tx.actions {
		if err := a.apply(conn); err != nil {
			return err
		}
	}
	return nil
}

func reasonOf(a *action, err error) (reason, error) {
	var failed *conditionError
	if errors.As(err, &failed) {
		r := reason{code: "ConditionalCheckFailed", message: conditionFailed}
		if a.r.returnOnFailure == "ALL_OLD" && failed.row.found {
			r.item = failed.row.json
		}
		return r, nil
	}
	if v, ok := isValidation(err); ok {
		return reason{code: "ValidationError", message: v.message}, nil
	}
	return reason{}, err
}

// claimToken records a ClientRequestToken with the transaction itself, and
// recognises a transaction that was made already.
func (tx *transaction) claimToken(conn *sqlite.Conn, now time.Time) (replayed bool, err error) {
	if tx.token == "" {
		return false, nil
	}
	hash := tx.hash()
	stmt, err := conn.Prepare(`SELECT hash FROM ddb_tokens WHERE token = ? AND expires > ?`)
	if err != nil {
		return false, err
	}
	stmt.BindText(1, tx.token)
	stmt.BindInt64(2, now.UnixMilli())
	found, err := stmt.Step()
	if err != nil {
		return false, err
	}
	if found {
		var have [sha256.Size]byte
		stmt.ColumnBytes(0, have[:])
		stmt.Reset() //nolint:errcheck // the row was read
		if !bytes.Equal(have[:], hash) {
			return false, dynamoError("IdempotentParameterMismatchException", "The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with different requests, unless the requests are identical")
		}
		return true, nil
	}
	stmt, err = conn.Prepare(`INSERT OR REPLACE INTO ddb_tokens (token, hash, expires) VALUES (?, ?, ?)`)
	if err != nil {
		return false, err
	}
	stmt.BindText(1, tx.token)
	stmt.BindBytes(2, hash)
	stmt.BindInt64(3, now.Add(tokenLife).UnixMilli())
	_, err = stmt.Step()
	return false, err
}

// dropTokens removes ended tokens, a bounded number at a time.
func dropTokens(conn *sqlite.Conn, now time.Time) error {
	stmt, err := conn.Prepare(`DELETE FROM ddb_tokens WHERE token IN (SELECT token FROM ddb_tokens WHERE expires <= ? ORDER BY expires LIMIT 5000)`)
	if err != nil {
		return err
	}
	stmt.BindInt64(1, now.UnixMilli())
	_, err = stmt.Step()
	return err
}

// hash is equal for equal transactions, in whatever order the client wrote the
// members of its maps.
func (tx *transaction) hash() []byte {
	b := make([]byte, 0, 512)
	for i, r := range tx.requests {
		b = append(b, byte('0'+tx.verbs[i]))
		for _, s := range []string{r.table, r.condition, r.update, r.returnOnFailure} {
			b = appendString(b, s)
		}
		names := slices.Clone(r.names)
		slices.SortFunc(names, func(x, y nameSub) int { return strings.Compare(x.placeholder, y.placeholder) })
		for _, n := range names {
			b = appendString(appendString(b, n.placeholder), n.name)
		}
		b = appendItem(b, r.values)
		b = appendItem(b, r.key)
		b = appendItem(b, r.item)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

func (tx *transaction) response(replayed bool) []byte {
	out := append(make([]byte, 0, 256), '{')
	if wantsCapacity(tx.capacity) {
		var used usages
		for _, a := range tx.actions {
			if replayed { // a replay only reads
				u := newUsage(a.t, true)
				u.table = 2 * readUnits(a.size, true)
				used.add(u)
				continue
			}
			a.used.double()
			used.add(a.used)
		}
		out = used.append(out, tx.capacity, true)
	}
	return append(out, '}')
}

func (e *Engine) transactGet(ctx context.Context, body string) ([]byte, error) {
	var requests []*request
	var capacity string
	d := decoder{s: body}
	if err := d.object(func(member string) (err error) {
		switch member {
		case "TransactItems":
			return d.array(func() error {
				r := &request{}
				requests = append(requests, r)
				return d.object(func(member string) error {
					if member != "Get" {
						return notImplemented(member)
					}
					return r.decodeFrom(&d, membersTxGet)
				})
			})
		case "ReturnConsumedCapacity":
			capacity, err = d.str()
			return err
		}
		return notImplemented(member)
	}); err != nil {
		return nil, err
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	if err := oneOf("returnConsumedCapacity", capacity, []string{"INDEXES", "TOTAL", "NONE"}); err != nil {
		return nil, err
	}
	if err := checkTransactionLength(len(requests)); err != nil {
		return nil, err
	}
	gets := make([]get, len(requests))
	seen := map[string]bool{}
	for i, r := range requests {
		if r.table == "" {
			return nil, missing(fmt.Sprintf("transactItems.%d.member.get", i+1))
		}
		g, err := e.prepareGet(ctx, "GetItem", r)
		if err != nil {
			return nil, err
		}
		if seen[string(g.key)] {
			return nil, validation("Transaction request cannot include multiple operations on one item")
		}
		seen[string(g.key)] = true
		gets[i] = g
	}
	return e.runTransactGet(ctx, gets, capacity)
}

func (e *Engine) runTransactGet(ctx context.Context, gets []get, capacity string) ([]byte, error) {
	var used usages
	total := 0
	out := append(make([]byte, 0, 1024), `{"Responses":[`...)
	if err := e.store.Read(ctx, func(conn *sqlite.Conn) error {
		for i := range gets {
			found, err := getRow(conn, gets[i].key)
			if err != nil {
				return err
			}
			if total += found.size; total > maxTransactionBytes {
				return validation("Collection size exceeded: the aggregate size of the items in the transaction exceeds 4 MB")
			}
			u := newUsage(gets[i].t, true)
			u.table = 2 * readUnits(found.size, true)
			used.add(u)
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, '{')
			if found.found {
				if out, err = gets[i].append(append(out, `"Item":`...), found.json); err != nil {
					return err
				}
			}
			out = append(out, '}')
		}
		return nil
	}); err != nil {
		return nil, err
	}
	out = append(out, ']')
	if wantsCapacity(capacity) {
		out = used.append(append(out, ','), capacity, true)
	}
	return append(out, '}'), nil
}
