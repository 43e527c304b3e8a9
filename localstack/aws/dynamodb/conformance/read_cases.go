package conformance

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

func failedItem(t suite.T, err error) item {
	t.Helper()
	var e *types.ConditionalCheckFailedException
	if !errors.As(err, &e) {
		t.Fatalf("no ConditionalCheckFailedException: %v", err)
	}
	return plain(e.Item)
}

// projectionCases: what a projection picks out of an item, and what it
// refuses (want nil).
func projectionCases() []Case {
	doc := item{"a": 1, "b": "x", "m": item{"x": 1, "y": item{"z": 2}}, "l": list{0, 1, item{"k": 5, "j": 6}}, "name": "n"}
	var cases []Case
	for _, c := range []struct {
		projection, names string
		want              item
		code              string
	}{
		{"a", "", item{"a": 1}, ""},
		{"a, b", "", item{"a": 1, "b": "x"}, ""},
		{"nope", "", item{}, ""},
		{"m.x", "", item{"m": item{"x": 1}}, ""},
		{"m.x, m.y.z", "", item{"m": item{"x": 1, "y": item{"z": 2}}}, ""},
		{"m.nope", "", item{}, ""},
		{"l[1]", "", item{"l": list{1}}, ""},
		{"l[2].k, l[0]", "", item{"l": list{0, item{"k": 5}}}, ""},
		{"l[9]", "", item{}, ""},
		{"#n", "#n=name", item{"name": "n"}, ""},
		{"#m.#y.z", "#m=m #y=y", item{"m": item{"y": item{"z": 2}}}, ""},
		{"a.x", "", item{}, ""},
		{"name", "", nil, invalid},
		{"a, a", "", nil, invalid},
		{"m, m.x", "", nil, invalid},
		{"m.x, m", "", nil, invalid},
		{"l[0], l.x", "", nil, invalid},
		{"a,", "", nil, invalid},
		{"a b", "", nil, invalid},
		{":v", "", nil, invalid},
		{"#undefined", "", nil, invalid},
		{"size(a)", "", nil, invalid},
		{"", "", nil, invalid},
	} {
		cases = append(cases, Case{"projection/" + c.projection, func(t suite.T, e *Env) {
			e.put(t, doc)
			out, err := e.Client.GetItem(t.Context(), &dynamodb.GetItemInput{
				TableName: e.table(tableMain), Key: attributes(e.key()), ProjectionExpression: &c.projection, ExpressionAttributeNames: names(c.names)})
			wantCode(t, err, c.code)
			if c.code == "" {
				wantItem(t, plain(out.Item), c.want)
			}
		}})
	}
	return append(cases,
		Case{"get/an absent item", func(t suite.T, e *Env) {
			if got := e.get(t); got != nil {
				t.Fatalf("got %v", got)
			}
		}},
		Case{"get/refuses keys that do not fit the schema", func(t suite.T, e *Env) {
			for _, key := range []item{{"pk": e.PK}, {"pk": e.PK, "sk": 1}, {"pk": e.PK, "sk": "s", "x": 1}, {"pk": e.PK, "x": "s"}, {"pk": "", "sk": "s"}, {"pk": e.PK, "sk": ""}} {
				_, err := e.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: e.table(tableMain), Key: attributes(key)})
				wantCode(t, err, invalid)
			}
		}},
		Case{"get/a table that does not exist", func(t suite.T, e *Env) {
			_, err := e.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: e.table("nothing"), Key: attributes(e.key())})
			wantCode(t, err, notFound)
		}},
		Case{"put/refuses items without their key", func(t suite.T, e *Env) {
			for _, it := range []item{{"pk": e.PK}, {"sk": "s"}, {"pk": 1, "sk": "s"}, {"pk": e.PK, "sk": ""}} {
				_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: attributes(it)})
				wantCode(t, err, invalid)
			}
		}},
	)
}

// fill stores items with the given sort keys in one of the tables.
func (e *Env) fill(t suite.T, table string, pk any, sorts []any, more func(i int) item) {
	t.Helper()
	for i, s := range sorts {
		it := item{"pk": pk, "sk": s, "i": i}
		if more != nil {
			it = it.with(more(i))
		}
		_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(table), Item: attributes(it)})
		ok(t, err)
	}
}

func column(items []map[string]types.AttributeValue, name string) (out []any) {
	for _, it := range items {
		out = append(out, plain(it)[name])
	}
	return out
}

func wantColumn(t suite.T, items []map[string]types.AttributeValue, name string, want ...any) { //nolint:goprintffuncname
	t.Helper()
	if got := fmt.Sprint(column(items, name)); got != fmt.Sprint([]any(want)) { //nolint:unconvert // vet would take it for a forgotten ...
		t.Fatalf("%s: got %v, want %v", name, got, want)
	}
}

// queryCases: key conditions and the order of sort keys.
func queryCases() []Case {
	strs := []any{"b", "a", "ab", "abc", "B", "a\x00", "é", "b!"}
	nums := []any{num("10"), num("9"), num("-1"), num("-10"), num("0"), num("1.5"), num("1.25"), num("1E20"), num("-1E-5"), num("0.001")}
	var cases []Case
	for _, c := range []struct {
		cond   string
		values item
		want   []any
	}{
		{"pk = :p", item{}, []any{"B", "a", "a\x00", "ab", "abc", "b", "b!", "é"}},
		{"pk = :p AND sk = :a", item{":a": "ab"}, []any{"ab"}},
		{"sk = :a AND pk = :p", item{":a": "ab"}, []any{"ab"}},
		{"pk = :p AND sk < :a", item{":a": "ab"}, []any{"B", "a", "a\x00"}},
		{"pk = :p AND sk <= :a", item{":a": "ab"}, []any{"B", "a", "a\x00", "ab"}},
		{"pk = :p AND sk > :a", item{":a": "abc"}, []any{"b", "b!", "é"}},
		{"pk = :p AND sk >= :a", item{":a": "abc"}, []any{"abc", "b", "b!", "é"}},
		{"pk = :p AND sk BETWEEN :a AND :b", item{":a": "a", ":b": "ab"}, []any{"a", "a\x00", "ab"}},
		{"pk = :p AND begins_with(sk, :a)", item{":a": "ab"}, []any{"ab", "abc"}},
		{"pk = :p AND begins_with(sk, :a)", item{":a": "a"}, []any{"a", "a\x00", "ab", "abc"}},
		{"(pk = :p) AND (sk = :a)", item{":a": "b"}, []any{"b"}},
		{":p = pk AND :a > sk", item{":a": "a"}, []any{"B"}},
		{"pk = :p AND sk = :a", item{":a": "nope"}, nil},
	} {
		cases = append(cases, Case{"query/" + c.cond + " " + formatItem(c.values), func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, strs, nil)
			for _, forward := range []bool{true, false} {
				out, err := e.Client.Query(t.Context(), &dynamodb.QueryInput{
					TableName: e.table(tableMain), KeyConditionExpression: &c.cond, ScanIndexForward: &forward,
					ExpressionAttributeValues: attributes(c.values.with(item{":p": e.PK}))})
				ok(t, err)
				want := append([]any(nil), c.want...)
				if !forward {
					for i, j := 0, len(want)-1; i < j; i, j = i+1, j-1 {
						want[i], want[j] = want[j], want[i]
					}
				}
				wantColumn(t, out.Items, "sk", want...)
				if out.Count != int32(len(want)) || out.LastEvaluatedKey != nil {
					t.Fatalf("Count %d, LastEvaluatedKey %v", out.Count, out.LastEvaluatedKey)
				}
			}
		}})
	}
	cases = append(cases, Case{"query/numeric order", func(t suite.T, e *Env) {
		e.fill(t, tableNumber, e.PK, nums, nil)
		out, err := e.Client.Query(t.Context(), &dynamodb.QueryInput{TableName: e.table(tableNumber),
			KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: attributes(item{":p": e.PK})})
		ok(t, err)
		wantColumn(t, out.Items, "i", 3, 2, 8, 4, 9, 6, 5, 1, 0, 7)
		out, err = e.Client.Query(t.Context(), &dynamodb.QueryInput{TableName: e.table(tableNumber),
			KeyConditionExpression: aws.String("pk = :p AND sk BETWEEN :a AND :b"), ExpressionAttributeValues: attributes(item{":p": e.PK, ":a": num("-1.0"), ":b": num("1.25")})})
		ok(t, err)
		wantColumn(t, out.Items, "i", 2, 8, 4, 9, 6)
	}}, Case{"query/binary order is unsigned", func(t suite.T, e *Env) {
		e.fill(t, tableBinary, []byte(e.PK), []any{[]byte{0xff}, []byte{0}, []byte{0, 0}, []byte{0x7f}, []byte{0, 0xff}, []byte{1}}, nil)
		out, err := e.Client.Query(t.Context(), &dynamodb.QueryInput{TableName: e.table(tableBinary),
			KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: attributes(item{":p": []byte(e.PK)})})
		ok(t, err)
		wantColumn(t, out.Items, "i", 1, 2, 4, 5, 3, 0)
	}})
	return append(append(cases, queryErrorCases()...), pagingCases()...)
}

func queryErrorCases() []Case {
	var cases []Case
	for _, c := range []struct {
		cond   string
		values item
	}{
		{"", nil},
		{" ", nil},
		{"sk = :a", item{":a": "x"}},
		{"pk > :a", item{":a": "x"}},
		{"pk = :a OR sk = :a", item{":a": "x"}},
		{"NOT pk = :a", item{":a": "x"}},
		{"pk = :a AND sk <> :a", item{":a": "x"}},
		{"pk = :a AND sk IN (:a)", item{":a": "x"}},
		{"pk = :a AND other = :a", item{":a": "x"}},
		{"pk = :a AND sk = :a AND sk = :a", item{":a": "x"}},
		{"pk = :a AND pk = :b", item{":a": "x", ":b": "y"}},
		{"pk = :a AND contains(sk, :a)", item{":a": "x"}},
		{"pk = :a AND attribute_exists(sk)", item{":a": "x"}},
		{"pk = :a", item{":a": 1}},
		{"pk = :a AND sk = :b", item{":a": "x", ":b": 1}},
		{"pk = :a AND sk BETWEEN :c AND :b", item{":a": "x", ":b": "a", ":c": "b"}},
		{"pk = :a AND sk BETWEEN :b AND :c", item{":a": "x", ":b": "a", ":c": 1}},
		{"pk = :a AND begins_with(sk, :b)", item{":a": "x", ":b": 1}},
		{"pk = :a AND size(sk) = :b", item{":a": "x", ":b": 1}},
		{"begins_with(pk, :a)", item{":a": "x"}},
		{"pk = :a", item{":a": ""}},
		{"pk = :a AND begins_with(sk, :b)", item{":a": "x", ":b": ""}},
		{"pk = :a AND sk > :b", item{":a": "x", ":b": ""}},
		{"((pk = :a))", item{":a": "x"}},
		{"pk = sk", nil},
		{"pk = :missing", nil},
		{"pk = :a AND", item{":a": "x"}},
	} {
		cases = append(cases, Case{"query/refuses " + c.cond + " " + formatItem(c.values), func(t suite.T, e *Env) {
			in := &dynamodb.QueryInput{TableName: e.table(tableMain), KeyConditionExpression: expr(c.cond), ExpressionAttributeValues: attributes(c.values)}
			_, err := e.Client.Query(t.Context(), in)
			wantCode(t, err, invalid)
		}})
	}
	return cases
}

func pagingCases() []Case {
	query := func(t suite.T, e *Env, change func(*dynamodb.QueryInput)) (*dynamodb.QueryOutput, error) {
		t.Helper()
		in := &dynamodb.QueryInput{TableName: e.table(tableMain), KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: attributes(item{":p": e.PK})}
		change(in)
		return e.Client.Query(t.Context(), in)
	}
	sorts := []any{"a", "b", "c", "d", "e"}
	return []Case{
		{"paging/pages of two, both ways", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, sorts, nil)
			for _, forward := range []bool{true, false} {
				var got []any
				var start map[string]types.AttributeValue
				for page := 0; ; page++ {
					out, err := query(t, e, func(in *dynamodb.QueryInput) {
						in.Limit, in.ScanIndexForward, in.ExclusiveStartKey = aws.Int32(2), &forward, start
					})
					ok(t, err)
					got = append(got, column(out.Items, "sk")...)
					if start = out.LastEvaluatedKey; start == nil {
						break
					}
					if page > 5 {
						t.Fatal("the pages do not end")
					}
				}
				want := "[a b c d e]"
				if !forward {
					want = "[e d c b a]"
				}
				if fmt.Sprint(got) != want {
					t.Fatalf("got %v, want %s", got, want)
				}
			}
		}},
		{"paging/a full last page still has a LastEvaluatedKey", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, sorts, nil)
			out, err := query(t, e, func(in *dynamodb.QueryInput) { in.Limit = aws.Int32(5) })
			ok(t, err)
			wantItem(t, plain(out.LastEvaluatedKey), item{"pk": e.PK, "sk": "e"})
		}},
		{"paging/no LastEvaluatedKey when the limit is not reached", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, sorts, nil)
			out, err := query(t, e, func(in *dynamodb.QueryInput) { in.Limit = aws.Int32(6) })
			ok(t, err)
			wantItem(t, plain(out.LastEvaluatedKey), nil)
		}},
		{"paging/starts behind a key that does not exist", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, sorts, nil)
			out, err := query(t, e, func(in *dynamodb.QueryInput) { in.ExclusiveStartKey = attributes(item{"pk": e.PK, "sk": "bb"}) })
			ok(t, err)
			wantColumn(t, out.Items, "sk", "c", "d", "e")
		}},
		{"paging/refuses a start key of another form", func(t suite.T, e *Env) {
			for _, key := range []item{{"pk": e.PK}, {"pk": e.PK, "sk": 1}, {"pk": e.PK, "sk": "a", "x": "y"}} {
				_, err := query(t, e, func(in *dynamodb.QueryInput) { in.ExclusiveStartKey = attributes(key) })
				wantCode(t, err, invalid)
			}
		}},
		{"paging/refuses a start key of another partition", func(t suite.T, e *Env) {
			_, err := query(t, e, func(in *dynamodb.QueryInput) { in.ExclusiveStartKey = attributes(item{"pk": "other", "sk": "a"}) })
			wantCode(t, err, invalid)
		}},
		{"paging/refuses a start key outside the range", func(t suite.T, e *Env) {
			_, err := query(t, e, func(in *dynamodb.QueryInput) {
				in.KeyConditionExpression = aws.String("pk = :p AND sk > :s")
				in.ExpressionAttributeValues = attributes(item{":p": e.PK, ":s": "m"})
				in.ExclusiveStartKey = attributes(item{"pk": e.PK, "sk": "a"})
			})
			wantCode(t, err, invalid)
		}},
		{"paging/refuses a limit of zero", func(t suite.T, e *Env) {
			_, err := query(t, e, func(in *dynamodb.QueryInput) { in.Limit = aws.Int32(0) })
			wantCode(t, err, invalid)
		}},
		{"paging/Select COUNT", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, sorts, nil)
			out, err := query(t, e, func(in *dynamodb.QueryInput) { in.Select = types.SelectCount })
			ok(t, err)
			if out.Count != 5 || out.ScannedCount != 5 || len(out.Items) != 0 {
				t.Fatalf("Count %d ScannedCount %d, %d items", out.Count, out.ScannedCount, len(out.Items))
			}
		}},
		{"paging/Select SPECIFIC_ATTRIBUTES with a projection", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, sorts[:1], nil)
			out, err := query(t, e, func(in *dynamodb.QueryInput) {
				in.Select, in.ProjectionExpression = types.SelectSpecificAttributes, aws.String("i")
			})
			ok(t, err)
			wantItem(t, plain(out.Items[0]), item{"i": 0})
		}},
		{"paging/refuses Select without its projection, and the reverse", func(t suite.T, e *Env) {
			_, err := query(t, e, func(in *dynamodb.QueryInput) { in.Select = types.SelectSpecificAttributes })
			wantCode(t, err, invalid)
			_, err = query(t, e, func(in *dynamodb.QueryInput) {
				in.Select, in.ProjectionExpression = types.SelectCount, aws.String("i")
			})
			wantCode(t, err, invalid)
			_, err = query(t, e, func(in *dynamodb.QueryInput) { in.Select = types.SelectAllProjectedAttributes })
			wantCode(t, err, invalid)
		}},
	}
}

// filterCases: filters of Query.
func filterCases() []Case {
	sorts := []any{"a", "b", "c", "d", "e"}
	query := func(t suite.T, e *Env, filter string, values item, limit int32) (*dynamodb.QueryOutput, error) {
		t.Helper()
		in := &dynamodb.QueryInput{TableName: e.table(tableMain), KeyConditionExpression: aws.String("pk = :p"), FilterExpression: &filter,
			ExpressionAttributeValues: attributes(values.with(item{":p": e.PK}))}
		if limit > 0 {
			in.Limit = &limit
		}
		return e.Client.Query(t.Context(), in)
	}
	return []Case{
		{"filter/counts what it drops", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, sorts, nil)
			out, err := query(t, e, "i >= :n", item{":n": 3}, 0)
			ok(t, err)
			wantColumn(t, out.Items, "sk", "d", "e")
			if out.Count != 2 || out.ScannedCount != 5 {
				t.Fatalf("Count %d ScannedCount %d", out.Count, out.ScannedCount)
			}
		}},
		{"filter/the limit applies before the filter", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, sorts, nil)
			out, err := query(t, e, "i >= :n", item{":n": 3}, 2)
			ok(t, err)
			if out.Count != 0 || out.ScannedCount != 2 {
				t.Fatalf("Count %d ScannedCount %d", out.Count, out.ScannedCount)
			}
			wantItem(t, plain(out.LastEvaluatedKey), item{"pk": e.PK, "sk": "b"})
		}},
		{"filter/refuses key attributes in a Query", func(t suite.T, e *Env) {
			for _, f := range []string{"sk = :x", "pk = :x", "attribute_exists(sk)", "i = :x OR begins_with(sk, :x)"} {
				values := item{":x": "x"}
				if f == "attribute_exists(sk)" {
					values = item{}
				}
				_, err := query(t, e, f, values, 0)
				wantCode(t, err, invalid)
			}
		}},
		{"filter/refuses a broken filter", func(t suite.T, e *Env) {
			_, err := query(t, e, "i >=", item{}, 0)
			wantCode(t, err, invalid)
		}},
	}
}
