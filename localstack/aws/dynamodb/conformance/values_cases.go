package conformance

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/localstack/aws/suite"
)

// valueCases: what may be stored, and in which form it comes back.
func valueCases() []Case {
	var cases []Case
	for _, c := range []struct {
		name     string
		in, want any
	}{
		{"a string", "hello", nil},
		{"an empty string", "", nil},
		{"a string of all kinds of characters", "a\x00\x01\n\t\"\\/é€😀 ", nil},
		{"a binary", []byte{0, 255, 1}, nil},
		{"true", true, nil},
		{"false", false, nil},
		{"null", nil, nil},
		{"an empty map", item{}, nil},
		{"an empty list", list{}, nil},
		{"nested documents", item{"a": list{item{"b": list{1, "x", nil}}}}, nil},
		{"a string set", strSet{"a", "b"}, nil},
		{"a number set", numSet{"1", "2"}, nil},
		{"a binary set", binSet{"a", "b"}, nil},
		{"a number set is normalised", numSet{"1.0", "02"}, numSet{"1", "2"}},
		{"zero", num("0"), nil},
		{"minus zero", num("-0"), num("0")},
		{"leading zeros", num("007"), num("7")},
		{"trailing zeros of a fraction", num("1.500"), num("1.5")},
		{"a plus sign", num("+5"), num("5")},
		{"an exponent", num("1E3"), num("1000")},
		{"a negative exponent", num("1e-5"), num("0.00001")},
		{"38 digits", num("12345678901234567890123456789012345678"), nil},
		{"38 digits with a point", num("1234567890123456789012345678.9012345678"), nil},
		{"the greatest number", num("9.9999999999999999999999999999999999999E125"), num("99999999999999999999999999999999999999" + strings.Repeat("0", 88))},
		{"the smallest positive number", num("1E-130"), num("0." + strings.Repeat("0", 129) + "1")},
		{"a point without digits before it", num(".5"), num("0.5")},
	} {
		want := c.want
		if want == nil {
			want = c.in
		}
		if n, isNum := want.(num); isNum {
			want = plainValue(&types.AttributeValueMemberN{Value: string(n)})
		}
		cases = append(cases, Case{"value/" + c.name, func(t suite.T, e *Env) {
			e.put(t, item{"v": c.in})
			wantItem(t, e.get(t), item{"v": want})
		}})
	}
	for _, c := range []struct {
		name string
		in   types.AttributeValue
	}{
		{"no number at all", attribute(num("abc"))},
		{"an empty number", attribute(num(""))},
		{"a number with a space", attribute(num("1 2"))},
		{"39 digits", attribute(num("123456789012345678901234567890123456789"))},
		{"a number too great", attribute(num("1E126"))},
		{"a number too small", attribute(num("1E-131"))},
		{"an empty string set", attribute(strSet{})},
		{"a string set with duplicates", attribute(strSet{"a", "a"})},
		{"a number set with numerically equal elements", attribute(numSet{"1", "1.0"})},
		{"a null that is false", &types.AttributeValueMemberNULL{Value: false}},
	} {
		cases = append(cases, Case{"value/refuses " + c.name, func(t suite.T, e *Env) {
			m := attributes(e.key())
			m["v"] = c.in
			_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: e.table(tableMain), Item: m})
			wantCode(t, err, invalid)
		}})
	}
	return append(cases, nestingCases()...)
}

func nestingCases() []Case {
	nested := func(levels int) any {
		var v any = "x"
		for range levels {
			v = list{v}
		}
		return v
	}
	return []Case{
		{"value/31 levels of nesting", func(t suite.T, e *Env) {
			e.put(t, item{"v": nested(31)})
		}},
		{"value/refuses 40 levels of nesting", func(t suite.T, e *Env) {
			_, err := e.Client.PutItem(t.Context(), &dynamodb.PutItemInput{
				TableName: e.table(tableMain), Item: attributes(e.key().with(item{"v": nested(40)}))})
			wantCode(t, err, invalid)
		}},
	}
}
