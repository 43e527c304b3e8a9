package dynamodb

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
)

const (
	maxBatchGet   = 100
	maxBatchWrite = 25
	maxBatchBytes = 16 << 20 // of items in one BatchGetItem answer
)

// batchGet is one table's share of a BatchGetItem, with the request's own
// keys kept for UnprocessedKeys.
type tableKeys struct {
	r    request
	g    get
	keys []item
	rows [][]byte // the keys, encoded
	raw  string   // the members other than Keys, as they came
}

func (e *Engine) batchGet(ctx context.Context, body string) ([]byte, error) {
	var shares []*tableKeys
	var capacity string
	d := decoder{s: body}
	if err := d.object(func(member string) (err error) {
		switch member {
		case "RequestItems":
			return d.object(func(name string) error {
				share, err := decodeTableKeys(&d, name)
				shares = append(shares, share)
				return err
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
	if err := e.prepareBatchGet(ctx, shares); err != nil {
		return nil, err
	}
	return e.runBatchGet(ctx, shares, capacity)
}

func decodeTableKeys(d *decoder, name string) (*tableKeys, error) {
	share := &tableKeys{r: request{table: name}}
	err := d.object(func(member string) error {
		if member == "Keys" {
			return d.array(func() error {
				key, err := d.item()
				share.keys = append(share.keys, key)
				return err
			})
		}
		m := share.r.member(member)
		if m&(memberConsistent|memberProjection|memberNames) == 0 {
			return notImplemented(member)
		}
		from := d.i
		if d.null() {
			return nil
		}
		share.r.has |= m
		err := share.r.read(d, m)
		share.raw += `,"` + member + `":` + d.s[from:d.i]
		return err
	})
	return share, err
}

func (e *Engine) prepareBatchGet(ctx context.Context, shares []*tableKeys) error {
	total := 0
	for _, share := range shares {
		if len(share.keys) == 0 {
			return validation("1 validation error detected: Value at 'requestItems." + share.r.table + ".member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1")
		}
		total += len(share.keys)
	}
	if total == 0 {
		return validation("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	if total > maxBatchGet {
		return validation("Too many items requested for the BatchGetItem call")
	}
	for _, share := range shares {
		share.r.has |= memberKey
		share.r.key = share.keys[0]
		g, err := e.prepareGet(ctx, "BatchGetItem", &share.r)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, key := range share.keys {
			if err := g.setKey(key); err != nil {
				return err
			}
			if seen[string(g.key)] {
				return validation("Provided list of item keys contains duplicates")
			}
			seen[string(g.key)] = true
			share.rows = append(share.rows, g.key)
		}
		share.g = g
	}
	return nil
}

func (e *Engine) runBatchGet(ctx context.Context, shares []*tableKeys, capacity string) ([]byte, error) {
	var used usages
	bytes := 0
	left := map[*tableKeys][]item{}
	out := append(make([]byte, 0, 4096), `{"Responses":{`...)
	err := e.store.Read(ctx, func(conn *sqlite.Conn) error {
		for _, share := range shares {
			out = appendString(comma(out), share.g.t.name)
			out = append(out, ':', '[')
			strike := e.faults.strikes(Unprocessed, "BatchGetItem")
			first := true
			u := newUsage(share.g.t, true)
			for i, key := range share.rows {
				if strike && i%2 == 0 || bytes > maxBatchBytes {
					left[share] = append(left[share], share.keys[i])
					continue
				}
				found, err := getRow(conn, key)
				if err != nil {
					return err
				}
				if bytes += found.size; bytes > maxBatchBytes {
					left[share] = append(left[share], share.keys[i])
					continue
				}
				u.table += readUnits(found.size, share.r.consistent)
				if !found.found {
					continue
				}
				if !first {
					out = append(out, ',')
				}
				first = false
				if out, err = share.g.append(out, found.json); err != nil {
					return err
				}
			}
			out = append(out, ']')
			used.add(u)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out = append(out, `},"UnprocessedKeys":{`...)
	for _, share := range shares {
		if len(left[share]) == 0 {
			continue
		}
		out = appendString(comma(out), share.r.table)
		out = append(out, `:{"Keys":[`...)
		for i, key := range left[share] {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendItem(out, key)
		}
		out = append(append(append(out, ']'), share.raw...), '}')
	}
	out = append(out, '}')
	if wantsCapacity(capacity) {
		out = used.append(append(out, ','), capacity, false)
	}
	return append(out, '}'), nil
}

func (e *Engine) batchWrite(ctx context.Context, body string) ([]byte, error) {
	var actions []*action
	var requests []*request
	var verbs []verb
	var capacity, metrics string
	d := decoder{s: body}
	if err := d.object(func(member string) (err error) {
		switch member {
		case "RequestItems":
			return d.object(func(name string) error {
				return d.array(func() error {
					r, v, err := decodeBatchWrite(&d, name)
					requests, verbs = append(requests, r), append(verbs, v)
					return err
				})
			})
		case "ReturnConsumedCapacity":
			capacity, err = d.str()
		case "ReturnItemCollectionMetrics":
			metrics, err = d.str()
		default:
			err = notImplemented(member)
		}
		return err
	}); err != nil {
		return nil, err
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	if err := (&request{capacity: capacity, metrics: metrics}).checkChoices(); err != nil {
		return nil, err
	}
	if len(requests) == 0 {
		return nil, validation("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	if len(requests) > maxBatchWrite {
		return nil, validation(fmt.Sprintf("1 validation error detected: Value at 'requestItems' failed to satisfy constraint: Member must have length less than or equal to 25; it is %d", len(requests)))
	}
	seen := map[string]bool{}
	for i, r := range requests {
		a, err := e.prepareBatchWrite(ctx, verbs[i], r)
		if err != nil {
			return nil, err
		}
		if seen[string(a.key)] {
			return nil, validation("Provided list of item keys contains duplicates")
		}
		seen[string(a.key)] = true
		actions = append(actions, a)
	}
	return e.runBatchWrite(ctx, actions, capacity)
}

// prepareBatchWrite authorises the batch operation instead of the single one.
func (e *Engine) prepareBatchWrite(ctx context.Context, v verb, r *request) (*action, error) {
	t, err := e.tableFor(ctx, "BatchWriteItem", r.table)
	if err != nil {
		return nil, err
	}
	a := &action{verb: v, r: r, t: t}
	return a, a.prepareItem()
}

func decodeBatchWrite(d *decoder, name string) (*request, verb, error) {
	r := &request{table: name}
	v := verbCheck
	err := d.object(func(member string) error {
		if v != verbCheck {
			return validation("Supplied WriteRequest has more than one operation")
		}
		allowed := memberKey
		switch member {
		case "PutRequest":
			v, allowed = verbPut, memberItem
		case "DeleteRequest":
			v = verbDelete
		default:
			return notImplemented(member)
		}
		return r.decodeFrom(d, allowed)
	})
	if err == nil && v == verbCheck {
		err = validation("Supplied AttributeValue is empty: a WriteRequest must have a PutRequest or a DeleteRequest")
	}
	return r, v, err
}

func (e *Engine) runBatchWrite(ctx context.Context, actions []*action, capacity string) ([]byte, error) {
	strike := e.faults.strikes(Unprocessed, "BatchWriteItem")
	var done, left []*action
	for i, a := range actions {
		if strike && i%2 == 0 {
			left = append(left, a)
		} else {
			done = append(done, a)
		}
	}
	if err := e.store.Write(ctx, func(conn *sqlite.Conn) error {
		for _, a := range done {
			if err := a.check(conn, e.lookup(a.t.name)); err != nil {
				return err
			}
			if err := a.apply(conn); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, 256), `{"UnprocessedItems":{`...)
	out = append(appendUnprocessed(out, left), '}')
	if wantsCapacity(capacity) {
		var used usages
		for _, a := range done {
			used.add(a.used)
		}
		out = used.append(append(out, ','), capacity, false)
	}
	return append(out, '}'), nil
}

// appendUnprocessed groups the left-over requests by table, as they came.
func appendUnprocessed(out []byte, left []*action) []byte {
	table := ""
	for _, a := range left {
		if a.r.table != table {
			if table != "" {
				out = append(out, ']', ',')
			}
			table = a.r.table
			out = append(appendString(out, table), ':', '[')
		} else {
			out = append(out, ',')
		}
		if a.verb == verbPut {
			out = appendItem(append(out, `{"PutRequest":{"Item":`...), a.r.item)
		} else {
			out = appendItem(append(out, `{"DeleteRequest":{"Key":`...), a.r.key)
		}
		out = append(out, '}', '}')
	}
	if table != "" {
		out = append(out, ']')
	}
	return out
}

// isValidation reports an error of the request itself, as opposed to one of
// the store.
func isValidation(err error) (*apiError, bool) {
	var e *apiError
	if errors.As(err, &e) && e.typ == nsValidate+"ValidationException" {
		return e, true
	}
	return nil, false
}
