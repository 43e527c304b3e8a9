// Package store is the kernel of the server's DynamoDB table: keys, items with a schema version, conditions, queries, transactions
// and what they cost. The packages of the domains (jobs, records, config, tokens, runners, logs, projects, audit) are
// built on it; it imports none of them.
//
// It imports the AWS SDK and the contract's errors, and nothing of the server. Keys are built in keys.go and nowhere else; no
// request path scans. Whatever decides something reads the base item strongly; an index only says where to look. ACCESS.md
// lists every access pattern with its cost.
package store

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	ulid "github.com/oklog/ulid/v2"

	"github.com/waypoint-serverless/waypoint/internal/retry"
)

// DB is one DynamoDB table. It is safe for concurrent use.
type DB struct {
	client *dynamodb.Client
	name   string
	clock  func() time.Time

	rndMu sync.Mutex
	rnd   io.Reader

	// packers are idle compressors: each holds most of a megabyte.
	packers sync.Pool
}

// Item is a DynamoDB item.
type Item = map[string]types.AttributeValue

// New wraps a table. clock is the server's clock; rnd gives the randomness of ids and request tokens
// (crypto/rand.Reader outside tests).
func New(client *dynamodb.Client, name string, clock func() time.Time, rnd io.Reader) *DB {
	return &DB{client: client, name: name, clock: clock, rnd: rnd}
}

// Now is the server's clock.
func (db *DB) Now() time.Time { return db.clock() }

// NewID makes a ULID of the server's time.
func (db *DB) NewID() (string, error) {
	var entropy [10]byte
	if err := db.random(entropy[:]); err != nil {
		return "", err
	}
	var id ulid.ULID
	if err := id.SetTime(ulid.Timestamp(db.clock())); err != nil {
		return "", fmt.Errorf("making an id: %w", err)
	}
	if err := id.SetEntropy(entropy[:]); err != nil {
		return "", fmt.Errorf("making an id: %w", err)
	}
	return id.String(), nil
}

func (db *DB) random(b []byte) error {
	db.rndMu.Lock()
	defer db.rndMu.Unlock()
	if _, err := io.ReadFull(db.rnd, b); err != nil {
		return fmt.Errorf("reading randomness: %w", err)
	}
	return nil
}

// Get reads one item into out: an *Item, or a pointer to a struct with `dynamodbav` tags. An item whose time to live has
// passed counts as absent (DynamoDB deletes it days later).
func (db *DB) Get(ctx context.Context, key Key, consistent bool, out any) (found bool, err error) {
	res, err := db.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &db.name, Key: key.item(), ConsistentRead: aws.Bool(consistent),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	})
	if err != nil {
		return false, wrap(err, "reading %s", key)
	}
	meterRead(ctx, res.ConsumedCapacity)
	if len(res.Item) == 0 || expired(res.Item, db.clock()) {
		return false, nil
	}
	return true, Decode(res.Item, out)
}

// batchMost is DynamoDB's limit on the keys of one BatchGetItem.
const batchMost = 100

// BatchGet reads many items; those that do not exist, or whose time to live has passed, are missing from the
// answer. Keys that DynamoDB puts off are asked for again, with growing pauses, until ctx ends.
func (db *DB) BatchGet(ctx context.Context, keys []Key, consistent bool) (map[Key]Item, error) {
	found := make(map[Key]Item, len(keys))
	seen := make(map[Key]bool, len(keys))
	var todo []Item
	for _, k := range keys {
		if !seen[k] {
			seen[k] = true
			todo = append(todo, k.item())
		}
	}
	for waits := Contention.Start(); len(todo) > 0; {
		n := min(len(todo), batchMost)
		res, err := db.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems:           map[string]types.KeysAndAttributes{db.name: {Keys: todo[:n], ConsistentRead: aws.Bool(consistent)}},
			ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		})
		if err != nil {
			return nil, wrap(err, "reading %d items", n)
		}
		for i := range res.ConsumedCapacity {
			meterRead(ctx, &res.ConsumedCapacity[i])
		}
		for _, item := range res.Responses[db.name] {
			if err := CheckVersion(item); err != nil {
				return nil, err
			}
			if !expired(item, db.clock()) {
				found[KeyOf(item)] = item
			}
		}
		todo = append(todo[n:], res.UnprocessedKeys[db.name].Keys...)
		if len(res.UnprocessedKeys) > 0 {
			if err := Pause(ctx, waits); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// Put writes one item in place of whatever is there, if the condition (at most one) holds. v is an Item or a struct with
// `dynamodbav` tags; key is added to it. A condition that does not hold is a *ConditionError.
func (db *DB) Put(ctx context.Context, key Key, v any, cond ...Expr) error {
	_, err := db.Write(ctx, Put(key, v, cond...))
	return err
}

// Update changes attributes of one item, making it if there is none.
func (db *DB) Update(ctx context.Context, key Key, change Expr, cond ...Expr) error {
	_, err := db.Write(ctx, Update(key, change, cond...))
	return err
}

// Delete removes an item; removing what is not there succeeds.
func (db *DB) Delete(ctx context.Context, key Key, cond ...Expr) error {
	_, err := db.Write(ctx, Delete(key, cond...))
	return err
}

// Write runs one action as a plain write, which costs half of a transaction's units. An update answers with the item as
// it is after it. A write that meets a transaction on the same item is refused by DynamoDB and, since the SDK does not repeat
// that, tried again here as Transact does.
func (db *DB) Write(ctx context.Context, a Action) (after Item, err error) {
	b, err := a.build()
	if err != nil {
		return nil, err
	}
	old := types.ReturnValuesOnConditionCheckFailureNone
	if a.wantOld {
		old = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	waits := Contention.Start()
	for try := 1; ; try++ {
		after, used, err := db.send(ctx, a, b, old)
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
			return nil, KeptChanging(err)
		}
		if err := Pause(ctx, waits); err != nil {
			return nil, err
		}
	}
}

func (db *DB) send(ctx context.Context, a Action, b built, old types.ReturnValuesOnConditionCheckFailure) (Item, *types.ConsumedCapacity, error) {
	const total = types.ReturnConsumedCapacityTotal
	switch a.kind {
	case kindPut:
		res, err := db.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: &db.name, Item: b.item, ConditionExpression: b.cond, ExpressionAttributeNames: b.names,
			ExpressionAttributeValues: b.values, ReturnValuesOnConditionCheckFailure: old, ReturnConsumedCapacity: total,
		})
		if err != nil {
			return nil, nil, err
		}
		return nil, res.ConsumedCapacity, nil
	case kindUpdate:
		res, err := db.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &db.name, Key: a.key.item(), UpdateExpression: b.change, ConditionExpression: b.cond,
			ExpressionAttributeNames: b.names, ExpressionAttributeValues: b.values, ReturnValues: types.ReturnValueAllNew,
			ReturnValuesOnConditionCheckFailure: old, ReturnConsumedCapacity: total,
		})
		if err != nil {
			return nil, nil, err
		}
		return res.Attributes, res.ConsumedCapacity, nil
	case kindDelete:
		res, err := db.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &db.name, Key: a.key.item(), ConditionExpression: b.cond, ExpressionAttributeNames: b.names,
			ExpressionAttributeValues: b.values, ReturnValuesOnConditionCheckFailure: old, ReturnConsumedCapacity: total,
		})
		if err != nil {
			return nil, nil, err
		}
		return nil, res.ConsumedCapacity, nil
	}
	return nil, nil, fmt.Errorf("a check of %s stands alone", a.key)
}

// Contention is how writes wait that met others on the same items, and reads that were answered in part: others are done in
// milliseconds.
var Contention = retry.Policy{First: 10 * time.Millisecond, Most: 320 * time.Millisecond}

// Pause waits before the next try.
func Pause(ctx context.Context, waits *retry.Backoff) error {
	if !waits.Wait(ctx, nil) {
		return fmt.Errorf("waiting to try again: %w", ctx.Err())
	}
	return nil
}
