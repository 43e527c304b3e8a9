package dynamodb

import (
	"context"
	"fmt"
	"strconv"

	"zombiezen.com/go/sqlite"
)

const pageSize = 1 << 20 // bytes of items that a Query or Scan evaluates

// reading is a prepared Query or Scan: a range of rows of a table or index.
type reading struct {
	r        *request
	t        *table
	ix       *index // nil: the table itself
	key      keySchema
	lo, hi   []byte
	hash     *value // the partition that a Query reads
	filter   *condition
	pick     *node
	position int // of ix in t.indexes
}

func (e *Engine) query(ctx context.Context, body string) ([]byte, error) {
	var r request
	if err := r.decode(body, membersQuery); err != nil {
		return nil, err
	}
	q := &reading{r: &r}
	subs, err := q.expressions()
	if err != nil {
		return nil, err
	}
	if r.has&memberKeyCondition == 0 {
		return nil, validation("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	cond, err := parseCondition("KeyConditionExpression", r.keyCond, subs)
	if err != nil {
		return nil, err
	}
	if err := subs.allUsed(); err != nil {
		return nil, err
	}
	if err := q.target(ctx, e, "Query"); err != nil {
		return nil, err
	}
	if err := q.keyRange(cond); err != nil {
		return nil, err
	}
	if err := q.filterOutsideKey(); err != nil {
		return nil, err
	}
	return q.run(ctx, e)
}

func (e *Engine) scan(ctx context.Context, body string) ([]byte, error) {
	r := request{}
	if err := r.decode(body, membersScan); err != nil {
		return nil, err
	}
	q := &reading{r: &r}
	subs, err := q.expressions()
	if err != nil {
		return nil, err
	}
	if err := subs.allUsed(); err != nil {
		return nil, err
	}
	if err := q.target(ctx, e, "Scan"); err != nil {
		return nil, err
	}
	if err := q.segmentOf(); err != nil {
		return nil, err
	}
	return q.run(ctx, e)
}

func (q *reading) segmentOf() error {
	r := q.r
	switch has := r.has & (memberSegment | memberSegments); {
	case has == memberSegment:
		return validation("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case has == memberSegments:
		return validation("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case has == 0:
		r.segments = 1
	}
	outside := func(member string, n int, rule string) error {
		return validation(fmt.Sprintf("1 validation error detected: Value '%d' at '%s' failed to satisfy constraint: Member must have value %s", n, member, rule))
	}
	switch {
	case r.segments < 1:
		return outside("totalSegments", r.segments, "greater than or equal to 1")
	case r.segments > 1000000:
		return outside("totalSegments", r.segments, "less than or equal to 1000000")
	case r.segment < 0:
		return outside("segment", r.segment, "greater than or equal to 0")
	case r.segment >= r.segments:
		return validation(fmt.Sprintf("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d", r.segment, r.segments))
	}
	q.lo, q.hi = segmentRange(q.space(), r.segment, r.segments)
	return nil
}

// chosen is how messages call what a Select asks for.
func chosen(selects string) string {
	if selects == "COUNT" {
		return "only the Count"
	}
	return selects
}

func (q *reading) space() uint32 {
	if q.ix != nil {
		return q.ix.space
	}
	return q.t.space
}

// expressions parses what Query and Scan share.
func (q *reading) expressions() (*placeholders, error) {
	r := q.r
	subs, err := newPlaceholders(r)
	if err != nil {
		return nil, err
	}
	if r.has&memberProjection != 0 {
		if q.pick, err = parseProjection(r.projection, subs); err != nil {
			return nil, err
		}
	}
	if r.has&memberFilter != 0 {
		if q.filter, err = parseCondition("FilterExpression", r.filter, subs); err != nil {
			return nil, err
		}
	}
	switch {
	case q.pick != nil && r.selects != "" && r.selects != "SPECIFIC_ATTRIBUTES":
		return nil, validation("Cannot specify the ProjectionExpression when choosing to get " + chosen(r.selects))
	case q.pick == nil && r.selects == "SPECIFIC_ATTRIBUTES":
		return nil, validation("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case r.selects == "ALL_PROJECTED_ATTRIBUTES" && r.index == "":
		return nil, validation("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	}
	return subs, nil
}

// target finds the table and index, and refuses what an index cannot give.
func (q *reading) target(ctx context.Context, e *Engine, operation string) error {
	r := q.r
	name := e.plainName(r.table)
	if err := checkTableName(name); err != nil {
		return err
	}
	arn := e.arn(name)
	if r.has&memberIndex != 0 {
		arn += "/index/" + r.index
	}
	if err := e.allow(ctx, operation, arn); err != nil {
		return err
	}
	if q.t = e.lookup(name); q.t == nil {
		return errDataTable
	}
	q.key = q.t.key
	if r.has&memberIndex == 0 {
		return nil
	}
	for i, ix := range q.t.indexes {
		if ix.name == r.index {
			q.ix, q.position, q.key = ix, i, ix.key
		}
	}
	switch {
	case q.ix == nil:
		return validation("The table does not have the specified index: " + r.index)
	case r.consistent:
		return validation("Consistent reads are not supported on global secondary indexes")
	case q.ix.all:
		return nil
	case r.selects == "ALL_ATTRIBUTES":
		return invalidParameter("Select type ALL_ATTRIBUTES is not supported for global secondary index " + q.ix.name + " because its projection type is not ALL")
	}
	if q.pick != nil {
		for _, n := range q.pick.names {
			if !q.ix.included[n.name] {
				return invalidParameter("Global secondary index " + q.ix.name + " does not project [" + n.name + "]")
			}
		}
	}
	return nil
}

func (q *reading) filterOutsideKey() (err error) {
	q.filter.paths(func(p path) {
		if q.key.contains(p[0].name) && err == nil {
			err = validation("Filter Expression can only contain non-primary key attributes: Primary key attribute: " + p[0].name)
		}
	})
	return err
}

// keyRange turns the key condition into a range of rows: equality on the
// partition key and at most one condition on the sort key.
func (q *reading) keyRange(c *condition) error {
	var parts []*condition
	if err := conjuncts(c, &parts); err != nil {
		return err
	}
	var hash, sort *condition
	for _, part := range parts {
		first := part.args[0].path
		switch {
		case len(first) != 1:
			return validation("Invalid KeyConditionExpression: KeyConditionExpressions cannot have conditions on nested attributes")
		case first[0].name == q.key.hash.name && hash == nil:
			hash = part
		case q.key.hasSort() && first[0].name == q.key.sort.name && sort == nil:
			sort = part
		case q.key.contains(first[0].name):
			return validation("Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key")
		case len(parts) == 1 || hash != nil && sort == nil && q.key.hasSort():
			name := q.key.hash.name
			if hash != nil {
				name = q.key.sort.name
			}
			return validation("Query condition missed key schema element: " + name)
		default:
			return validation("Query key condition not supported")
		}
	}
	if hash == nil {
		return validation("Query condition missed key schema element: " + q.key.hash.name)
	}
	if hash.op != "=" {
		return validation("Query key condition not supported")
	}
	for _, part := range parts {
		if err := q.checkOperands(part); err != nil {
			return err
		}
	}
	q.hash = hash.args[1].lit
	prefix := appendPartition(make([]byte, 0, 128), q.space(), q.hash)
	q.lo, q.hi = sortRange(prefix, sort)
	return nil
}

func conjuncts(c *condition, into *[]*condition) error {
	switch c.op {
	case "AND":
		if err := conjuncts(c.left, into); err != nil {
			return err
		}
		if err := conjuncts(c.right, into); err != nil {
			return err
		}
		if len(*into) > 2 {
			return validation("Conditions can be of length 1 or 2 only")
		}
		return nil
	case "OR", "NOT", "<>", "IN", "contains", "attribute_exists", "attribute_not_exists", "attribute_type":
		return validation("Invalid operator used in KeyConditionExpression: " + c.op)
	}
	if c.args[0].lit != nil && len(c.args) == 2 && c.args[1].path != nil && c.op != "begins_with" {
		mirrored := map[string]string{"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
		c = &condition{op: mirrored[c.op], args: []operand{c.args[1], c.args[0]}}
	}
	for i := range c.args {
		switch {
		case c.args[i].fn != "":
			return validation("Invalid KeyConditionExpression: KeyConditionExpressions cannot contain nested operations")
		case i == 0 && c.args[i].path == nil:
			return validation("Invalid KeyConditionExpression: Invalid condition in KeyConditionExpression: No key attribute specified")
		case i > 0 && c.args[i].lit == nil:
			return validation("Invalid KeyConditionExpression: Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
		}
	}
	*into = append(*into, c)
	return nil
}

func (q *reading) checkOperands(c *condition) error {
	part := q.key.hash
	if c.args[0].path[0].name != part.name {
		part = q.key.sort
	}
	for _, o := range c.args[1:] {
		if o.lit.kind != part.kind || c.op == "begins_with" && part.kind == kindN {
			return invalidParameter("Condition parameter type does not match schema type")
		}
		if err := checkKeyValue(part.name, o.lit, part == q.key.hash); err != nil {
			return err
		}
	}
	return nil
}

// sortRange narrows a partition's rows by the condition on the sort key.
func sortRange(prefix []byte, c *condition) (lo, hi []byte) {
	at := func(v *value) []byte { return appendKeyPart(prefix[:len(prefix):len(prefix)], v) }
	lo, hi = prefix, successor(prefix)
	if c == nil {
		return lo, hi
	}
	first := c.args[1].lit
	switch c.op {
	case "=":
		lo = at(first)
		hi = successor(lo)
	case "<":
		hi = at(first)
	case "<=":
		hi = successor(at(first))
	case ">":
		lo = successor(at(first))
	case ">=":
		lo = at(first)
	case "BETWEEN":
		lo, hi = at(first), successor(at(c.args[2].lit))
	case "begins_with":
		lo = appendKeyPrefix(prefix[:len(prefix):len(prefix)], first.s)
		hi = successor(lo)
	}
	return lo, hi
}

var errStartKey = validation("The provided starting key is invalid")

// start moves the range behind ExclusiveStartKey.
func (q *reading) start() error {
	key := q.r.startKey
	if q.r.has&memberStartKey == 0 {
		return nil
	}
	want := map[string]keyPart{}
	for _, p := range q.t.key.parts() {
		want[p.name] = p
	}
	for _, p := range q.key.parts() {
		want[p.name] = p
	}
	if len(key) != len(want) {
		return errStartKey
	}
	for i := range key {
		p, ok := want[key[i].name]
		if !ok || p.kind != key[i].kind {
			return errStartKey
		}
		if key[i].kind != kindN && key[i].s == "" {
			return errStartKey
		}
	}
	if q.hash != nil && !equal(q.hash, key.get(q.key.hash.name)) {
		return validation("The provided starting key is outside query boundaries based on provided conditions")
	}
	var at []byte
	if q.ix != nil {
		at = q.ix.rowKey(q.t, key)
	} else {
		at = q.t.key.append(nil, q.t.space, key)
	}
	if string(at) < string(q.lo) || string(at) >= string(q.hi) {
		if q.hash == nil {
			return validation("The provided starting key is outside the segment's boundaries")
		}
		return validation("The provided starting key does not match the range key predicate")
	}
	if q.r.backward {
		q.hi = at
	} else {
		q.lo = append(at, 0) // nothing lies between a key and the key followed by a zero
	}
	return nil
}

// page is the answer of a reading as it grows.
type page struct {
	out            []byte
	count, scanned int
	bytes          int
	last           string // the last row evaluated, if rows may follow
}

func (q *reading) run(ctx context.Context, e *Engine) ([]byte, error) {
	if err := q.start(); err != nil {
		return nil, err
	}
	p := page{out: append(make([]byte, 0, 1024), `{"Items":[`...)}
	if q.r.selects == "COUNT" {
		p.out = p.out[:1]
	}
	if string(q.lo) < string(q.hi) {
		if err := e.store.Read(ctx, func(conn *sqlite.Conn) error {
			return eachRow(conn, q.lo, q.hi, q.r.backward, func(r row) (bool, error) {
				if p.scanned%256 == 255 && ctx.Err() != nil {
					return false, ctx.Err()
				}
				return q.take(&p, r)
			})
		}); err != nil {
			return nil, err
		}
	}
	return q.finish(&p)
}

// take evaluates one row and reports whether the page has room for more.
func (q *reading) take(p *page, r row) (more bool, err error) {
	p.scanned++
	p.bytes += r.size
	matches := true
	var it item
	if q.filter != nil || q.pick != nil {
		if it, err = decodeItem(r.json); err != nil {
			return false, err
		}
		matches = q.filter == nil || q.filter.holds(it)
	}
	if matches {
		q.emit(p, r, it)
	}
	if p.scanned == q.r.limit || p.bytes >= pageSize {
		p.last = r.json
		return false, nil
	}
	return true, nil
}

func (q *reading) emit(p *page, r row, it item) {
	p.count++
	if q.r.selects == "COUNT" {
		return
	}
	if p.count > 1 {
		p.out = append(p.out, ',')
	}
	if q.pick != nil {
		p.out = appendItem(p.out, q.pick.pick(it))
	} else {
		p.out = append(p.out, r.json...)
	}
}

func (q *reading) finish(p *page) ([]byte, error) {
	out := p.out
	if q.r.selects != "COUNT" {
		out = append(out, `],`...)
	}
	out = strconv.AppendInt(append(out, `"Count":`...), int64(p.count), 10)
	out = strconv.AppendInt(append(out, `,"ScannedCount":`...), int64(p.scanned), 10)
	if p.last != "" {
		it, err := decodeItem(p.last)
		if err != nil {
			return nil, err
		}
		key := q.t.key.of(it)
		for _, part := range q.key.parts() {
			key.set(part.name, *it.get(part.name))
		}
		out = appendItem(append(out, `,"LastEvaluatedKey":`...), key)
	}
	if wantsCapacity(q.r.capacity) {
		u := newUsage(q.t, true)
		units := readUnits(p.bytes, q.r.consistent)
		if q.ix != nil {
			u.indexes[q.position] = units
		} else {
			u.table = units
		}
		out = u.append(append(out, `,"ConsumedCapacity":`...), q.r.capacity, false)
	}
	return append(out, '}'), nil
}
