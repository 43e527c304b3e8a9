package dynamodb_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
)

func TestInjectedConflictsWriteNothing(t *testing.T) {
	faults := dynamodb.NewFaults(1)
	_, c := engine(t, "", dynamodb.Options{Faults: faults})
	table := makeTable(t, c)
	faults.Rate(dynamodb.TransactionConflict, 1)
	transact := func() error {
		_, err := c.TransactWriteItems(t.Context(), &sdk.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: table, Item: attrs{"pk": s("a"), "sk": s("1")}}},
			{Put: &types.Put{TableName: table, Item: attrs{"pk": s("a"), "sk": s("2")}}},
		}})
		return err
	}
	var cancelled *types.TransactionCanceledException
	if err := transact(); !errors.As(err, &cancelled) {
		t.Fatalf("got %v", err)
	}
	conflicts := 0
	for _, r := range cancelled.CancellationReasons {
		switch aws.ToString(r.Code) {
		case "TransactionConflict":
			conflicts++
		case "None":
		default:
			t.Errorf("reason %s", aws.ToString(r.Code))
		}
	}
	if conflicts == 0 || get(t, c, "a", "1") != nil {
		t.Fatalf("%d conflicts; item written: %v", conflicts, get(t, c, "a", "1"))
	}
	faults.Rate(dynamodb.TransactionConflict, 0)
	if err := transact(); err != nil {
		t.Fatal(err)
	}
}

func TestInjectedFaultsOfSingleRequests(t *testing.T) {
	faults := dynamodb.NewFaults(1)
	_, c := engine(t, "", dynamodb.Options{Faults: faults})
	table := makeTable(t, c)
	write := func() error {
		_, err := c.PutItem(t.Context(), &sdk.PutItemInput{TableName: table, Item: attrs{"pk": s("a"), "sk": s("1")}})
		return err
	}
	read := func() error {
		_, err := c.GetItem(t.Context(), &sdk.GetItemInput{TableName: table, Key: attrs{"pk": s("a"), "sk": s("1")}})
		return err
	}
	faults.Hook(dynamodb.WriteConflict, func(op string) bool { return op == "PutItem" })
	if got := errorCode(write()); got != "TransactionConflictException" {
		t.Fatalf("write: %s", got)
	}
	faults.Hook(dynamodb.WriteConflict, nil)
	faults.Hook(dynamodb.Throttle, func(op string) bool { return op == "GetItem" })
	if got := errorCode(read()); got != "ProvisionedThroughputExceededException" {
		t.Fatalf("read: %s", got)
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
}

func TestInjectedUnprocessedPartsOfBatches(t *testing.T) {
	faults := dynamodb.NewFaults(1)
	_, c := engine(t, "", dynamodb.Options{Faults: faults})
	table := makeTable(t, c)
	var writes []types.WriteRequest
	var keys []map[string]types.AttributeValue
	for i := range 10 {
		key := attrs{"pk": s("a"), "sk": s(fmt.Sprint(i))}
		keys = append(keys, key)
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: key}})
	}
	faults.Rate(dynamodb.Unprocessed, 1)
	pending := map[string][]types.WriteRequest{*table: writes}
	for round := 0; len(pending) > 0; round++ {
		if round == 1 {
			faults.Rate(dynamodb.Unprocessed, 0)
		}
		out, err := c.BatchWriteItem(t.Context(), &sdk.BatchWriteItemInput{RequestItems: pending})
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 && len(out.UnprocessedItems[*table]) == 0 {
			t.Fatal("everything was processed")
		}
		pending = out.UnprocessedItems
	}
	faults.Rate(dynamodb.Unprocessed, 1)
	asked := map[string]types.KeysAndAttributes{*table: {Keys: keys, ProjectionExpression: aws.String("#k"), ExpressionAttributeNames: map[string]string{"#k": "sk"}}}
	found := 0
	for round := 0; len(asked) > 0; round++ {
		if round == 1 {
			faults.Rate(dynamodb.Unprocessed, 0)
		}
		out, err := c.BatchGetItem(t.Context(), &sdk.BatchGetItemInput{RequestItems: asked})
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range out.Responses[*table] {
			if len(it) != 1 {
				t.Fatalf("the projection was lost: %v", it)
			}
			found++
		}
		asked = out.UnprocessedKeys
	}
	if found != 10 {
		t.Fatalf("found %d of 10", found)
	}
}

func TestFaultsOfOneSeedAreTheSame(t *testing.T) {
	sequence := func() (got string) {
		faults := dynamodb.NewFaults(42)
		faults.Rate(dynamodb.WriteConflict, 0.3)
		_, c := engine(t, "", dynamodb.Options{Faults: faults})
		table := makeTable(t, c)
		for range 30 {
			_, err := c.PutItem(t.Context(), &sdk.PutItemInput{TableName: table, Item: attrs{"pk": s("a"), "sk": s("1")}})
			if err == nil {
				got += "."
			} else {
				got += "x"
			}
		}
		return got
	}
	if a, b := sequence(), sequence(); a != b {
		t.Fatalf("%s\n%s", a, b)
	}
}
