package dynamodb_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
)

// The benchmarks run the engine on a file with synchronous=FULL, once through
// its handler alone ("engine") and once through the SDK client ("sdk").

func benchEngine(b *testing.B) (*dynamodb.Engine, *sdk.Client) {
	b.Helper()
	e, c := engine(b, filepath.Join(b.TempDir(), "db"), dynamodb.Options{})
	makeTable(b, c)
	for i := range 200 {
		put(b, c, benchItem(i))
	}
	return e, c
}

var kilobyte = strings.Repeat("x", 900)

func benchItem(i int) attrs {
	sk := fmt.Sprintf("%06d", i)
	return attrs{"pk": s("p"), "sk": s(sk), "g1": s("g"), "s1": s(sk), "g2": s("h"), "s2": s(sk), "x": s("small"), "blob": s(kilobyte), "count": n(int64(i))}
}

func benchRaw(b *testing.B, e *dynamodb.Engine, operation string, body func(i int) string) {
	b.Helper()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if resp := call(e, operation, body(i)); resp.StatusCode != 200 {
			b.Fatalf("status %d", resp.StatusCode)
		}
	}
}

func BenchmarkGetItem(b *testing.B) {
	e, c := benchEngine(b)
	b.Run("engine", func(b *testing.B) {
		benchRaw(b, e, "GetItem", func(i int) string {
			return fmt.Sprintf(`{"TableName":"table","ConsistentRead":true,"Key":{"pk":{"S":"p"},"sk":{"S":"%06d"}}}`, i%200)
		})
	})
	b.Run("sdk", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			get(b, c, "p", fmt.Sprintf("%06d", i%200))
		}
	})
}

func BenchmarkPutItem(b *testing.B) {
	e, c := benchEngine(b)
	b.Run("engine", func(b *testing.B) {
		benchRaw(b, e, "PutItem", func(i int) string {
			return fmt.Sprintf(`{"TableName":"table","ConditionExpression":"attribute_not_exists(nope)","Item":{"pk":{"S":"q"},"sk":{"S":"%06d"},"g1":{"S":"g"},"s1":{"S":"%d"},"g2":{"S":"h"},"s2":{"S":"%d"},"blob":{"S":"%s"}}}`, i%5000, i, i, kilobyte)
		})
	})
	b.Run("sdk", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			put(b, c, benchItem(i))
		}
	})
}

func BenchmarkUpdateItem(b *testing.B) {
	e, _ := benchEngine(b)
	benchRaw(b, e, "UpdateItem", func(i int) string {
		return fmt.Sprintf(`{"TableName":"table","Key":{"pk":{"S":"p"},"sk":{"S":"%06d"}},"UpdateExpression":"ADD #c :one SET y = if_not_exists(y, :one)","ConditionExpression":"attribute_exists(pk)","ExpressionAttributeNames":{"#c":"count"},"ExpressionAttributeValues":{":one":{"N":"1"}}}`, i%200)
	})
}

func BenchmarkQuery(b *testing.B) {
	e, c := benchEngine(b)
	b.Run("engine/20", func(b *testing.B) {
		benchRaw(b, e, "Query", func(int) string {
			return `{"TableName":"table","Limit":20,"KeyConditionExpression":"pk = :p AND begins_with(sk, :s)","ExpressionAttributeValues":{":p":{"S":"p"},":s":{"S":"0000"}}}`
		})
	})
	b.Run("engine/20 filtered", func(b *testing.B) {
		benchRaw(b, e, "Query", func(int) string {
			return `{"TableName":"table","Limit":20,"KeyConditionExpression":"pk = :p","FilterExpression":"x <> :s","ExpressionAttributeValues":{":p":{"S":"p"},":s":{"S":"0000"}}}`
		})
	})
	b.Run("sdk/20", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out, err := c.Query(b.Context(), &sdk.QueryInput{TableName: aws.String("table"), Limit: aws.Int32(20),
				KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: attrs{":p": s("p")}})
			if err != nil || out.Count != 20 {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkTransactWrite(b *testing.B) {
	_, c := benchEngine(b)
	table := aws.String("table")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var actions []types.TransactWriteItem
		for k := range 3 {
			actions = append(actions, types.TransactWriteItem{Update: &types.Update{TableName: table, Key: attrs{"pk": s("p"), "sk": s(fmt.Sprintf("%06d", (i+k)%200))},
				UpdateExpression: aws.String("ADD #c :one"), ExpressionAttributeNames: map[string]string{"#c": "count"}, ExpressionAttributeValues: attrs{":one": n(1)}}})
		}
		if _, err := c.TransactWriteItems(b.Context(), &sdk.TransactWriteItemsInput{TransactItems: actions}); err != nil {
			b.Fatal(err)
		}
	}
}
