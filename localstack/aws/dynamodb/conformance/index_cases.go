package conformance

import (
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

// byIndex queries an index by the case's own index key. AWS's indexes lag; so
// the query is repeated until the index has as many items as the case expects.
func (e *Env) byIndex(t suite.T, index string, want int, change func(*dynamodb.QueryInput)) *dynamodb.QueryOutput {
	t.Helper()
	for try := 0; ; try++ {
		in := &dynamodb.QueryInput{TableName: e.table(tableMain), IndexName: &index,
			KeyConditionExpression: aws.String("g = :g"), ExpressionAttributeValues: attributes(item{":g": e.PK})}
		if change != nil {
			change(in)
		}
		out, err := e.Client.Query(t.Context(), in)
		ok(t, err)
		if len(out.Items) == want {
			return out
		}
		if try == 50 {
			t.Fatalf("index %s has %d items, want %d", index, len(out.Items), want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func indexCases() []Case {
	return []Case{
		{"index/is ordered by its sort key", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, []any{"1", "2", "3", "4"}, func(i int) item {
				return item{"g": e.PK, "gs": []string{"m", "a", "z", "m"}[i], "gn": []int{5, -1, 10, 9}[i]}
			})
			out := e.byIndex(t, "all", 4, nil)
			if got := column(out.Items, "gs"); fmt.Sprint(got) != "[a m m z]" {
				t.Fatalf("got %v", got)
			}
			wantColumn(t, e.byIndex(t, "keys", 4, nil).Items, "gn", -1, 5, 9, 10)
			wantColumn(t, e.byIndex(t, "keys", 4, func(in *dynamodb.QueryInput) { in.ScanIndexForward = aws.Bool(false) }).Items, "gn", 10, 9, 5, -1)
		}},
		{"index/is sparse", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, []any{"1", "2", "3"}, func(i int) item {
				return []item{{"g": e.PK, "gs": "a"}, {"g": e.PK}, {"gs": "b"}}[i]
			})
			wantColumn(t, e.byIndex(t, "all", 1, nil).Items, "sk", "1")
			e.byIndex(t, "some", 2, nil)
			e.byIndex(t, "keys", 0, nil)
		}},
		{"index/projections", func(t suite.T, e *Env) {
			e.put(t, item{"g": e.PK, "gs": "s", "gn": 1, "x": "x", "y": "y"})
			whole := e.key().with(item{"g": e.PK, "gs": "s", "gn": 1, "x": "x", "y": "y"})
			wantItem(t, plain(e.byIndex(t, "all", 1, nil).Items[0]), whole)
			wantItem(t, plain(e.byIndex(t, "keys", 1, nil).Items[0]), whole.without("gs", "x", "y"))
			wantItem(t, plain(e.byIndex(t, "some", 1, nil).Items[0]), whole.without("gs", "gn", "y"))
		}},
		{"index/follows updates and deletes", func(t suite.T, e *Env) {
			e.put(t, item{"g": e.PK, "gs": "a", "x": 1})
			e.byIndex(t, "all", 1, nil)
			update := func(u string, v item) {
				_, err := e.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: e.table(tableMain), Key: attributes(e.key()),
					UpdateExpression: &u, ExpressionAttributeValues: attributes(v)})
				ok(t, err)
			}
			update("SET gs = :v", item{":v": "b"})
			for try := 0; ; try++ {
				if out := e.byIndex(t, "all", 1, nil); plain(out.Items[0])["gs"] == "b" {
					break
				} else if try == 50 {
					t.Fatal("the index kept the old key")
				}
			}
			update("REMOVE gs", nil)
			e.byIndex(t, "all", 0, nil)
			e.byIndex(t, "some", 1, nil)
			_, err := e.Client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: e.table(tableMain), Key: attributes(e.key())})
			ok(t, err)
			e.byIndex(t, "some", 0, nil)
		}},
		{"index/pages through equal keys", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, []any{"1", "2", "3", "4", "5"}, func(int) item { return item{"g": e.PK, "gs": "same"} })
			e.byIndex(t, "all", 5, nil)
			var got []string
			var start map[string]types.AttributeValue
			for page := 0; page < 10; page++ {
				out, err := e.Client.Query(t.Context(), &dynamodb.QueryInput{TableName: e.table(tableMain), IndexName: aws.String("all"), Limit: aws.Int32(2),
					KeyConditionExpression: aws.String("g = :g AND gs = :s"), ExpressionAttributeValues: attributes(item{":g": e.PK, ":s": "same"}), ExclusiveStartKey: start})
				ok(t, err)
				for _, sk := range column(out.Items, "sk") {
					got = append(got, sk.(string))
				}
				if start = out.LastEvaluatedKey; start == nil {
					break
				}
				if key := plain(start); len(key) != 4 {
					t.Fatalf("LastEvaluatedKey %v, want the keys of table and index", key)
				}
			}
			slices.Sort(got)
			if fmt.Sprint(got) != "[1 2 3 4 5]" {
				t.Fatalf("got %v", got)
			}
		}},
		{"index/refuses what it cannot do", func(t suite.T, e *Env) {
			for name, change := range map[string]func(*dynamodb.QueryInput){
				"a consistent read":               func(in *dynamodb.QueryInput) { in.ConsistentRead = aws.Bool(true) },
				"an unknown index":                func(in *dynamodb.QueryInput) { in.IndexName = aws.String("nope") },
				"all attributes of KEYS_ONLY":     func(in *dynamodb.QueryInput) { in.Select = types.SelectAllAttributes },
				"an attribute it does not hold":   func(in *dynamodb.QueryInput) { in.ProjectionExpression = aws.String("x") },
				"the table's key":                 func(in *dynamodb.QueryInput) { in.KeyConditionExpression = aws.String("pk = :g") },
				"a start key without the table's": func(in *dynamodb.QueryInput) { in.ExclusiveStartKey = attributes(item{"g": e.PK, "gn": 1}) },
			} {
				in := &dynamodb.QueryInput{TableName: e.table(tableMain), IndexName: aws.String("keys"),
					KeyConditionExpression: aws.String("g = :g"), ExpressionAttributeValues: attributes(item{":g": e.PK})}
				change(in)
				if _, err := e.Client.Query(t.Context(), in); code(err) != invalid {
					t.Errorf("%s: %v", name, err)
				}
			}
		}},
		{"index/refuses index keys of the wrong type or empty", func(t suite.T, e *Env) {
			for _, it := range []item{{"g": 1}, {"g": ""}, {"gn": "x"}, {"gs": nil}} {
				_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: attributes(e.key().with(it))})
				wantCode(t, err, invalid)
			}
		}},
	}
}

// scanCases: the shared tables hold other cases' items, so scans filter for
// their own.
func scanCases() []Case {
	scan := func(t suite.T, e *Env, change func(*dynamodb.ScanInput)) (found []string) {
		t.Helper()
		in := &dynamodb.ScanInput{TableName: e.table(tableSingle), FilterExpression: aws.String("mine = :m"), ExpressionAttributeValues: attributes(item{":m": e.PK})}
		change(in)
		for page := 0; page < 1000; page++ {
			out, err := e.Client.Scan(t.Context(), in)
			ok(t, err)
			for _, pk := range column(out.Items, "pk") {
				found = append(found, pk.(string))
			}
			if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
				slices.Sort(found)
				return found
			}
		}
		t.Fatal("the scan does not end")
		return nil
	}
	fill := func(t suite.T, e *Env) (want []string) {
		t.Helper()
		for i := range 20 {
			pk := fmt.Sprintf("%s-%02d", e.PK, i)
			want = append(want, pk)
			_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableSingle), Item: attributes(item{"pk": pk, "mine": e.PK})})
			ok(t, err)
		}
		return want
	}
	return []Case{
		{"scan/finds everything in pages", func(t suite.T, e *Env) {
			want := fill(t, e)
			if got := scan(t, e, func(in *dynamodb.ScanInput) { in.Limit = aws.Int32(3) }); !slices.Equal(got, want) {
				t.Fatalf("got %v", got)
			}
		}},
		{"scan/segments together find everything once", func(t suite.T, e *Env) {
			want := fill(t, e)
			for _, total := range []int32{1, 3, 7} {
				var got []string
				for s := range total {
					got = append(got, scan(t, e, func(in *dynamodb.ScanInput) {
						in.Segment, in.TotalSegments, in.Limit = aws.Int32(s), aws.Int32(total), aws.Int32(4)
					})...)
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Fatalf("%d segments found %v", total, got)
				}
			}
		}},
		{"scan/of an index", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, []any{"1", "2"}, func(int) item { return item{"g": e.PK, "gs": "x"} })
			e.byIndex(t, "some", 2, nil)
			found := 0
			in := &dynamodb.ScanInput{TableName: e.table(tableMain), IndexName: aws.String("some"), FilterExpression: aws.String("pk = :p"), ExpressionAttributeValues: attributes(item{":p": e.PK})}
			for {
				out, err := e.Client.Scan(t.Context(), in)
				ok(t, err)
				found += int(out.Count)
				if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
					break
				}
			}
			if found != 2 {
				t.Fatalf("found %d items", found)
			}
		}},
		{"scan/refuses impossible segments", func(t suite.T, e *Env) {
			for _, c := range []struct{ segment, total *int32 }{
				{aws.Int32(0), nil}, {nil, aws.Int32(1)}, {aws.Int32(2), aws.Int32(2)}, {aws.Int32(-1), aws.Int32(2)}, {aws.Int32(0), aws.Int32(0)}, {aws.Int32(0), aws.Int32(1000001)},
			} {
				_, err := e.Client.Scan(t.Context(), &dynamodb.ScanInput{TableName: e.table(tableSingle), Segment: c.segment, TotalSegments: c.total})
				wantCode(t, err, invalid)
			}
		}},
		{"scan/refuses a consistent read of an index", func(t suite.T, e *Env) {
			_, err := e.Client.Scan(t.Context(), &dynamodb.ScanInput{TableName: e.table(tableMain), IndexName: aws.String("all"), ConsistentRead: aws.Bool(true)})
			wantCode(t, err, invalid)
		}},
	}
}
