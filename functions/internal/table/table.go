// Package table is the server's only way to its DynamoDB table: keys, items, conditions, transactions and
// pages, and a file per entity.
//
// It imports the AWS SDK, the contract and the pure engine (functions/internal/job), nothing else of ours.
// Keys are built in keys.go and nowhere else; no request path scans. Whatever decides something reads the base
// item strongly; an index only says where to look. ACCESS.md lists every access pattern with its cost.
package table

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/oklog/ulid/v2"

	"github.com/waypoint-serverless/waypoint/internal/retry"
)

// Table is one DynamoDB table. It is safe for concurrent use.
type Table struct {
	db    *dynamodb.Client
	name  string
	clock func() time.Time

	rndMu sync.Mutex
	rnd   io.Reader

	// packers are idle compressors: each holds most of a megabyte.
	packers sync.Pool
}

// Item is a DynamoDB item.
type Item = map[string]types.AttributeValue

// New wraps a table. clock is the server's clock; rnd gives the randomness of ids and request tokens
// (crypto/rand.Reader outside tests).
func New(db *dynamodb.Client, name string, clock func() time.Time, rnd io.Reader) *Table {
	return &Table{db: db, name: name, clock: clock, rnd: rnd}
}

// Now is the server's clock.
func (t *Table) Now() time.Time { return t.clock() }

// NewID makes a ULID of the server's time.
func (t *Table) NewID() (string, error) {
	var entropy [10]byte
	if err := t.random(entropy[:]); err != nil {
		return "", err
	}
	var id ulid.ULID
	if err := id.SetTime(ulid.Timestamp(t.clock())); err != nil {
		return "", fmt.Errorf("making an id: %w", err)
	}
	if err := id.SetEntropy(entropy[:]); err != nil {
		return "", fmt.Errorf("making an id: %w", err)
	}
	return id.String(), nil
}

func (t *Table) random(b []byte) error {
	t.rndMu.Lock()
	defer t.rndMu.Unlock()
	if _, err := io.ReadFull(t.rnd, b); err != nil {
		return fmt.Errorf("reading randomness: %w", err)
	}
	return nil
}

// Get reads one item into out: an *Item, or a pointer to a struct with `dynamodbav` tags. An item whose time to live has
// passed counts as absent (DynamoDB deletes it days later).
func (t *Table) Get(ctx context.Context, key Key, consistent bool, out any) (found bool, err error) {
	res, err := t.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.name, Key: key.item(), ConsistentRead: aws.Bool(consistent),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	})
	if err != nil {
		return false, wrap(err, "reading %s", key)
	}
	meterRead(ctx, res.ConsumedCapacity)
	if len(res.Item) == 0 || expired(res.Item, t.clock()) {
		return false, nil
	}
	return true, Decode(res.Item, out)
}

// batchMost is DynamoDB's limit on the keys of one BatchGetItem.
const batchMost = 100

// BatchGet reads many items; those that do not exist, or whose time to live has passed, are missing from the
// answer. Keys that DynamoDB puts off are asked for again, with growing pauses, until ctx ends.
func (t *Table) BatchGet(ctx context.Context, keys []Key, consistent bool) (map[Key]Item, error) {
	found := make(map[Key]Item, len(keys))
	seen := make(map[Key]bool, len(keys))
	var todo []Item
	for _, k := range keys {
		if !seen[k] {
			seen[k] = true
			todo = append(todo, k.item())
		}
	}
	for waits := contention.Start(); len(todo) > 0; {
		n := min(len(todo), batchMost)
		res, err := t.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems:           map[string]types.KeysAndAttributes{t.name: {Keys: todo[:n], ConsistentRead: aws.Bool(consistent)}},
			ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		})
		if err != nil {
			return nil, wrap(err, "reading %d items", n)
		}
		for i := range res.ConsumedCapacity {
			meterRead(ctx, &res.ConsumedCapacity[i])
		}
		for _, item := range res.Responses[t.name] {
			if !expired(item, t.clock()) {
				found[KeyOf(item)] = item
			}
		}
		todo = append(todo[n:], res.UnprocessedKeys[t.name].Keys...)
		if len(res.UnprocessedKeys) > 0 {
			if err := pause(ctx, waits); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// Put writes one item in place of whatever is there, if the condition (at most one) holds. v is an Item or a struct with
// `dynamodbav` tags; key is added to it. A condition that does not hold is a *ConditionError.
func (t *Table) Put(ctx context.Context, key Key, v any, cond ...Expr) error {
	_, err := t.single(ctx, Put(key, v, cond...))
	return err
}

// Update changes attributes of one item, making it if there is none.
func (t *Table) Update(ctx context.Context, key Key, change Expr, cond ...Expr) error {
	_, err := t.single(ctx, Update(key, change, cond...))
	return err
}

// Delete removes an item; removing what is not there succeeds.
func (t *Table) Delete(ctx context.Context, key Key, cond ...Expr) error {
	_, err := t.single(ctx, Delete(key, cond...))
	return err
}

// single runs one action as a plain write, which costs half of a transaction's units. An update answers with the item as
// it is after it. A write that meets a transaction on the same item is refused by DynamoDB and, since the SDK does not repeat
// that, tried again here as Transact does.
func (t *Table) single(ctx context.Context, a TxAction) (after Item, err error) {
	b, err := a.build()
	if err != nil {
		return nil, err
	}
	old := types.ReturnValuesOnConditionCheckFailureNone
	if a.wantOld {
		old = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	waits := contention.Start()
	for try := 1; ; try++ {
		after, used, err := t.write(ctx, a, b, old)
		if err == nil {
			meterWrite(ctx, used)
			return after, nil
		}
		if failed := singleCondition(err, a); failed != nil {
			return nil, failed
		}
		switch {
		case !inTransaction(err):
			return nil, wrap(err, "writing %s", a.key)
		case try == conflictTries:
			return nil, keptChanging(err)
		}
		if err := pause(ctx, waits); err != nil {
			return nil, err
		}
	}
}

func (t *Table) write(ctx context.Context, a TxAction, b built, old types.ReturnValuesOnConditionCheckFailure) (Item, *types.ConsumedCapacity, error) {
	const total = types.ReturnConsumedCapacityTotal
	switch a.kind {
	case kindPut:
		res, err := t.db.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: &t.name, Item: b.item, ConditionExpression: b.cond, ExpressionAttributeNames: b.names,
			ExpressionAttributeValues: b.values, ReturnValuesOnConditionCheckFailure: old, ReturnConsumedCapacity: total,
		})
		if err != nil {
			return nil, nil, err
		}
		return nil, res.ConsumedCapacity, nil
	case kindUpdate:
		res, err := t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &t.name, Key: a.key.item(), UpdateExpression: b.change, ConditionExpression: b.cond,
			ExpressionAttributeNames: b.names, ExpressionAttributeValues: b.values, ReturnValues: types.ReturnValueAllNew,
			ReturnValuesOnConditionCheckFailure: old, ReturnConsumedCapacity: total,
		})
		if err != nil {
			return nil, nil, err
		}
		return res.Attributes, res.ConsumedCapacity, nil
	case kindDelete:
		res, err := t.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &t.name, Key: a.key.item(), ConditionExpression: b.cond, ExpressionAttributeNames: b.names,
			ExpressionAttributeValues: b.values, ReturnValuesOnConditionCheckFailure: old, ReturnConsumedCapacity: total,
		})
		if err != nil {
			return nil, nil, err
		}
		return nil, res.ConsumedCapacity, nil
	}
	return nil, nil, fmt.Errorf("a check of %s stands alone", a.key)
}

// contention is how writes wait that met others on the same items, and reads that were answered in part: others are done in
// milliseconds.
var contention = retry.Policy{First: 10 * time.Millisecond, Most: 320 * time.Millisecond}

// pause waits before the next try.
func pause(ctx context.Context, waits *retry.Backoff) error {
	if !waits.Wait(ctx, nil) {
		return fmt.Errorf("waiting to try again: %w", ctx.Err())
	}
	return nil
}
