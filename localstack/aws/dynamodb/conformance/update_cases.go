package conformance

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

type updateCase struct {
	name   string
	before item // nil: the item does not exist
	update string
	values item
	names  string
	after  item
}

// updateCases: what an item is after an update.
func updateCases() []Case {
	var cases []Case
	for _, c := range []updateCase{
		{"sets an attribute", item{"a": 1}, "SET b = :v", item{":v": 2}, "", item{"a": 1, "b": 2}},
		{"creates an item", nil, "SET b = :v", item{":v": 2}, "", item{"b": 2}},
		{"sets from another attribute", item{"a": 1}, "SET b = a", nil, "", item{"a": 1, "b": 1}},
		{"computes every right side from the old item", item{"a": 1, "b": 2}, "SET a = b, b = a", nil, "", item{"a": 2, "b": 1}},
		{"removes and uses in one expression", item{"a": 1}, "SET b = a REMOVE a", nil, "", item{"b": 1}},
		{"adds with +", item{"a": 1}, "SET a = a + :v", item{":v": 2}, "", item{"a": 3}},
		{"subtracts with -", item{"a": 1}, "SET a = a - :v", item{":v": 2}, "", item{"a": -1}},
		{"adds fractions exactly", item{"a": num("0.1")}, "SET a = a + :v", item{":v": num("0.2")}, "", item{"a": num("0.3")}},
		{"adds long numbers exactly", item{"a": num("12345678901234567890123456789012345678")}, "SET a = a + :v", item{":v": 1}, "", item{"a": num("12345678901234567890123456789012345679")}},
		{"adds two values", item{}, "SET a = :v + :w", item{":v": 1, ":w": 2}, "", item{"a": 3}},
		{"subtracts from a value", item{"a": 1}, "SET a = :v - a", item{":v": 10}, "", item{"a": 9}},
		{"if_not_exists takes the default", item{}, "SET a = if_not_exists(a, :v)", item{":v": 2}, "", item{"a": 2}},
		{"if_not_exists keeps what is there", item{"a": 1}, "SET a = if_not_exists(a, :v)", item{":v": 2}, "", item{"a": 1}},
		{"if_not_exists of another path", item{"b": 1}, "SET a = if_not_exists(b, :v)", item{":v": 2}, "", item{"a": 1, "b": 1}},
		{"if_not_exists as a counter", nil, "SET a = if_not_exists(a, :z) + :one", item{":z": 0, ":one": 1}, "", item{"a": 1}},
		{"if_not_exists falls back to a path", item{"b": 3}, "SET a = if_not_exists(a, b)", nil, "", item{"a": 3, "b": 3}},
		{"list_append at the end", item{"l": list{1}}, "SET l = list_append(l, :v)", item{":v": list{2}}, "", item{"l": list{1, 2}}},
		{"list_append at the front", item{"l": list{1}}, "SET l = list_append(:v, l)", item{":v": list{2}}, "", item{"l": list{2, 1}}},
		{"list_append with if_not_exists", item{}, "SET l = list_append(if_not_exists(l, :e), :v)", item{":e": list{}, ":v": list{1}}, "", item{"l": list{1}}},
		{"sets inside a map", item{"m": item{"a": 1}}, "SET m.b = :v", item{":v": 2}, "", item{"m": item{"a": 1, "b": 2}}},
		{"sets a list element", item{"l": list{1, 2}}, "SET l[1] = :v", item{":v": 9}, "", item{"l": list{1, 9}}},
		{"sets beyond the end: appends", item{"l": list{1}}, "SET l[9] = :v", item{":v": 2}, "", item{"l": list{1, 2}}},
		{"sets two beyond the end in index order", item{"l": list{1}}, "SET l[9] = :v, l[5] = :w", item{":v": 2, ":w": 3}, "", item{"l": list{1, 3, 2}}},
		{"sets deep inside documents", item{"l": list{item{"m": list{1}}}}, "SET l[0].m[0] = :v", item{":v": "x"}, "", item{"l": list{item{"m": list{"x"}}}}},
		{"sets through names", item{"status": item{"x.y": 1}}, "SET #s.#x = :v", item{":v": 2}, "#s=status #x=x.y", item{"status": item{"x.y": 2}}},
		{"changes the type", item{"a": 1}, "SET a = :v", item{":v": list{}}, "", item{"a": list{}}},
		{"removes an attribute", item{"a": 1, "b": 2}, "REMOVE a", nil, "", item{"b": 2}},
		{"removes nothing if absent", item{"b": 2}, "REMOVE a", nil, "", item{"b": 2}},
		{"removes a map's member", item{"m": item{"a": 1, "b": 2}}, "REMOVE m.a", nil, "", item{"m": item{"b": 2}}},
		{"removes list elements by their old indexes", item{"l": list{0, 1, 2, 3, 4}}, "REMOVE l[1], l[3]", nil, "", item{"l": list{0, 2, 4}}},
		{"removes list elements in any order", item{"l": list{0, 1, 2, 3, 4}}, "REMOVE l[3], l[0]", nil, "", item{"l": list{1, 2, 4}}},
		{"removes beyond the end: nothing", item{"l": list{1}}, "REMOVE l[5]", nil, "", item{"l": list{1}}},
		{"sets and removes elements of one list", item{"l": list{0, 1, 2}}, "SET l[2] = :v REMOVE l[0]", item{":v": 9}, "", item{"l": list{1, 9}}},
		{"ADD to a number", item{"a": 1}, "ADD a :v", item{":v": 2}, "", item{"a": 3}},
		{"ADD a negative number", item{"a": 1}, "ADD a :v", item{":v": -2}, "", item{"a": -1}},
		{"ADD to an absent number", nil, "ADD a :v", item{":v": 2}, "", item{"a": 2}},
		{"ADD to a string set", item{"s": strSet{"a"}}, "ADD s :v", item{":v": strSet{"a", "b"}}, "", item{"s": strSet{"a", "b"}}},
		{"ADD to an absent set", item{}, "ADD s :v", item{":v": numSet{"1"}}, "", item{"s": numSet{"1"}}},
		{"ADD to a nested number", item{"m": item{"a": 1}}, "ADD m.a :v", item{":v": 2}, "", item{"m": item{"a": 3}}},
		{"DELETE from a set", item{"s": strSet{"a", "b", "c"}}, "DELETE s :v", item{":v": strSet{"b", "x"}}, "", item{"s": strSet{"a", "c"}}},
		{"DELETE the last element removes the set", item{"s": strSet{"a"}}, "DELETE s :v", item{":v": strSet{"a"}}, "", item{}},
		{"DELETE from an absent set", item{"a": 1}, "DELETE s :v", item{":v": strSet{"a"}}, "", item{"a": 1}},
		{"all four sections", item{"a": 1, "b": 2, "n": 3, "s": strSet{"x", "y"}}, "SET a = :a REMOVE b ADD n :n DELETE s :s",
			item{":a": 9, ":n": 1, ":s": strSet{"x"}}, "", item{"a": 9, "n": 4, "s": strSet{"y"}}},
		{"sections in any order and case", item{"a": 1, "n": 1}, "add n :n remove a set b = :b", item{":n": 1, ":b": 2}, "", item{"n": 2, "b": 2}},
		{"parentheses around an operand", item{"a": 1}, "SET b = (a) + (:v)", item{":v": 1}, "", item{"a": 1, "b": 2}},
		{"parentheses around a sum", item{"a": 1}, "SET b = (a + :v)", item{":v": 1}, "", item{"a": 1, "b": 2}},
		{"a sum of two defaults", item{}, "SET b = if_not_exists(b, :v) + if_not_exists(c, :v)", item{":v": 1}, "", item{"b": 2}},
		{"a default inside a default", item{}, "SET b = if_not_exists(b, if_not_exists(c, :v))", item{":v": 1}, "", item{"b": 1}},
		{"swaps list elements", item{"l": list{1, 2}}, "SET l[0] = l[1], l[1] = l[0]", nil, "", item{"l": list{2, 1}}},
		{"copies a map into itself", item{"m": item{"a": 1}}, "SET m.b = m", nil, "", item{"m": item{"a": 1, "b": item{"a": 1}}}},
		{"ADD to a list element", item{"l": list{1}}, "ADD l[0] :v", item{":v": 1}, "", item{"l": list{2}}},
		{"sets from the key", item{}, "SET b = sk", nil, "", item{"b": "s"}},
		{"white space of any kind", item{}, "SET\ta=:v,\n b = :v", item{":v": 1}, "", item{"a": 1, "b": 1}},
	} {
		cases = append(cases, Case{"update/" + c.name, func(t suite.T, e *Env) {
			if c.before != nil {
				e.put(t, c.before)
			}
			_, err := e.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
				TableName: e.table(tableMain), Key: attributes(e.key()), UpdateExpression: &c.update,
				ExpressionAttributeNames: names(c.names), ExpressionAttributeValues: attributes(c.values),
			})
			ok(t, err)
			wantItem(t, e.get(t), c.after)
		}})
	}
	return append(cases, Case{"update/without an expression creates the key alone", func(t suite.T, e *Env) {
		out, err := e.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: e.table(tableMain), Key: attributes(e.key()), ReturnValues: types.ReturnValueAllNew})
		ok(t, err)
		wantItem(t, plain(out.Attributes), e.key())
	}})
}

// updateErrorCases: updates that are refused; the item stays as it was.
func updateErrorCases() []Case {
	before := item{"a": 1, "s": "x", "l": list{1}, "m": item{"k": 1}, "ss": strSet{"a"}, "big": num("99999999999999999999999999999999999999")}
	var cases []Case
	for _, c := range []struct {
		update string
		values item
		names  string
	}{
		{"SET pk = :v", item{":v": "x"}, ""},
		{"SET sk = :v", item{":v": "x"}, ""},
		{"REMOVE sk", nil, ""},
		{"ADD sk :v", item{":v": 1}, ""},
		{"SET b = nope", nil, ""},
		{"SET b = nope + :v", item{":v": 1}, ""},
		{"SET b = s + :v", item{":v": 1}, ""},
		{"SET b = a + :v", item{":v": "1"}, ""},
		{"SET b = list_append(s, :v)", item{":v": list{1}}, ""},
		{"SET b = list_append(l, :v)", item{":v": 1}, ""},
		{"SET b = list_append(nope, :v)", item{":v": list{1}}, ""},
		{"SET b = list_append(l)", nil, ""},
		{"SET b = if_not_exists(:v, a)", item{":v": 1}, ""},
		{"SET b = if_not_exists(a)", nil, ""},
		{"SET nope.x = :v", item{":v": 1}, ""},
		{"SET nope[0] = :v", item{":v": 1}, ""},
		{"SET s.x = :v", item{":v": 1}, ""},
		{"SET m[0] = :v", item{":v": 1}, ""},
		{"SET l.x = :v", item{":v": 1}, ""},
		{"SET m.x.y = :v", item{":v": 1}, ""},
		{"REMOVE nope.x", nil, ""},
		{"REMOVE nope[0]", nil, ""},
		{"SET a = :v, a = :v", item{":v": 1}, ""},
		{"SET m = :v, m.k = :v", item{":v": 1}, ""},
		{"SET m.k = :v REMOVE m", item{":v": 1}, ""},
		{"SET l[0] = :v, l.x = :v", item{":v": 1}, ""},
		{"SET a = :v SET b = :v", item{":v": 1}, ""},
		{"SET a = :v,", item{":v": 1}, ""},
		{"SET a", nil, ""},
		{"SET a = ", nil, ""},
		{"SET", nil, ""},
		{"a = :v", item{":v": 1}, ""},
		{"PUT a = :v", item{":v": 1}, ""},
		{"SET a = :v + :v + :v", item{":v": 1}, ""},
		{"SET a = a * :v", item{":v": 1}, ""},
		{"ADD s :v", item{":v": 1}, ""},
		{"ADD a :v", item{":v": "1"}, ""},
		{"ADD a :v", item{":v": strSet{"a"}}, ""},
		{"ADD ss :v", item{":v": numSet{"1"}}, ""},
		{"ADD a b", nil, ""},
		{"ADD big :v", item{":v": num("0.1")}, ""},
		{"DELETE a :v", item{":v": 1}, ""},
		{"DELETE a :v", item{":v": strSet{"a"}}, ""},
		{"DELETE ss :v", item{":v": numSet{"1"}}, ""},
		{"SET name = :v", item{":v": 1}, ""},
		{"SET a = size(s)", nil, ""},
		{"SET a = attribute_exists(s)", nil, ""},
		{"SET :v = a", item{":v": 1}, ""},
		{"SET b = list_append(:v, list_append(l, :v))", item{":v": list{1}}, ""},
		{"SET b = -:v", item{":v": 1}, ""},
		{"SET a = :v REMOVE a", item{":v": 1}, ""},
		{"REMOVE s[0]", nil, ""},
		{"ADD nope.x :v", item{":v": 1}, ""},
		{"SET b = if_not_exists(b, a + :v)", item{":v": 1}, ""},
		{"REMOVE :v", item{":v": 1}, ""},
		{" ", nil, ""},
		{"SET g = :v", item{":v": 1}, ""},
		{"SET g = :v", item{":v": ""}, ""},
	} {
		cases = append(cases, Case{"update/refuses " + c.update + " " + formatItem(c.values), func(t suite.T, e *Env) {
			e.put(t, before)
			_, err := e.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
				TableName: e.table(tableMain), Key: attributes(e.key()), UpdateExpression: &c.update,
				ExpressionAttributeNames: names(c.names), ExpressionAttributeValues: attributes(c.values),
			})
			wantCode(t, err, invalid)
			if got := e.get(t); got["a"] != 1 || len(got) != len(before) {
				t.Fatalf("the refused update changed the item: %v", got)
			}
		}})
	}
	return cases
}

// returnCases: ReturnValues and ReturnValuesOnConditionCheckFailure.
func returnCases() []Case {
	before := item{"a": 1, "m": item{"x": 1, "y": 2}, "l": list{1, 2, 3}}
	update := "SET a = :v, m.x = :v, l[1] = :v REMOVE m.y"
	var cases []Case
	for _, c := range []struct {
		how  types.ReturnValue
		want item
	}{
		{types.ReturnValueNone, nil},
		{types.ReturnValueAllOld, before.with(item{"key": true})},
		{types.ReturnValueAllNew, item{"a": 9, "m": item{"x": 9}, "l": list{1, 9, 3}, "key": true}},
		{types.ReturnValueUpdatedOld, item{"a": 1, "m": item{"x": 1, "y": 2}, "l": list{2}}},
		{types.ReturnValueUpdatedNew, item{"a": 9, "m": item{"x": 9}, "l": list{9}}},
	} {
		cases = append(cases, Case{"return/update " + string(c.how), func(t suite.T, e *Env) {
			e.put(t, before)
			out, err := e.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
				TableName: e.table(tableMain), Key: attributes(e.key()), UpdateExpression: &update,
				ExpressionAttributeValues: attributes(item{":v": 9}), ReturnValues: c.how,
			})
			ok(t, err)
			want := c.want.without("key")
			if c.want["key"] != nil {
				want = want.with(e.key())
			}
			wantItem(t, plain(out.Attributes), want)
		}})
	}
	return append(cases, returnWriteCases()...)
}

func returnWriteCases() []Case {
	return []Case{
		{"return/update of an absent item has no old values", func(t suite.T, e *Env) {
			for _, how := range []types.ReturnValue{types.ReturnValueAllOld, types.ReturnValueUpdatedOld} {
				out, err := e.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
					TableName: e.table(tableMain), Key: attributes(item{"pk": e.PK, "sk": string(how)}), UpdateExpression: aws.String("SET a = :v"),
					ExpressionAttributeValues: attributes(item{":v": 9}), ReturnValues: how,
				})
				ok(t, err)
				wantItem(t, plain(out.Attributes), nil)
			}
		}},
		{"return/put ALL_OLD", func(t suite.T, e *Env) {
			put := func(v int) item {
				out, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{
					TableName: e.table(tableMain), Item: attributes(e.key().with(item{"a": v})), ReturnValues: types.ReturnValueAllOld})
				ok(t, err)
				return plain(out.Attributes)
			}
			wantItem(t, put(1), nil)
			wantItem(t, put(2), e.key().with(item{"a": 1}))
		}},
		{"return/put refuses ALL_NEW", func(t suite.T, e *Env) {
			_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{
				TableName: e.table(tableMain), Item: attributes(e.key()), ReturnValues: types.ReturnValueAllNew})
			wantCode(t, err, invalid)
		}},
		{"return/delete ALL_OLD", func(t suite.T, e *Env) {
			e.put(t, item{"a": 1})
			del := func() item {
				out, err := e.Client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
					TableName: e.table(tableMain), Key: attributes(e.key()), ReturnValues: types.ReturnValueAllOld})
				ok(t, err)
				return plain(out.Attributes)
			}
			wantItem(t, del(), e.key().with(item{"a": 1}))
			wantItem(t, del(), nil)
		}},
		{"return/delete refuses UPDATED_OLD", func(t suite.T, e *Env) {
			_, err := e.Client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
				TableName: e.table(tableMain), Key: attributes(e.key()), ReturnValues: types.ReturnValueUpdatedOld})
			wantCode(t, err, invalid)
		}},
		{"return/the item of a failed condition", func(t suite.T, e *Env) {
			e.put(t, item{"a": 1})
			for _, all := range []bool{true, false} {
				in := &dynamodb.UpdateItemInput{
					TableName: e.table(tableMain), Key: attributes(e.key()), UpdateExpression: aws.String("SET a = :v"),
					ConditionExpression: aws.String("a = :v"), ExpressionAttributeValues: attributes(item{":v": 9})}
				want := item(nil)
				if all {
					in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
					want = e.key().with(item{"a": 1})
				}
				_, err := e.Client.UpdateItem(t.Context(), in)
				wantCode(t, err, failed)
				wantItem(t, failedItem(t, err), want)
			}
		}},
		{"return/a failed condition on an absent item has no item", func(t suite.T, e *Env) {
			_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{
				TableName: e.table(tableMain), Item: attributes(e.key()), ConditionExpression: aws.String("attribute_exists(pk)"),
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld})
			wantCode(t, err, failed)
			wantItem(t, failedItem(t, err), nil)
		}},
	}
}
