package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

// own is a table of the case's own.
func (e *Env) own(t suite.T) *dynamodb.CreateTableInput {
	t.Helper()
	name := e.table(e.PK)
	t.Cleanup(func() {
		_, _ = e.Client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: name})
	})
	return &dynamodb.CreateTableInput{TableName: name, KeySchema: keys("pk", ""), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}}}
}

func (e *Env) create(t suite.T) *string {
	t.Helper()
	in := e.own(t)
	_, err := e.Client.CreateTable(t.Context(), in)
	ok(t, err)
	wait := dynamodb.NewTableExistsWaiter(e.Client, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond })
	ok(t, wait.Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: in.TableName}, time.Minute))
	return in.TableName
}

func tableCases() []Case {
	return append([]Case{
		{"table/is described as it was made", func(t suite.T, e *Env) {
			out, err := e.Client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: e.table(tableMain)})
			ok(t, err)
			d := out.Table
			if d.TableStatus != types.TableStatusActive || *d.TableName != *e.table(tableMain) || len(d.KeySchema) != 2 || len(d.AttributeDefinitions) != 5 || len(d.GlobalSecondaryIndexes) != 3 {
				t.Fatalf("%+v", d)
			}
			for _, ix := range d.GlobalSecondaryIndexes {
				if *ix.IndexName == "some" && (ix.Projection.ProjectionType != types.ProjectionTypeInclude || fmt.Sprint(ix.Projection.NonKeyAttributes) != "[x]") {
					t.Fatalf("%+v", ix.Projection)
				}
			}
			if d.BillingModeSummary == nil || d.BillingModeSummary.BillingMode != types.BillingModePayPerRequest {
				t.Fatalf("%+v", d.BillingModeSummary)
			}
		}},
		{"table/a second one of the same name is refused", func(t suite.T, e *Env) {
			e.create(t)
			_, err := e.Client.CreateTable(t.Context(), e.own(t))
			wantCode(t, err, "ResourceInUseException")
		}},
		{"table/what does not exist", func(t suite.T, e *Env) {
			_, err := e.Client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: e.table("nothing")})
			wantCode(t, err, notFound)
			_, err = e.Client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: e.table("nothing")})
			wantCode(t, err, notFound)
		}},
		{"table/a deleted one is gone with its items", func(t suite.T, e *Env) {
			name := e.create(t)
			_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: name, Item: attributes(item{"pk": "a"})})
			ok(t, err)
			_, err = e.Client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: name})
			ok(t, err)
			wait := dynamodb.NewTableNotExistsWaiter(e.Client, func(o *dynamodb.TableNotExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond })
			ok(t, wait.Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: name}, time.Minute))
			_, err = e.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: name, Key: attributes(item{"pk": "a"})})
			wantCode(t, err, notFound)
			e.create(t)
			out, err := e.Client.Scan(t.Context(), &dynamodb.ScanInput{TableName: name})
			ok(t, err)
			if out.Count != 0 {
				t.Fatalf("the new table has %d items", out.Count)
			}
		}},
		{"table/keeps the tags it was made with", func(t suite.T, e *Env) {
			in := e.own(t)
			in.Tags = []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
			out, err := e.Client.CreateTable(t.Context(), in)
			ok(t, err)
			tags, err := e.Client.ListTagsOfResource(t.Context(), &dynamodb.ListTagsOfResourceInput{ResourceArn: out.TableDescription.TableArn})
			ok(t, err)
			if len(tags.Tags) != 1 || *tags.Tags[0].Key != "k" || *tags.Tags[0].Value != "v" {
				t.Fatalf("got %v", tags.Tags)
			}
		}},
		{"table/lists in pages", func(t suite.T, e *Env) {
			var got []string
			in := &dynamodb.ListTablesInput{Limit: aws.Int32(2), ExclusiveStartTableName: aws.String(strings.TrimSuffix(e.Prefix, "-"))}
			for range 100 {
				out, err := e.Client.ListTables(t.Context(), in)
				ok(t, err)
				for _, name := range out.TableNames {
					if rest, ours := strings.CutPrefix(name, e.Prefix); ours && slices.Contains([]string{tableMain, tableNumber, tableBinary, tableSingle}, rest) {
						got = append(got, rest)
					}
				}
				if in.ExclusiveStartTableName = out.LastEvaluatedTableName; in.ExclusiveStartTableName == nil {
					break
				}
			}
			slices.Sort(got)
			if fmt.Sprint(got) != "[binary main number single]" {
				t.Fatalf("got %v", got)
			}
		}},
		{"table/time to live is off, then on, then off", func(t suite.T, e *Env) {
			name := e.create(t)
			status := func() types.TimeToLiveStatus {
				out, err := e.Client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: name})
				ok(t, err)
				return out.TimeToLiveDescription.TimeToLiveStatus
			}
			set := func(on bool) error {
				_, err := e.Client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: name,
					TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("ttl"), Enabled: &on}})
				return err
			}
			if s := status(); s != types.TimeToLiveStatusDisabled {
				t.Fatalf("status %s", s)
			}
			ok(t, set(true))
			if s := status(); s != types.TimeToLiveStatusEnabled {
				t.Fatalf("status %s", s)
			}
			wantCode(t, set(true), invalid)
		}},
	}, tableErrorCases()...)
}

func tableErrorCases() []Case {
	var cases []Case
	for name, change := range map[string]func(*dynamodb.CreateTableInput){
		"a short name":                 func(in *dynamodb.CreateTableInput) { in.TableName = aws.String("ab") },
		"a name with a space":          func(in *dynamodb.CreateTableInput) { in.TableName = aws.String("a b c") },
		"no key":                       func(in *dynamodb.CreateTableInput) { in.KeySchema = []types.KeySchemaElement{} },
		"a key without its definition": func(in *dynamodb.CreateTableInput) { in.KeySchema = keys("pk", "sk") },
		"a definition without its key": func(in *dynamodb.CreateTableInput) {
			in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String("x"), AttributeType: "S"})
		},
		"a key of a document type": func(in *dynamodb.CreateTableInput) { in.AttributeDefinitions[0].AttributeType = "M" },
		"one attribute for both keys": func(in *dynamodb.CreateTableInput) {
			in.KeySchema = keys("pk", "pk")
		},
		"an index without a projection": func(in *dynamodb.CreateTableInput) {
			in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{IndexName: aws.String("idx"), KeySchema: keys("pk", ""), Projection: &types.Projection{}}}
		},
		"an INCLUDE without attributes": func(in *dynamodb.CreateTableInput) {
			in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{IndexName: aws.String("idx"), KeySchema: keys("pk", ""), Projection: &types.Projection{ProjectionType: "INCLUDE"}}}
		},
		"two indexes of one name": func(in *dynamodb.CreateTableInput) {
			ix := types.GlobalSecondaryIndex{IndexName: aws.String("idx"), KeySchema: keys("pk", ""), Projection: &types.Projection{ProjectionType: "ALL"}}
			in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{ix, ix}
		},
	} {
		cases = append(cases, Case{"table/refuses " + name, func(t suite.T, e *Env) {
			in := e.own(t)
			change(in)
			_, err := e.Client.CreateTable(t.Context(), in)
			wantCode(t, err, invalid)
		}})
	}
	slices.SortFunc(cases, func(a, b Case) int { return strings.Compare(a.Name, b.Name) })
	return cases
}

// capacityCases: the figures by the rules of AWS's documentation. A referee
// that counts otherwise lists them as known differences.
func capacityCases() []Case {
	units := func(c *types.ConsumedCapacity) float64 {
		if c == nil || c.CapacityUnits == nil {
			return -1
		}
		return *c.CapacityUnits
	}
	want := func(t suite.T, c *types.ConsumedCapacity, n float64) {
		t.Helper()
		if got := units(c); got != n {
			t.Fatalf("%v units, want %v", got, n)
		}
	}
	const total = types.ReturnConsumedCapacityTotal
	big := strings.Repeat("x", 9000)
	return []Case{
		{"capacity/writes count begun KB", func(t suite.T, e *Env) {
			out, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: attributes(e.key()), ReturnConsumedCapacity: total})
			ok(t, err)
			want(t, out.ConsumedCapacity, 1)
			out, err = e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: attributes(e.key().with(item{"v": big})), ReturnConsumedCapacity: total})
			ok(t, err)
			want(t, out.ConsumedCapacity, 9)
			del, err := e.Client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: e.table(tableMain), Key: attributes(e.key()), ReturnConsumedCapacity: total})
			ok(t, err)
			want(t, del.ConsumedCapacity, 9)
		}},
		{"capacity/reads count begun 4 KB, half if eventually consistent", func(t suite.T, e *Env) {
			e.put(t, item{"v": big})
			for consistent, n := range map[bool]float64{true: 3, false: 1.5} {
				out, err := e.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: e.table(tableMain), Key: attributes(e.key()), ConsistentRead: &consistent, ReturnConsumedCapacity: total})
				ok(t, err)
				want(t, out.ConsumedCapacity, n)
			}
			out, err := e.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: e.table(tableMain), Key: attributes(item{"pk": e.PK, "sk": "none"}), ReturnConsumedCapacity: total})
			ok(t, err)
			want(t, out.ConsumedCapacity, 0.5)
		}},
		{"capacity/a query rounds its whole page", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, anyRange(10), nil)
			out, err := e.Client.Query(t.Context(), &dynamodb.QueryInput{TableName: e.table(tableMain), KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: attributes(item{":p": e.PK}), ReturnConsumedCapacity: total})
			ok(t, err)
			want(t, out.ConsumedCapacity, 0.5)
		}},
		{"capacity/each index write counts", func(t suite.T, e *Env) {
			put := func(it item) *types.ConsumedCapacity {
				out, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: attributes(e.key().with(it)), ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes})
				ok(t, err)
				return out.ConsumedCapacity
			}
			c := put(item{"g": e.PK, "gs": "a", "gn": 1})
			want(t, c, 4)
			if len(c.GlobalSecondaryIndexes) != 3 || c.Table == nil || *c.Table.CapacityUnits != 1 {
				t.Fatalf("%+v", c)
			}
			want(t, put(item{"g": e.PK, "gs": "b", "gn": 1}), 3) // a moved key: delete and put; the other two indexes do not change
		}},
		{"capacity/transactions count twice", func(t suite.T, e *Env) {
			out, err := e.Client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{ReturnConsumedCapacity: total,
				TransactItems: []types.TransactWriteItem{e.txPut("a", nil, ""), e.txPut("b", nil, "")}})
			ok(t, err)
			want(t, &out.ConsumedCapacity[0], 4)
			get, err := e.Client.TransactGetItems(t.Context(), &dynamodb.TransactGetItemsInput{ReturnConsumedCapacity: total,
				TransactItems: []types.TransactGetItem{{Get: &types.Get{TableName: e.table(tableMain), Key: attributes(item{"pk": e.PK, "sk": "a"})}}}})
			ok(t, err)
			want(t, &get.ConsumedCapacity[0], 2)
		}},
		{"capacity/NONE and nothing give none", func(t suite.T, e *Env) {
			out, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: attributes(e.key()), ReturnConsumedCapacity: types.ReturnConsumedCapacityNone})
			ok(t, err)
			if out.ConsumedCapacity != nil {
				t.Fatalf("%+v", out.ConsumedCapacity)
			}
		}},
	}
}

// limitCases: sizes at their limits.
func limitCases() []Case {
	put := func(t suite.T, e *Env, it item) error {
		t.Helper()
		_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: attributes(it)})
		return err
	}
	return []Case{
		{"limit/an item of 400 KB", func(t suite.T, e *Env) {
			overhead := len("pk") + len(e.PK) + len("sk") + len("s") + len("v")
			ok(t, put(t, e, e.key().with(item{"v": strings.Repeat("x", 400*1024-overhead)})))
			wantCode(t, put(t, e, e.key().with(item{"v": strings.Repeat("x", 400*1024-overhead+1)})), invalid)
		}},
		{"limit/an update may not grow an item beyond 400 KB", func(t suite.T, e *Env) {
			ok(t, put(t, e, e.key().with(item{"v": strings.Repeat("x", 399*1024)})))
			_, err := e.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: e.table(tableMain), Key: attributes(e.key()),
				UpdateExpression: aws.String("SET w = :w"), ExpressionAttributeValues: attributes(item{":w": strings.Repeat("y", 2048)})})
			wantCode(t, err, invalid)
		}},
		{"limit/key sizes", func(t suite.T, e *Env) {
			ok(t, put(t, e, item{"pk": e.PK + strings.Repeat("x", 2048-len(e.PK)), "sk": strings.Repeat("s", 1024)}))
			wantCode(t, put(t, e, item{"pk": e.PK + strings.Repeat("x", 2049-len(e.PK)), "sk": "s"}), invalid)
			wantCode(t, put(t, e, item{"pk": e.PK, "sk": strings.Repeat("s", 1025)}), invalid)
		}},
		{"limit/a page of 1 MB", func(t suite.T, e *Env) {
			e.fill(t, tableMain, e.PK, anyRange(6), func(int) item { return item{"v": strings.Repeat("x", 300*1024)} })
			in := &dynamodb.QueryInput{TableName: e.table(tableMain), KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: attributes(item{":p": e.PK})}
			var pages []int32
			for range 10 {
				out, err := e.Client.Query(t.Context(), in)
				ok(t, err)
				if out.Count > 0 {
					pages = append(pages, out.Count)
				}
				if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
					break
				}
			}
			total := int32(0)
			for _, n := range pages {
				total += n
			}
			if total != 6 || len(pages) != 2 {
				t.Fatalf("pages of %v items", pages)
			}
		}},
		{"limit/4 MB in a transaction", func(t suite.T, e *Env) {
			var actions []types.TransactWriteItem
			for i := range 11 {
				actions = append(actions, e.txPut(fmt.Sprint(i), item{"v": strings.Repeat("x", 395*1024)}, ""))
			}
			wantCode(t, e.transact(t, "", actions...), invalid)
		}},
	}
}

// placeholderCases: ExpressionAttributeNames and -Values themselves.
func placeholderCases() []Case {
	var cases []Case
	for _, c := range []struct {
		name       string
		cond       string
		names      map[string]string
		values     item
		wantsError bool
	}{
		{"all used", "#a = :v OR #b = :w", names("#a=a #b=b"), item{":v": 1, ":w": 2}, false},
		{"an unused name", "a = :v", names("#a=a"), item{":v": 1}, true},
		{"an unused value", "a = :v", nil, item{":v": 1, ":w": 2}, true},
		{"names without an expression", "", names("#a=a"), nil, true},
		{"values without an expression", "", nil, item{":v": 1}, true},
		{"a name without its mark", "attribute_not_exists(#a)", names("a=a #a=a"), nil, true},
		{"a value without its mark", "attribute_not_exists(a) OR a = :v", nil, item{"v": 1, ":v": 1}, true},
		{"a name with a bad character", "attribute_not_exists(#a)", names("#a-b=a #a=a"), nil, true},
		{"empty names", "attribute_not_exists(a)", map[string]string{}, nil, true},
		{"empty values", "attribute_not_exists(a)", nil, item{}, true},
		{"two names for one attribute", "attribute_not_exists(#a) AND attribute_not_exists(#b)", names("#a=x #b=x"), nil, false},
		{"a name with digits and underscores", "attribute_not_exists(#1_a)", names("#1_a=x"), nil, false},
	} {
		cases = append(cases, Case{"placeholder/" + c.name, func(t suite.T, e *Env) {
			e.put(t, item{"a": 1})
			_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: attributes(e.key()),
				ConditionExpression: expr(c.cond), ExpressionAttributeNames: c.names, ExpressionAttributeValues: attributes(c.values)})
			want := ""
			if c.wantsError {
				want = invalid
			}
			wantCode(t, err, want)
		}})
	}
	for _, word := range []string{"abort", "Zone", "NAME", "ttl", "data", "status", "varchar"} {
		cases = append(cases, Case{"placeholder/the reserved word " + word, func(t suite.T, e *Env) {
			_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: attributes(e.key()),
				ConditionExpression: aws.String("attribute_not_exists(" + word + ")")})
			wantCode(t, err, invalid)
			_, err = e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: attributes(e.key()),
				ConditionExpression: aws.String("attribute_not_exists(#w)"), ExpressionAttributeNames: map[string]string{"#w": word}})
			ok(t, err)
		}})
	}
	return cases
}
