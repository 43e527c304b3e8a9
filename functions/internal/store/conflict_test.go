package store_test

import (
	"testing"

	"github.com/waypoint-serverless/waypoint/functions/internal/storetest"
	"github.com/waypoint-serverless/waypoint/localstack/enginetest"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
)

// installation is one, in memory, on engines whose clock and faults the test has in hand.
type installation struct {
	*storetest.World
	Clock  *enginetest.Clock
	Faults *dynamodb.Faults
}

func install(t testing.TB) *installation {
	e := enginetest.New(t)
	w := storetest.New(t, storetest.Engines{Config: e.Config, Tables: e.Tables, Remove: e.Faults == nil, Clock: e.Clock.Now})
	return &installation{World: w, Clock: e.Clock, Faults: e.Faults}
}

// A renewal meets the transaction of an append on the same item: DynamoDB refuses it, and the SDK does not repeat it.
func TestAWriteThatMeetsATransactionIsTriedAgain(t *testing.T) {
	s := install(t)
	if s.Faults == nil {
		t.Skip("another DynamoDB injects no conflicts")
	}
	key := store.Config("p", "x")
	plain := struct {
		N int64 `dynamodbav:"n"`
	}{N: 1}
	for name, write := range map[string]func() error{
		"put":    func() error { return s.DB.Put(t.Context(), key, plain) },
		"update": func() error { return s.DB.Update(t.Context(), key, store.Set("ADD #n ?", 1)) },
		"delete": func() error { return s.DB.Delete(t.Context(), key) },
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
