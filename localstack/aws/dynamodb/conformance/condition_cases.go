package conformance

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

// conditionCases: a condition on one item holds or does not.
func conditionCases() []Case {
	doc := item{"s": "hello", "n": 5, "b": []byte("bin"), "t": true, "f": false, "z": nil, "ss": strSet{"a", "b"}, "ns": numSet{"1", "2"},
		"l": list{1, "two", item{"x": 3}}, "m": item{"k": item{"deep": 7}, "dotted.name": 1}, "d": num("1.5"), "e": ""}
	var cases []Case
	for _, c := range []struct {
		cond   string
		values item
		names  string
		holds  bool
	}{
		{"s = :v", item{":v": "hello"}, "", true},
		{"s = :v", item{":v": "hell"}, "", false},
		{"n = :v", item{":v": num("5.0")}, "", true},
		{"n = :v", item{":v": "5"}, "", false},
		{"n <> :v", item{":v": "5"}, "", true},
		{"n <> :v", item{":v": 5}, "", false},
		{"nope <> :v", item{":v": 5}, "", true},
		{"nope = :v", item{":v": 5}, "", false},
		{"nope < :v", item{":v": 5}, "", false},
		{"n < :v", item{":v": 6}, "", true},
		{"n < :v", item{":v": 5}, "", false},
		{"n <= :v", item{":v": 5}, "", true},
		{"n > :v", item{":v": num("4.999")}, "", true},
		{"n >= :v", item{":v": 6}, "", false},
		{"n > :v", item{":v": num("-100")}, "", true},
		{"d < :v", item{":v": 2}, "", true},
		{"s > :v", item{":v": "hell"}, "", true},
		{"s < :v", item{":v": 9}, "", false},
		{"b >= :v", item{":v": []byte("bin")}, "", true},
		{":v = s", item{":v": "hello"}, "", true},
		{"ss = :v", item{":v": strSet{"b", "a"}}, "", true},
		{"l = :v", item{":v": list{1, "two", item{"x": 3}}}, "", true},
		{"m.k = :v", item{":v": item{"deep": 7}}, "", true},
		{"t = :v", item{":v": true}, "", true},
		{"z = :v", item{":v": nil}, "", true},
		{"n BETWEEN :a AND :b", item{":a": 5, ":b": 9}, "", true},
		{"n BETWEEN :a AND :b", item{":a": 6, ":b": 9}, "", false},
		{"s between :a and :b", item{":a": "a", ":b": "i"}, "", true},
		{":a BETWEEN n AND :b", item{":a": 7, ":b": 9}, "", true},
		{"n IN (:a, :b)", item{":a": 1, ":b": 5}, "", true},
		{"n IN (:a)", item{":a": 1}, "", false},
		{"s in (:a)", item{":a": "hello"}, "", true},
		{"attribute_exists(s)", nil, "", true},
		{"attribute_exists(z)", nil, "", true},
		{"attribute_exists(nope)", nil, "", false},
		{"attribute_exists(m.k.deep)", nil, "", true},
		{"attribute_exists(m.k.nope)", nil, "", false},
		{"attribute_exists(l[2].x)", nil, "", true},
		{"attribute_exists(l[3])", nil, "", false},
		{"attribute_exists(s.x)", nil, "", false},
		{"attribute_not_exists(nope)", nil, "", true},
		{"attribute_not_exists(s)", nil, "", false},
		{"attribute_type(s, :t)", item{":t": "S"}, "", true},
		{"attribute_type(z, :t)", item{":t": "NULL"}, "", true},
		{"attribute_type(n, :t)", item{":t": "S"}, "", false},
		{"attribute_type(nope, :t)", item{":t": "S"}, "", false},
		{"begins_with(s, :p)", item{":p": "hel"}, "", true},
		{"begins_with(s, :p)", item{":p": "el"}, "", false},
		{"begins_with(s, :p)", item{":p": ""}, "", true},
		{"begins_with(b, :p)", item{":p": []byte("b")}, "", true},
		{"begins_with(n, :p)", item{":p": "5"}, "", false},
		{"contains(s, :p)", item{":p": "ell"}, "", true},
		{"contains(s, :p)", item{":p": "xyz"}, "", false},
		{"contains(ss, :p)", item{":p": "a"}, "", true},
		{"contains(ns, :p)", item{":p": num("2.0")}, "", true},
		{"contains(ns, :p)", item{":p": "2"}, "", false},
		{"contains(l, :p)", item{":p": "two"}, "", true},
		{"contains(l, :p)", item{":p": item{"x": 3}}, "", true},
		{"contains(n, :p)", item{":p": 5}, "", false},
		{"size(s) = :n", item{":n": 5}, "", true},
		{"size(b) = :n", item{":n": 3}, "", true},
		{"size(ss) = :n", item{":n": 2}, "", true},
		{"size(l) > :n", item{":n": 2}, "", true},
		{"size(m) = :n", item{":n": 2}, "", true},
		{"size(n) = :n", item{":n": 1}, "", false},
		{"size(e) = :n", item{":n": 0}, "", true},
		{"size(nope) = :n", item{":n": 0}, "", false},
		{"NOT attribute_exists(nope)", nil, "", true},
		{"not n = :v", item{":v": 6}, "", true},
		{"n = :v AND s = :w", item{":v": 5, ":w": "hello"}, "", true},
		{"n = :v AND s = :w", item{":v": 5, ":w": "x"}, "", false},
		{"n = :x OR s = :w", item{":x": 6, ":w": "hello"}, "", true},
		{"n = :v OR n = :x AND s = :w", item{":v": 5, ":x": 6, ":w": "x"}, "", true},
		{"(n = :v OR n = :x) AND s = :w", item{":v": 5, ":x": 6, ":w": "x"}, "", false},
		{"NOT (n = :v AND s = :w)", item{":v": 5, ":w": "x"}, "", true},
		{"NOT n = :x AND s = :w", item{":x": 6, ":w": "hello"}, "", true},
		{"#m.#k.deep = :v", item{":v": 7}, "#m=m #k=k", true},
		{"m.#d = :v", item{":v": 1}, "#d=dotted.name", true},
		{"l[2].x = :v", item{":v": 3}, "", true},
		{"l[0] < n", nil, "", true},
		{"attribute_exists (s)", nil, "", true},
		{"NOT NOT n = :v", item{":v": 5}, "", true},
		{"(NOT (n = :v))", item{":v": 5}, "", false},
		{"size(s) = size(l)", nil, "", false},
		{"(n) = :v", item{":v": 5}, "", true},
		{"n = (:v)", item{":v": 5}, "", true},
		{"NOT (NOT (n = :v))", item{":v": 5}, "", true},
		{"n = :v and (s = :w)", item{":v": 5, ":w": "hello"}, "", true},
		{":v = :w", item{":v": 5, ":w": 5}, "", true},
		{"contains(:v, n)", item{":v": list{5}}, "", true},
		{"begins_with(:v, s)", item{":v": "hello, world"}, "", true},
		{"size(:v) = n", item{":v": "abcde"}, "", true},
		{"n BETWEEN :v AND :v", item{":v": 5}, "", true},
		{"m . k . deep = :v", item{":v": 7}, "", true},
		{"l [ 0 ] = :v", item{":v": 1}, "", true},
		{"n <>:v", item{":v": 1}, "", true},
	} {
		name := "condition/" + c.cond
		if c.values != nil {
			name += " " + strings.TrimPrefix(formatItem(c.values), "item")
		}
		cases = append(cases, Case{name, func(t suite.T, e *Env) {
			e.put(t, doc)
			_, err := e.Client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
				TableName: e.table(tableMain), Key: attributes(e.key()), ConditionExpression: &c.cond,
				ExpressionAttributeNames: names(c.names), ExpressionAttributeValues: attributes(c.values),
			})
			want := failed
			if c.holds {
				want = ""
			}
			wantCode(t, err, want)
			if gone := e.get(t) == nil; gone != c.holds {
				t.Fatalf("item gone: %v, want %v", gone, c.holds)
			}
		}})
	}
	return append(cases, Case{"condition/on an item that does not exist", func(t suite.T, e *Env) {
		for cond, want := range map[string]string{"attribute_not_exists(pk)": "", "attribute_exists(pk)": failed} {
			_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{
				TableName: e.table(tableMain), Item: attributes(item{"pk": e.PK, "sk": cond}), ConditionExpression: &cond})
			wantCode(t, err, want)
		}
	}})
}

// conditionErrorCases: conditions that are refused before any item is read.
func conditionErrorCases() []Case {
	var cases []Case
	for _, c := range []struct {
		cond   string
		values item
		names  string
	}{
		{"a = ", nil, ""},
		{"a == :v", item{":v": 1}, ""},
		{"a = :v AND", item{":v": 1}, ""},
		{"(a = :v", item{":v": 1}, ""},
		{"a = :v)", item{":v": 1}, ""},
		{"((a = :v))", item{":v": 1}, ""},
		{"a ! :v", item{":v": 1}, ""},
		{"a", nil, ""},
		{":v", item{":v": 1}, ""},
		{"attribute_exists(a", nil, ""},
		{"attribute_exists()", nil, ""},
		{"attribute_exists(a, b)", nil, ""},
		{"attribute_exists(:v)", item{":v": "a"}, ""},
		{"ATTRIBUTE_EXISTS(a)", nil, ""},
		{"nofunction(a)", nil, ""},
		{"size(a)", nil, ""},
		{"begins_with(a, :v)", item{":v": 1}, ""},
		{"begins_with(a)", nil, ""},
		{"attribute_type(a, :v)", item{":v": "STRING"}, ""},
		{"attribute_type(a, :v)", item{":v": 1}, ""},
		{"attribute_type(a, b)", nil, ""},
		{"a < :v", item{":v": true}, ""},
		{"a >= :v", item{":v": strSet{"a"}}, ""},
		{"a BETWEEN :x AND :y", item{":x": 2, ":y": 1}, ""},
		{"a BETWEEN :x AND :y", item{":x": 1, ":y": "2"}, ""},
		{"a BETWEEN :x", item{":x": 1}, ""},
		{"a IN :v", item{":v": 1}, ""},
		{"a IN ()", nil, ""},
		{"a = a", nil, ""},
		{"a IN (a)", nil, ""},
		{"a BETWEEN a AND :v", item{":v": 1}, ""},
		{"a[00] = :v", item{":v": 1}, ""},
		{"_a = :v", item{":v": 1}, ""},
		{"a != :v", item{":v": 1}, ""},
		{"a < > :v", item{":v": 1}, ""},
		{"size(:v) = :v", item{":v": 1}, ""},
		{"a <> a", nil, ""},
		{"contains(a, a)", nil, ""},
		{"a = :missing", nil, ""},
		{"#missing = :v", item{":v": 1}, ""},
		{"name = :v", item{":v": 1}, ""},
		{"Status = :v", item{":v": 1}, ""},
		{"a.name = :v", item{":v": 1}, ""},
		{"a[x] = :v", item{":v": 1}, ""},
		{"a[-1] = :v", item{":v": 1}, ""},
		{"a..b = :v", item{":v": 1}, ""},
		{"a.:v = :v", item{":v": 1}, ""},
		{"1a = :v", item{":v": 1}, ""},
		{"attribute_exists(a) = :v", item{":v": true}, ""},
		{"size(size(a)) = :v", item{":v": 1}, ""},
		{"if_not_exists(a, :v) = :v", item{":v": 1}, ""},
		{" ", nil, ""},
		{strings.Repeat("a", 4096) + " = :v", item{":v": 1}, ""},
		{"a = :v" + strings.Repeat(" OR a = :v", 301), item{":v": 1}, ""},
	} {
		name := c.cond
		if len(name) > 40 {
			name = name[:40] + "..."
		}
		cases = append(cases, Case{"condition/refuses " + name + " " + formatItem(c.values), func(t suite.T, e *Env) {
			_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{
				TableName: e.table(tableMain), Item: attributes(e.key()), ConditionExpression: &c.cond,
				ExpressionAttributeNames: names(c.names), ExpressionAttributeValues: attributes(c.values),
			})
			wantCode(t, err, invalid)
		}})
	}
	return cases
}
