package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// transactMost is DynamoDB's limit on the actions of one transaction. Ours stay within 10 wherever possible.
const transactMost = 100

// conflictTries bounds how often a transaction or write that meets nothing but conflicts is tried.
const conflictTries = 10

type actionKind int

const (
	kindPut actionKind = iota
	kindUpdate
	kindDelete
	kindCheck
)

// Action is one part of a transaction.
type Action struct {
	kind    actionKind
	key     Key
	label   string
	value   any
	change  Expr
	cond    Expr
	wantOld bool
}

// Put writes an item (an Item, or a struct with `dynamodbav` tags); the key and the schema version are added to it.
func Put(key Key, v any, cond ...Expr) Action {
	return Action{kind: kindPut, key: key, value: v, cond: And(cond...)}
}

// Update changes attributes of an item, making it if there is none and the condition allows that.
func Update(key Key, change Expr, cond ...Expr) Action {
	return Action{kind: kindUpdate, key: key, change: change, cond: And(cond...)}
}

// Delete removes an item.
func Delete(key Key, cond ...Expr) Action {
	return Action{kind: kindDelete, key: key, cond: And(cond...)}
}

// Check only looks: the transaction is cancelled unless cond holds.
func Check(key Key, cond Expr) Action {
	return Action{kind: kindCheck, key: key, cond: cond}
}

// Named gives the action the label that a *ConditionError names.
func (a Action) Named(label string) Action {
	a.label = label
	return a
}

// WithOld asks for the item as it is when the action's condition does not hold.
func (a Action) WithOld() Action {
	a.wantOld = true
	return a
}

// Key is the item that the action is about.
func (a Action) Key() Key { return a.key }

// Value is what a Put writes; nil for other actions.
func (a Action) Value() any { return a.value }

// built is an action in DynamoDB's form.
type built struct {
	item         Item
	change, cond *string
	names        map[string]string
	values       Item
}

func (a Action) build() (b built, err error) {
	var s scope
	if a.kind == kindPut {
		if b.item, err = Encode(a.value); err != nil {
			return b, fmt.Errorf("writing %s: %w", a.key, err)
		}
		b.item[AttrPK], b.item[AttrSK] = &types.AttributeValueMemberS{Value: a.key.PK}, &types.AttributeValueMemberS{Value: a.key.SK}
		if _, ok := b.item[AttrVersion]; !ok {
			b.item[AttrVersion] = Number(SchemaVersion)
		}
	}
	if b.change, err = s.render(a.change); err != nil {
		return b, fmt.Errorf("writing %s: %w", a.key, err)
	}
	if b.cond, err = s.render(a.cond); err != nil {
		return b, fmt.Errorf("writing %s: %w", a.key, err)
	}
	b.names, b.values = s.names, s.values
	return b, nil
}

// Tx is a transaction under construction: all of its actions happen, or none. The zero value is empty.
type Tx struct {
	actions []Action
}

// Add appends actions.
func (tx *Tx) Add(actions ...Action) *Tx {
	tx.actions = append(tx.actions, actions...)
	return tx
}

// Len is the number of actions so far.
func (tx *Tx) Len() int { return len(tx.actions) }

// ConditionError says which actions' conditions did not hold. Nothing was written.
type ConditionError struct {
	Failed []FailedCondition
}

// FailedCondition is one action whose condition did not hold.
type FailedCondition struct {
	Label string
	Key   Key
	// Old is the item as it is, if the action asked for it and there is one.
	Old Item
}

func (e *ConditionError) Error() string {
	names := make([]string, len(e.Failed))
	for i, f := range e.Failed {
		names[i] = f.Label
		if f.Label == "" {
			names[i] = f.Key.String()
		}
	}
	return "condition not met: " + strings.Join(names, ", ")
}

// Is reports whether the action with that label is among the failed ones.
func (e *ConditionError) Is(target error) bool { _, ok := target.(*ConditionError); return ok }

// Has reports whether the action with that label failed; Old is its item, if asked for.
func (e *ConditionError) Has(label string) (FailedCondition, bool) {
	for _, f := range e.Failed {
		if f.Label == label {
			return f, true
		}
	}
	return FailedCondition{}, false
}

// Failed looks for a failed condition with that label in err; "" finds any.
func Failed(err error, label string) (FailedCondition, bool) {
	var c *ConditionError
	if !errors.As(err, &c) || len(c.Failed) == 0 {
		return FailedCondition{}, false
	}
	if label == "" {
		return c.Failed[0], true
	}
	return c.Has(label)
}

// Transact commits a transaction. Cancelled by conflicts with others alone, it is tried again (10 times, with jitter,
// until ctx ends). Conditions that do not hold are a *ConditionError. Each try has a random token of its own, which the SDK's own
// repeats share, so that a repeat whose first answer was lost does not meet its own effect.
func (db *DB) Transact(ctx context.Context, tx Tx) error {
	if len(tx.actions) == 0 {
		return nil
	}
	if len(tx.actions) > transactMost {
		return fmt.Errorf("a transaction of %d actions: DynamoDB takes %d", len(tx.actions), transactMost)
	}
	items := make([]types.TransactWriteItem, len(tx.actions))
	for i, a := range tx.actions {
		item, err := a.transactItem(&db.name)
		if err != nil {
			return err
		}
		items[i] = item
	}
	waits := Contention.Start()
	for try := 1; ; try++ {
		var token [16]byte
		if err := db.random(token[:]); err != nil {
			return err
		}
		clientToken := hex.EncodeToString(token[:])
		res, err := db.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
			TransactItems: items, ClientRequestToken: &clientToken,
			ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		})
		if err == nil {
			for i := range res.ConsumedCapacity {
				meterWrite(ctx, &res.ConsumedCapacity[i])
			}
			return nil
		}
		failed, conflict := db.cancelled(err, tx.actions)
		switch {
		case failed != nil:
			return failed
		case !conflict:
			return wrap(err, "committing %d changes", len(items))
		case try == conflictTries:
			return KeptChanging(err)
		}
		if err := Pause(ctx, waits); err != nil {
			return err
		}
	}
}

// Commit writes a transaction, or its one action as a plain write, at half the price.
func (db *DB) Commit(ctx context.Context, tx Tx) error {
	if len(tx.actions) == 1 && tx.actions[0].kind != kindCheck {
		_, err := db.Write(ctx, tx.actions[0])
		return err
	}
	return db.Transact(ctx, tx)
}

// KeptChanging is the error after conflictTries conflicts with others.
func KeptChanging(err error) *fault.Error {
	return fault.New(connect.CodeAborted, fault.Conflict, "others kept changing the same data").
		WithHint("Try again.").WithCause(err)
}

// inTransaction reports whether a write was refused because a transaction was at work on the same item.
func inTransaction(err error) bool {
	var inProgress *types.TransactionInProgressException
	var conflict *types.TransactionConflictException
	return errors.As(err, &inProgress) || errors.As(err, &conflict)
}

func (a Action) transactItem(table *string) (types.TransactWriteItem, error) {
	b, err := a.build()
	if err != nil {
		return types.TransactWriteItem{}, err
	}
	old := types.ReturnValuesOnConditionCheckFailureNone
	if a.wantOld {
		old = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	switch a.kind {
	case kindPut:
		return types.TransactWriteItem{Put: &types.Put{TableName: table, Item: b.item, ConditionExpression: b.cond,
			ExpressionAttributeNames: b.names, ExpressionAttributeValues: b.values, ReturnValuesOnConditionCheckFailure: old}}, nil
	case kindUpdate:
		return types.TransactWriteItem{Update: &types.Update{TableName: table, Key: a.key.item(), UpdateExpression: b.change,
			ConditionExpression: b.cond, ExpressionAttributeNames: b.names, ExpressionAttributeValues: b.values,
			ReturnValuesOnConditionCheckFailure: old}}, nil
	case kindDelete:
		return types.TransactWriteItem{Delete: &types.Delete{TableName: table, Key: a.key.item(), ConditionExpression: b.cond,
			ExpressionAttributeNames: b.names, ExpressionAttributeValues: b.values, ReturnValuesOnConditionCheckFailure: old}}, nil
	default:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: table, Key: a.key.item(),
			ConditionExpression: b.cond, ExpressionAttributeNames: b.names, ExpressionAttributeValues: b.values,
			ReturnValuesOnConditionCheckFailure: old}}, nil
	}
}

// cancelled reads a cancellation: conditions that failed, or (with none) whether conflicts were the only reason.
func (db *DB) cancelled(err error, actions []Action) (*ConditionError, bool) {
	if inTransaction(err) {
		return nil, true
	}
	var c *types.TransactionCanceledException
	if !errors.As(err, &c) {
		return nil, false
	}
	failed := &ConditionError{}
	conflicts, others := 0, 0
	for i, r := range c.CancellationReasons {
		code := ""
		if r.Code != nil {
			code = *r.Code
		}
		switch code {
		case "", "None":
		case "ConditionalCheckFailed":
			if i < len(actions) {
				failed.Failed = append(failed.Failed, FailedCondition{Label: actions[i].label, Key: actions[i].key, Old: r.Item})
			}
		case "TransactionConflict":
			conflicts++
		default:
			others++
		}
	}
	// A conflict beside a failed condition hides nothing: the condition was evaluated on committed data.
	if len(failed.Failed) > 0 && others == 0 {
		return failed, false
	}
	return nil, conflicts > 0 && others == 0
}

func singleCondition(err error, a Action) *ConditionError {
	var c *types.ConditionalCheckFailedException
	if !errors.As(err, &c) {
		return nil
	}
	return &ConditionError{Failed: []FailedCondition{{Label: a.label, Key: a.key, Old: c.Item}}}
}
