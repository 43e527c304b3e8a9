package table_test

import (
	"testing"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/functions/internal/table"
	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
)

// A renewal meets the transaction of an append on the same item: DynamoDB refuses it, and the SDK does not repeat it.
func TestAWriteThatMeetsATransactionIsTriedAgain(t *testing.T) {
	s := newSite(t)
	if s.Faults == nil {
		t.Skip("another DynamoDB injects no conflicts")
	}
	key := table.Config("p", "x")
	plain := struct {
		N int64 `dynamodbav:"n"`
	}{N: 1}
	for name, write := range map[string]func() error{
		"put":    func() error { return s.Table.Put(s.ctx, key, plain) },
		"update": func() error { return s.Table.Update(s.ctx, key, table.Set("ADD #n ?", 1)) },
		"delete": func() error { return s.Table.Delete(s.ctx, key) },
	} {
		t.Run(name, func(t *testing.T) {
			struck := 0
			s.Faults.Hook(dynamodb.WriteConflict, func(string) bool { struck++; return struck <= 3 })
			if err := write(); err != nil || struck < 4 {
				t.Errorf("after %d tries: %v", struck, err)
			}
			struck = 0
			s.Faults.Hook(dynamodb.WriteConflict, func(string) bool { struck++; return true })
			if err := write(); !fault.Is(err, fault.Conflict) || struck < 2 {
				t.Errorf("conflicts without end: %v after %d tries", err, struck)
			}
			s.Faults.Hook(dynamodb.WriteConflict, nil)
		})
	}
}
