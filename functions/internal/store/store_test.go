package store

import (
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

func TestEncodeAndDecodeAreInverse(t *testing.T) {
	type inner struct {
		Name string `dynamodbav:"name"`
	}
	type all struct {
		S      string           `dynamodbav:"s"`
		N      int64            `dynamodbav:"n"`
		Flag   bool             `dynamodbav:"flag"`
		Bytes  []byte           `dynamodbav:"bytes,omitempty"`
		List   []string         `dynamodbav:"list,omitempty"`
		Map    map[string]int32 `dynamodbav:"map,omitempty"`
		In     inner            `dynamodbav:"in"`
		Gone   string           `dynamodbav:"gone,omitempty"`
		Hidden string           `dynamodbav:"-"`
	}
	in := all{S: "x", N: -3, Flag: true, Bytes: []byte{0, 255}, List: []string{"a", ""}, Map: map[string]int32{"k": 2}, In: inner{"y"}}
	item, err := Encode(in)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := item["gone"]; ok {
		t.Error("an empty field with omitempty was stored")
	}
	var out all
	if err := Decode(item, &out); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(in, out) {
		t.Errorf("got %+v, want %+v", out, in)
	}
}

func TestItemsOfAnotherSchemaAreRefused(t *testing.T) {
	for version, readable := range map[string]bool{"": true, "1": true, "2": false, "7": false} {
		item := Item{"n": Number(5)}
		if version != "" {
			item[AttrVersion] = &types.AttributeValueMemberN{Value: version}
		}
		var out struct {
			N int64 `dynamodbav:"n"`
		}
		switch err := Decode(item, &out); {
		case readable && (err != nil || out.N != 5):
			t.Errorf("version %q: %v, %+v", version, err, out)
		case !readable && !fault.Is(err, fault.VersionUnsupported):
			t.Errorf("version %q: %v", version, err)
		}
	}
}

func TestExpressionsNameAttributesAndTakeArguments(t *testing.T) {
	var s scope
	text, err := s.render(And(If("#state = ?", "READY"), Expr{}, If("#n < ?", 3)))
	if err != nil {
		t.Fatal(err)
	}
	if want := "(#state = :0) AND (#n < :1)"; *text != want {
		t.Errorf("got %s, want %s", *text, want)
	}
	if s.names["#state"] != "state" || s.values[":1"].(*types.AttributeValueMemberN).Value != "3" {
		t.Errorf("names %v, values %v", s.names, s.values)
	}
	for _, bad := range []Expr{If("#a = ?"), If("#a = b", 1), If("# = ?", 1)} {
		if _, err := (&scope{}).render(bad); err == nil {
			t.Errorf("%q was accepted", bad.Text)
		}
	}
}

func TestPageTokensBelongToTheirQuery(t *testing.T) {
	in := Query{Index: Index1, PK: "JOBS#p", Order: NewestFirst}
	last := Item{}
	for _, name := range []string{"pk", "sk", "gsi1sk"} {
		last[name] = &types.AttributeValueMemberS{Value: name}
	}
	last["gsi1pk"] = &types.AttributeValueMemberS{Value: in.PK}
	token, err := encodeToken(in, last)
	if err != nil {
		t.Fatal(err)
	}
	in.Token = token
	if got, err := decodeToken(in); err != nil || !reflect.DeepEqual(got, last) {
		t.Errorf("got %v, %v", got, err)
	}
	for name, other := range map[string]Query{
		"another partition": {Index: Index1, PK: "JOBS#q", Token: token},
		"another direction": {Index: Index1, PK: "JOBS#p", Order: OldestFirst, Token: token},
		"another index":     {PK: "JOBS#p", Token: token},
		"garbage":           {Index: Index1, PK: "JOBS#p", Token: "e30"},
	} {
		if _, err := decodeToken(other); err == nil {
			t.Errorf("%s: the token was accepted", name)
		}
	}
}
