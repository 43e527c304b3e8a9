package conformance

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	engine "github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

// ownCases are answers that AWS gives now and then and that a case has to provoke: the engine makes them on purpose.
// They run one at a time, since a fault strikes everybody.
func ownCases() []Case {
	strike := func(t suite.T, e *Env, fault engine.Fault) {
		e.Own.Faults.Rate(fault, 1)
		t.Cleanup(func() { e.Own.Faults.Rate(fault, 0) })
	}
	return []Case{
		{"own/a transaction that meets another is cancelled", func(t suite.T, e *Env) {
			strike(t, e, engine.TransactionConflict)
			wantReasons(t, e.transact(t, "", types.TransactWriteItem{Put: &types.Put{TableName: e.table(tableMain), Item: attributes(e.key())}}), "TransactionConflict")
		}},
		{"own/a write that meets a transaction is refused", func(t suite.T, e *Env) {
			strike(t, e, engine.WriteConflict)
			_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: attributes(e.key())})
			wantCode(t, err, "TransactionConflictException")
		}},
		{"own/a throttled request is refused", func(t suite.T, e *Env) {
			strike(t, e, engine.Throttle)
			_, err := e.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: e.table(tableMain), Key: attributes(e.key())})
			wantCode(t, err, "ProvisionedThroughputExceededException")
		}},
		{"own/a batch may be done in part", func(t suite.T, e *Env) {
			strike(t, e, engine.Unprocessed)
			var writes []types.WriteRequest
			for _, s := range []string{"1", "2", "3"} {
				writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: attributes(item{"pk": e.PK, "sk": s})}})
			}
			out, err := e.Client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{*e.table(tableMain): writes}})
			ok(t, err)
			if len(out.UnprocessedItems[*e.table(tableMain)]) == 0 {
				t.Fatal("everything was processed")
			}
		}},
		{"own/who may not is refused", func(t suite.T, e *Env) {
			e.Own.Deny.Store(true)
			t.Cleanup(func() { e.Own.Deny.Store(false) })
			_, err := e.Client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: e.table(tableMain)})
			wantCode(t, err, "AccessDeniedException")
			_, err = e.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: e.table(tableMain), Key: attributes(e.key())})
			wantCode(t, err, "AccessDeniedException")
		}},
		{"own/a broken data file is an internal error", func(t suite.T, e *Env) {
			_, err := e.Own.Broken.CreateTable(t.Context(), e.own(t))
			wantCode(t, err, "InternalServerError")
		}},
		{"own/a request over 16 MB is refused", func(t suite.T, e *Env) {
			_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain),
				Item: attributes(e.key().with(item{"x": strings.Repeat("x", 17<<20)}))})
			wantCode(t, err, "RequestTooLargeException")
		}},
		{"own/what is not implemented is refused by name", func(t suite.T, e *Env) {
			_, err := e.Client.ExecuteStatement(t.Context(), &dynamodb.ExecuteStatementInput{Statement: aws.String("SELECT * FROM t")})
			wantCode(t, err, "UnknownOperationException")
			_, err = e.Client.ListBackups(t.Context(), &dynamodb.ListBackupsInput{})
			wantCode(t, err, "UnknownOperationException")
			if !strings.Contains(err.Error(), "ListBackups") {
				t.Fatalf("%v does not name the operation", err)
			}
		}},
	}
}
