package dynamodb

import "fmt"

// members is a set of request members: those an operation knows, and those a
// request has.
type members uint32

const (
	memberTable members = 1 << iota
	memberKey
	memberItem
	memberCondition
	memberUpdate
	memberProjection
	memberFilter
	memberKeyCondition
	memberNames
	memberValues
	memberReturnValues
	memberReturnOnFailure
	memberReturnCapacity
	memberReturnMetrics
	memberConsistent
	memberIndex
	memberLimit
	memberSelect
	memberForward
	memberStartKey
	memberSegment
	memberSegments
)

const (
	membersExpression = memberNames | memberValues
	membersReport     = memberReturnCapacity | memberReturnMetrics
	membersGet        = memberTable | memberKey | memberConsistent | memberProjection | memberNames | memberReturnCapacity
	membersPut        = memberTable | memberItem | memberCondition | membersExpression | memberReturnValues | memberReturnOnFailure | membersReport
	membersDelete     = memberTable | memberKey | memberCondition | membersExpression | memberReturnValues | memberReturnOnFailure | membersReport
	membersUpdate     = membersDelete | memberUpdate
	membersScan       = memberTable | memberIndex | memberFilter | memberProjection | membersExpression | memberLimit | memberSelect |
		memberStartKey | memberConsistent | memberReturnCapacity | memberSegment | memberSegments
	membersQuery = membersScan&^(memberSegment|memberSegments) | memberKeyCondition | memberForward

	// One action of a transaction.
	membersTxPut    = memberTable | memberItem | memberCondition | membersExpression | memberReturnOnFailure
	membersTxDelete = memberTable | memberKey | memberCondition | membersExpression | memberReturnOnFailure
	membersTxUpdate = membersTxDelete | memberUpdate
	membersTxGet    = memberTable | memberKey | memberProjection | memberNames
)

// request holds the members of all item operations; has says which are there.
type request struct {
	has        members
	table      string
	key        item
	item       item
	condition  string
	update     string
	projection string
	filter     string
	keyCond    string
	names      []nameSub
	values     item

	returnValues    string
	returnOnFailure string
	capacity        string
	metrics         string

	consistent bool
	index      string
	limit      int
	selects    string
	backward   bool
	startKey   item
	segment    int
	segments   int
}

// decode reads a whole body.
func (r *request) decode(body string, allowed members) error {
	d := decoder{s: body}
	if err := r.decodeFrom(&d, allowed); err != nil {
		return err
	}
	return d.end()
}

// decodeFrom reads one object; a member that is not allowed is refused by name.
func (r *request) decodeFrom(d *decoder, allowed members) error {
	if err := d.object(func(name string) error {
		m := r.member(name)
		if m&allowed == 0 {
			return notImplemented(name)
		}
		if d.null() {
			return nil
		}
		r.has |= m
		return r.read(d, m)
	}); err != nil {
		return err
	}
	if allowed&memberTable != 0 && r.table == "" {
		return missing("tableName")
	}
	return r.checkChoices()
}

func missing(member string) error {
	return validation(fmt.Sprintf("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", member))
}

func (r *request) member(name string) members {
	switch name {
	case "TableName":
		return memberTable
	case "Key":
		return memberKey
	case "Item":
		return memberItem
	case "ConditionExpression":
		return memberCondition
	case "UpdateExpression":
		return memberUpdate
	case "ProjectionExpression":
		return memberProjection
	case "FilterExpression":
		return memberFilter
	case "KeyConditionExpression":
		return memberKeyCondition
	case "ExpressionAttributeNames":
		return memberNames
	case "ExpressionAttributeValues":
		return memberValues
	case "ReturnValues":
		return memberReturnValues
	case "ReturnValuesOnConditionCheckFailure":
		return memberReturnOnFailure
	case "ReturnConsumedCapacity":
		return memberReturnCapacity
	case "ReturnItemCollectionMetrics":
		return memberReturnMetrics
	case "ConsistentRead":
		return memberConsistent
	case "IndexName":
		return memberIndex
	case "Limit":
		return memberLimit
	case "Select":
		return memberSelect
	case "ScanIndexForward":
		return memberForward
	case "ExclusiveStartKey":
		return memberStartKey
	case "Segment":
		return memberSegment
	case "TotalSegments":
		return memberSegments
	}
	return 0
}

func (r *request) read(d *decoder, m members) (err error) {
	switch m {
	case memberTable:
		r.table, err = d.str()
	case memberKey:
		r.key, err = d.item()
	case memberItem:
		r.item, err = d.item()
	case memberCondition:
		r.condition, err = d.str()
	case memberUpdate:
		r.update, err = d.str()
	case memberProjection:
		r.projection, err = d.str()
	case memberFilter:
		r.filter, err = d.str()
	case memberKeyCondition:
		r.keyCond, err = d.str()
	case memberNames:
		r.names, err = d.names()
	case memberValues:
		r.values, err = d.item()
	case memberReturnValues:
		r.returnValues, err = d.str()
	case memberReturnOnFailure:
		r.returnOnFailure, err = d.str()
	case memberReturnCapacity:
		r.capacity, err = d.str()
	case memberReturnMetrics:
		r.metrics, err = d.str()
	case memberConsistent:
		r.consistent, err = d.boolean()
	case memberIndex:
		r.index, err = d.str()
	case memberLimit:
		if r.limit, err = d.integer(); err == nil && r.limit < 1 {
			err = validation(fmt.Sprintf("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", r.limit))
		}
	case memberSelect:
		r.selects, err = d.str()
	case memberForward:
		var forward bool
		forward, err = d.boolean()
		r.backward = !forward
	case memberStartKey:
		r.startKey, err = d.item()
	case memberSegment:
		r.segment, err = d.integer()
	case memberSegments:
		r.segments, err = d.integer()
	}
	return err
}

func (d *decoder) names() (names []nameSub, err error) {
	err = d.object(func(key string) error {
		name, err := d.str()
		names = append(names, nameSub{key, name})
		return err
	})
	return names, err
}

// checkChoices validates the members that are one of a few words.
func (r *request) checkChoices() error {
	for _, c := range []struct {
		member, value string
		allowed       []string
	}{
		{"returnConsumedCapacity", r.capacity, []string{"INDEXES", "TOTAL", "NONE"}},
		{"returnValues", r.returnValues, []string{"NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"}},
		{"returnValuesOnConditionCheckFailure", r.returnOnFailure, []string{"NONE", "ALL_OLD"}},
		{"returnItemCollectionMetrics", r.metrics, []string{"SIZE", "NONE"}},
		{"select", r.selects, []string{"ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "SPECIFIC_ATTRIBUTES", "COUNT"}},
	} {
		if err := oneOf(c.member, c.value, c.allowed); err != nil {
			return err
		}
	}
	if r.metrics == "SIZE" {
		return notImplemented("ReturnItemCollectionMetrics=SIZE")
	}
	return nil
}

func oneOf(member, value string, allowed []string) error {
	if value == "" {
		return nil
	}
	for _, a := range allowed {
		if a == value {
			return nil
		}
	}
	return validation(fmt.Sprintf("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: %v", value, member, allowed))
}
