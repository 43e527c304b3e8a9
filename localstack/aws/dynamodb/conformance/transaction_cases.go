package conformance

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

// Short forms of a transaction's actions on the case's partition.

func (e *Env) txPut(sk string, it item, cond string) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{TableName: e.table(tableMain), Item: attributes(item{"pk": e.PK, "sk": sk}.with(it)), ConditionExpression: expr(cond)}}
}

func (e *Env) txUpdate(sk, update string, values item, cond string) types.TransactWriteItem {
	return types.TransactWriteItem{Update: &types.Update{TableName: e.table(tableMain), Key: attributes(item{"pk": e.PK, "sk": sk}),
		UpdateExpression: expr(update), ExpressionAttributeValues: attributes(values), ConditionExpression: expr(cond)}}
}

func (e *Env) txDelete(sk, cond string) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{TableName: e.table(tableMain), Key: attributes(item{"pk": e.PK, "sk": sk}), ConditionExpression: expr(cond)}}
}

func (e *Env) txCheck(sk, cond string) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: e.table(tableMain), Key: attributes(item{"pk": e.PK, "sk": sk}), ConditionExpression: expr(cond)}}
}

func (e *Env) transact(t suite.T, token string, actions ...types.TransactWriteItem) error {
	t.Helper()
	_, err := e.Client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: actions, ClientRequestToken: expr(token)})
	return err
}

func wantReasons(t suite.T, err error, want string) []types.CancellationReason {
	t.Helper()
	var c *types.TransactionCanceledException
	if !errors.As(err, &c) {
		t.Fatalf("no TransactionCanceledException: %v", err)
	}
	var codes []string
	for _, r := range c.CancellationReasons {
		codes = append(codes, aws.ToString(r.Code))
	}
	if got := strings.Join(codes, " "); got != want {
		t.Fatalf("reasons %q, want %q", got, want)
	}
	return c.CancellationReasons
}

// sorts reads the sort keys of the case's partition.
func (e *Env) sorts(t suite.T) string {
	t.Helper()
	out, err := e.Client.Query(t.Context(), &dynamodb.QueryInput{TableName: e.table(tableMain), ConsistentRead: aws.Bool(true),
		KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: attributes(item{":p": e.PK})})
	ok(t, err)
	return fmt.Sprint(column(out.Items, "sk"))
}

func transactionCases() []Case {
	const exists, absent = "attribute_exists(pk)", "attribute_not_exists(pk)"
	return append([]Case{
		{"transaction/all four kinds at once", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, []any{"check", "delete", "s"}, nil)
			ok(t, e.transact(t, "", e.txPut("new", nil, absent), e.txUpdate("s", "SET x = :v", item{":v": 1}, exists), e.txDelete("delete", exists), e.txCheck("check", exists)))
			if got := e.sorts(t); got != "[check new s]" {
				t.Fatalf("got %s", got)
			}
			wantItem(t, e.get(t), item{"i": 2, "x": 1})
		}},
		{"transaction/nothing happens if one condition fails", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, []any{"a"}, nil)
			err := e.transact(t, "", e.txPut("b", nil, ""), e.txDelete("a", ""), e.txCheck("c", exists))
			wantReasons(t, err, "None None ConditionalCheckFailed")
			if got := e.sorts(t); got != "[a]" {
				t.Fatalf("got %s", got)
			}
		}},
		{"transaction/reasons come in the order of the actions", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, []any{"a"}, nil)
			err := e.transact(t, "", e.txPut("a", nil, absent), e.txPut("b", nil, ""), e.txUpdate("c", "SET x = :v", item{":v": 1}, exists), e.txDelete("d", ""))
			wantReasons(t, err, "ConditionalCheckFailed None ConditionalCheckFailed None")
		}},
		{"transaction/a failed action can give its item", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, []any{"a"}, nil)
			put := e.txPut("a", nil, absent)
			put.Put.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
			check := e.txCheck("b", exists)
			check.ConditionCheck.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
			reasons := wantReasons(t, e.transact(t, "", put, check), "ConditionalCheckFailed ConditionalCheckFailed")
			wantItem(t, plain(reasons[0].Item), item{"pk": e.PK, "sk": "a", "i": 0})
			wantItem(t, plain(reasons[1].Item), nil)
		}},
		{"transaction/an update that cannot be made is a reason", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, []any{"a"}, nil)
			err := e.transact(t, "", e.txPut("b", nil, ""), e.txUpdate("a", "SET x = nope", nil, ""))
			wantReasons(t, err, "None ValidationError")
		}},
		{"transaction/what does not fit the schema is a reason", func(t suite.T, e *Env) {
			for _, bad := range []types.TransactWriteItem{
				e.txUpdate("a", "SET sk = :v", item{":v": "b"}, ""),
				e.txPut("a", item{"pk": 1}, ""),
				e.txPut("a", item{"g": 1}, ""),
				e.txPut(strings.Repeat("x", 1025), nil, ""),
			} {
				wantReasons(t, e.transact(t, "", bad), "ValidationError")
			}
			if got := e.sorts(t); got != "[]" {
				t.Fatalf("got %s", got)
			}
		}},
		{"transaction/an item without its key is refused", func(t suite.T, e *Env) {
			bad := e.txPut("a", nil, "")
			bad.Put.Item = attributes(item{"pk": e.PK})
			wantCode(t, e.transact(t, "", bad), invalid)
		}},
		{"transaction/two actions on one item are refused", func(t suite.T, e *Env) {
			wantCode(t, e.transact(t, "", e.txPut("a", nil, ""), e.txDelete("a", "")), invalid)
			wantCode(t, e.transact(t, "", e.txPut("a", nil, ""), e.txCheck("a", exists)), invalid)
		}},
		{"transaction/100 actions", func(t suite.T, e *Env) {
			var actions []types.TransactWriteItem
			for i := range 101 {
				actions = append(actions, e.txPut(fmt.Sprintf("%03d", i), nil, absent))
			}
			wantCode(t, e.transact(t, "", actions...), invalid)
			ok(t, e.transact(t, "", actions[:100]...))
		}},
		{"transaction/refuses none and broken actions", func(t suite.T, e *Env) {
			wantCode(t, e.transact(t, "", []types.TransactWriteItem{}...), invalid)
			wantCode(t, e.transact(t, "", e.txPut("a", nil, "x =")), invalid)
			wantCode(t, e.transact(t, "", types.TransactWriteItem{}), invalid)
			two := e.txPut("a", nil, "")
			two.Delete = e.txDelete("b", "").Delete
			wantCode(t, e.transact(t, "", two), invalid)
		}},
		{"transaction/a missing table", func(t suite.T, e *Env) {
			put := e.txPut("a", nil, "")
			put.Put.TableName = e.table("nothing")
			wantCode(t, e.transact(t, "", put), notFound)
		}},
		{"transaction/over two tables", func(t suite.T, e *Env) {
			other := e.txPut("a", nil, "")
			other.Put.TableName, other.Put.Item = e.table(tableSingle), attributes(item{"pk": e.PK})
			ok(t, e.transact(t, "", e.txPut("a", nil, ""), other))
			out, err := e.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: e.table(tableSingle), Key: attributes(item{"pk": e.PK})})
			ok(t, err)
			wantItem(t, plain(out.Item), item{"pk": e.PK})
		}},
	}, tokenCases()...)
}

func tokenCases() []Case {
	return []Case{
		{"token/a replay does nothing and succeeds", func(t suite.T, e *Env) {
			add := e.txUpdate("s", "ADD n :v", item{":v": 1}, "")
			for range 3 {
				ok(t, e.transact(t, "t-"+e.PK, add))
			}
			wantItem(t, e.get(t), item{"n": 1})
		}},
		{"token/a replay ignores the conditions of now", func(t suite.T, e *Env) {
			put := e.txPut("s", nil, "attribute_not_exists(pk)")
			ok(t, e.transact(t, "t-"+e.PK, put))
			ok(t, e.transact(t, "t-"+e.PK, put))
		}},
		{"token/another request under the same token is refused", func(t suite.T, e *Env) {
			ok(t, e.transact(t, "t-"+e.PK, e.txPut("a", nil, "")))
			wantCode(t, e.transact(t, "t-"+e.PK, e.txPut("b", nil, "")), "IdempotentParameterMismatchException")
		}},
		{"token/a cancelled transaction leaves its token free", func(t suite.T, e *Env) {
			put := e.txPut("s", nil, "attribute_exists(pk)")
			wantReasons(t, e.transact(t, "t-"+e.PK, put), "ConditionalCheckFailed")
			e.put(t, item{"a": 1})
			ok(t, e.transact(t, "t-"+e.PK, put))
		}},
		{"token/longer than 36 characters is refused", func(t suite.T, e *Env) {
			wantCode(t, e.transact(t, strings.Repeat("x", 37), e.txPut("a", nil, "")), invalid)
		}},
		{"token/different tokens are different transactions", func(t suite.T, e *Env) {
			add := e.txUpdate("s", "ADD n :v", item{":v": 1}, "")
			ok(t, e.transact(t, "a-"+e.PK, add))
			ok(t, e.transact(t, "b-"+e.PK, add))
			wantItem(t, e.get(t), item{"n": 2})
		}},
		{"transactget/items in the order asked for, absent ones empty", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, []any{"a", "b"}, nil)
			get := func(sk, projection string) types.TransactGetItem {
				return types.TransactGetItem{Get: &types.Get{TableName: e.table(tableMain), Key: attributes(item{"pk": e.PK, "sk": sk}), ProjectionExpression: expr(projection)}}
			}
			out, err := e.Client.TransactGetItems(t.Context(), &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{get("b", "i"), get("nope", ""), get("a", "")}})
			ok(t, err)
			wantItem(t, plain(out.Responses[0].Item), item{"i": 1})
			wantItem(t, plain(out.Responses[1].Item), nil)
			wantItem(t, plain(out.Responses[2].Item), item{"pk": e.PK, "sk": "a", "i": 0})
			_, err = e.Client.TransactGetItems(t.Context(), &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{get("a", ""), get("a", "")}})
			wantCode(t, err, invalid)
			_, err = e.Client.TransactGetItems(t.Context(), &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{}})
			wantCode(t, err, invalid)
		}},
	}
}
