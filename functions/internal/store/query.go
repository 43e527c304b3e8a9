package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/internal/retry"
)

// Order is in which order a query reads sort keys, which begin with a number or a time where it matters. A query that does not say
// is refused: the first of a list that grows are not the newest.
type Order int

// The orders.
const (
	OldestFirst Order = iota + 1
	NewestFirst
)

// Query asks for the items of one partition, in the order of their sort keys.
type Query struct {
	// Index is "" for the table, or Index1 or Index2. Index pages hold keys only: see Hydrate.
	Index string
	PK    string
	// Either a prefix, or bounds (both inclusive, either may be empty).
	SKPrefix, SKFrom, SKTo string
	// Order must be given.
	Order Order
	// Limit is how many items at most; 0: as many as one page of DynamoDB holds (1 MB).
	Limit int
	// Token is the next token of the page before.
	Token string
	// Filter drops items after they were read (and paid for): pages may then be shorter than Limit.
	Filter Expr
	// Consistent reads strongly; the indexes cannot.
	Consistent bool
}

// Page reads one page, and returns the token of the next; it is empty after the last one. Items whose time to live has passed are left out.
func (db *DB) Page(ctx context.Context, in Query) (items []Item, next string, err error) {
	q, err := db.queryInput(in)
	if err != nil {
		return nil, "", err
	}
	res, err := db.client.Query(ctx, q)
	if err != nil {
		return nil, "", wrap(err, "listing %s", in.PK)
	}
	meterRead(ctx, res.ConsumedCapacity)
	for _, item := range res.Items {
		if err := CheckVersion(item); err != nil {
			return nil, "", err
		}
		if !expired(item, db.clock()) {
			items = append(items, item)
		}
	}
	if next, err = encodeToken(in, res.LastEvaluatedKey); err != nil {
		return nil, "", err
	}
	return items, next, nil
}

// All reads page after page to the end. Use it for what is bounded otherwise.
func (db *DB) All(ctx context.Context, in Query) ([]Item, error) { return db.First(ctx, in, 0) }

// First reads page after page until most items are there (0: all of them), and leaves out what follows.
func (db *DB) First(ctx context.Context, in Query, most int) ([]Item, error) {
	if in.Limit == 0 {
		in.Limit = most
	}
	var all []Item
	for {
		items, next, err := db.Page(ctx, in)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if next == "" || (most > 0 && len(all) >= most) {
			if most > 0 {
				all = all[:min(len(all), most)]
			}
			return all, nil
		}
		in.Token = next
	}
}

// FindIndexed finds the one item that Index2 has under pk, as far as the index knows now.
func (db *DB) FindIndexed(ctx context.Context, pk string) (Key, bool, error) {
	page, err := db.First(ctx, Query{Index: Index2, PK: pk, Order: NewestFirst}, 1)
	if err != nil || len(page) == 0 {
		return Key{}, false, err
	}
	return KeyOf(page[0]), true, nil
}

// AwaitIndexed finds the one item that Index2 has under pk. Right after a write the index may not have it yet, so a
// miss is asked a second time, a moment later.
func (db *DB) AwaitIndexed(ctx context.Context, pk string) (Key, bool, error) {
	for try := 0; ; try++ {
		page, err := db.First(ctx, Query{Index: Index2, PK: pk, Order: NewestFirst}, 1)
		if err != nil {
			return Key{}, false, err
		}
		if len(page) > 0 {
			return KeyOf(page[0]), true, nil
		}
		if try == 1 {
			return Key{}, false, nil
		}
		if !retry.Sleep(ctx, retry.Spread(indexLag)) {
			return Key{}, false, fmt.Errorf("waiting for an index: %w", ctx.Err())
		}
	}
}

// indexLag is how far an index is behind at most, but seldom.
const indexLag = 100 * time.Millisecond

// Hydrate reads the items that an index page names, keeping its order; those that are gone are left out.
func (db *DB) Hydrate(ctx context.Context, page []Item) ([]Item, error) {
	keys := make([]Key, len(page))
	for i, item := range page {
		keys[i] = KeyOf(item)
	}
	found, err := db.BatchGet(ctx, keys, false)
	if err != nil {
		return nil, err
	}
	out := make([]Item, 0, len(page))
	for _, k := range keys {
		if item, ok := found[k]; ok {
			out = append(out, item)
		}
	}
	return out, nil
}

func (db *DB) queryInput(in Query) (*dynamodb.QueryInput, error) {
	if in.Order != OldestFirst && in.Order != NewestFirst {
		return nil, fmt.Errorf("a query of %s says neither newest nor oldest first", in.PK)
	}
	pk, sk := keyAttributes(in.Index)
	var s scope
	cond := If("#"+pk+" = ?", in.PK)
	switch {
	case in.SKPrefix != "":
		cond = And(cond, If("begins_with(#"+sk+", ?)", in.SKPrefix))
	case in.SKFrom != "" && in.SKTo != "":
		cond = And(cond, If("#"+sk+" BETWEEN ? AND ?", in.SKFrom, in.SKTo))
	case in.SKFrom != "":
		cond = And(cond, If("#"+sk+" >= ?", in.SKFrom))
	case in.SKTo != "":
		cond = And(cond, If("#"+sk+" <= ?", in.SKTo))
	}
	keyText, err := s.render(cond)
	if err != nil {
		return nil, err
	}
	filter, err := s.render(in.Filter)
	if err != nil {
		return nil, err
	}
	start, err := decodeToken(in)
	if err != nil {
		return nil, err
	}
	q := &dynamodb.QueryInput{
		TableName: &db.name, KeyConditionExpression: keyText, FilterExpression: filter,
		ExpressionAttributeNames: s.names, ExpressionAttributeValues: s.values, ExclusiveStartKey: start,
		ScanIndexForward: aws.Bool(in.Order == OldestFirst), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}
	if in.Index != "" {
		q.IndexName = &in.Index
	} else {
		q.ConsistentRead = aws.Bool(in.Consistent)
	}
	if in.Limit > 0 {
		q.Limit = aws.Int32(int32(min(in.Limit, 10_000)))
	}
	return q, nil
}

// pageToken is what stands in a page token: the key to go on after, and which query it belongs to. It is no secret and
// no authority (a forged one only starts elsewhere in the caller's own list), so it is not signed.
type pageToken struct {
	Key   map[string]string `json:"k"`
	Query string            `json:"q"`
}

func encodeToken(in Query, last Item) (string, error) {
	if len(last) == 0 {
		return "", nil
	}
	tok := pageToken{Key: map[string]string{}, Query: fingerprint(in)}
	for name := range last {
		tok.Key[name] = StringOf(last, name)
	}
	raw, err := json.Marshal(tok)
	if err != nil {
		return "", fmt.Errorf("making a page token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// keysOf is the part of an item that stands in a page token.
func keysOf(item Item, index string) Item {
	pk, sk := keyAttributes(index)
	out := Item{}
	for _, name := range []string{AttrPK, AttrSK, pk, sk} {
		out[name] = item[name]
	}
	return out
}

func decodeToken(in Query) (Item, error) {
	if in.Token == "" {
		return nil, nil
	}
	refused := fault.New(connect.CodeInvalidArgument, fault.InvalidArgument, "the page token does not belong to this list").
		WithHint("Use the next_page_token of the answer before, with the same filters.").WithFact("field", "page.token")
	raw, err := base64.RawURLEncoding.DecodeString(in.Token)
	if err != nil {
		return nil, refused
	}
	var tok pageToken
	if json.Unmarshal(raw, &tok) != nil || tok.Query != fingerprint(in) {
		return nil, refused
	}
	pk, sk := keyAttributes(in.Index)
	want := []string{AttrPK, AttrSK}
	if in.Index != "" {
		want = append(want, pk, sk)
	}
	if len(tok.Key) != len(want) || tok.Key[pk] != in.PK {
		return nil, refused
	}
	start := make(Item, len(want))
	for _, name := range want {
		v := tok.Key[name]
		if v == "" {
			return nil, refused
		}
		start[name] = &types.AttributeValueMemberS{Value: v}
	}
	return start, nil
}

// fingerprint names a query: its list, bounds, direction and filter, but not its page size.
func fingerprint(in Query) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q %q %q %q %q %t %q %v", in.Index, in.PK, in.SKPrefix, in.SKFrom, in.SKTo, in.Order == OldestFirst, in.Filter.Text, in.Filter.Args)
	return hex.EncodeToString(h.Sum(nil)[:6])
}
