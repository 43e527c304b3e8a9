package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

func batchCases() []Case {
	put := func(it item) types.WriteRequest {
		return types.WriteRequest{PutRequest: &types.PutRequest{Item: attributes(it)}}
	}
	del := func(key item) types.WriteRequest {
		return types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: attributes(key)}}
	}
	write := func(t suite.T, e *Env, requests map[string][]types.WriteRequest) error {
		t.Helper()
		out, err := e.Client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: requests})
		if err == nil && len(out.UnprocessedItems) > 0 {
			t.Fatalf("unprocessed: %v", out.UnprocessedItems)
		}
		return err
	}
	keysOf := func(e *Env, n int) []map[string]types.AttributeValue {
		keys := []map[string]types.AttributeValue{}
		for i := range n {
			keys = append(keys, attributes(item{"pk": e.PK, "sk": fmt.Sprint(i)}))
		}
		return keys
	}
	read := func(t suite.T, e *Env, k types.KeysAndAttributes) (*dynamodb.BatchGetItemOutput, error) {
		t.Helper()
		return e.Client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{*e.table(tableMain): k}})
	}
	return []Case{
		{"batchwrite/puts and deletes over two tables", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, []any{"gone"}, nil)
			ok(t, write(t, e, map[string][]types.WriteRequest{
				*e.table(tableMain):   {put(item{"pk": e.PK, "sk": "a"}), del(item{"pk": e.PK, "sk": "gone"}), put(item{"pk": e.PK, "sk": "b"})},
				*e.table(tableSingle): {put(item{"pk": e.PK})},
			}))
			if got := e.sorts(t); got != "[a b]" {
				t.Fatalf("got %s", got)
			}
		}},
		{"batchwrite/at most 25", func(t suite.T, e *Env) {
			var all []types.WriteRequest
			for i := range 26 {
				all = append(all, put(item{"pk": e.PK, "sk": fmt.Sprint(i)}))
			}
			wantCode(t, write(t, e, map[string][]types.WriteRequest{*e.table(tableMain): all}), invalid)
			ok(t, write(t, e, map[string][]types.WriteRequest{*e.table(tableMain): all[:25]}))
		}},
		{"batchwrite/refuses nothing and duplicates", func(t suite.T, e *Env) {
			wantCode(t, write(t, e, map[string][]types.WriteRequest{}), invalid)
			wantCode(t, write(t, e, map[string][]types.WriteRequest{*e.table(tableMain): {put(e.key()), del(e.key())}}), invalid)
		}},
		{"batchwrite/refuses the whole batch for one bad item", func(t suite.T, e *Env) {
			wantCode(t, write(t, e, map[string][]types.WriteRequest{*e.table(tableMain): {put(e.key()), put(item{"pk": e.PK})}}), invalid)
			if got := e.sorts(t); got != "[]" {
				t.Fatalf("got %s", got)
			}
		}},
		{"batchwrite/a missing table", func(t suite.T, e *Env) {
			wantCode(t, write(t, e, map[string][]types.WriteRequest{*e.table("nothing"): {put(e.key())}}), notFound)
		}},
		{"batchget/finds what is there", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, []any{"0", "1", "3"}, nil)
			out, err := read(t, e, types.KeysAndAttributes{Keys: keysOf(e, 5), ConsistentRead: aws.Bool(true)})
			ok(t, err)
			got := column(out.Responses[*e.table(tableMain)], "sk")
			slices.SortFunc(got, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
			if fmt.Sprint(got) != "[0 1 3]" || len(out.UnprocessedKeys) != 0 {
				t.Fatalf("got %v, unprocessed %v", got, out.UnprocessedKeys)
			}
		}},
		{"batchget/with a projection", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, []any{"0"}, nil)
			out, err := read(t, e, types.KeysAndAttributes{Keys: keysOf(e, 1), ProjectionExpression: aws.String("#i"), ExpressionAttributeNames: names("#i=i")})
			ok(t, err)
			wantItem(t, plain(out.Responses[*e.table(tableMain)][0]), item{"i": 0})
		}},
		{"batchget/at most 100 keys", func(t suite.T, e *Env) {
			_, err := read(t, e, types.KeysAndAttributes{Keys: keysOf(e, 101)})
			wantCode(t, err, invalid)
			_, err = read(t, e, types.KeysAndAttributes{Keys: keysOf(e, 100)})
			ok(t, err)
		}},
		{"batchget/refuses duplicates and nothing", func(t suite.T, e *Env) {
			_, err := read(t, e, types.KeysAndAttributes{Keys: append(keysOf(e, 2), keysOf(e, 1)...)})
			wantCode(t, err, invalid)
			_, err = read(t, e, types.KeysAndAttributes{Keys: keysOf(e, 0)})
			wantCode(t, err, invalid)
		}},
		{"batchget/more than 16 MB leaves keys unprocessed", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, anyRange(45), func(int) item { return item{"blob": strings.Repeat("x", 395*1024)} })
			pending := keysOf(e, 45)
			rounds, found := 0, 0
			for len(pending) > 0 && rounds < 10 {
				out, err := read(t, e, types.KeysAndAttributes{Keys: pending})
				ok(t, err)
				found += len(out.Responses[*e.table(tableMain)])
				pending = out.UnprocessedKeys[*e.table(tableMain)].Keys
				rounds++
			}
			if found != 45 || rounds != 2 {
				t.Fatalf("found %d items in %d rounds, want 45 in 2", found, rounds)
			}
		}},
	}
}

func anyRange(n int) (out []any) {
	for i := range n {
		out = append(out, fmt.Sprint(i))
	}
	return out
}
