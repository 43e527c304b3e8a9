package conformance

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Short forms for writing items down: string S, int and num N, []byte B, bool
// BOOL, nil NULL, list L, item M, and the three sets.
type (
	item   map[string]any
	list   []any
	num    string
	strSet []string
	numSet []string
	binSet []string
)

func attributes(it item) map[string]types.AttributeValue {
	if it == nil {
		return nil
	}
	out := make(map[string]types.AttributeValue, len(it))
	for k, v := range it {
		out[k] = attribute(v)
	}
	return out
}

func attribute(v any) types.AttributeValue {
	switch v := v.(type) {
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case int:
		return &types.AttributeValueMemberN{Value: strconv.Itoa(v)}
	case num:
		return &types.AttributeValueMemberN{Value: string(v)}
	case []byte:
		return &types.AttributeValueMemberB{Value: v}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case nil:
		return &types.AttributeValueMemberNULL{Value: true}
	case item:
		return &types.AttributeValueMemberM{Value: attributes(v)}
	case strSet:
		return &types.AttributeValueMemberSS{Value: v}
	case numSet:
		return &types.AttributeValueMemberNS{Value: v}
	case binSet:
		var raw [][]byte
		for _, s := range v {
			raw = append(raw, []byte(s))
		}
		return &types.AttributeValueMemberBS{Value: raw}
	case list:
		values := make([]types.AttributeValue, len(v))
		for i := range v {
			values[i] = attribute(v[i])
		}
		return &types.AttributeValueMemberL{Value: values}
	}
	panic(fmt.Sprintf("no attribute value for %T", v))
}

// plain turns an answer back into the short forms, with sets sorted.
func plain(m map[string]types.AttributeValue) item {
	if m == nil {
		return nil
	}
	out := item{}
	for k, v := range m {
		out[k] = plainValue(v)
	}
	return out
}

func plainValue(v types.AttributeValue) any {
	sorted := func(s []string) []string {
		s = slices.Clone(s)
		slices.Sort(s)
		return s
	}
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		if n, err := strconv.Atoi(v.Value); err == nil && strconv.Itoa(n) == v.Value {
			return n
		}
		return num(v.Value)
	case *types.AttributeValueMemberB:
		return v.Value
	case *types.AttributeValueMemberBOOL:
		return v.Value
	case *types.AttributeValueMemberNULL:
		return nil
	case *types.AttributeValueMemberM:
		return plain(v.Value)
	case *types.AttributeValueMemberSS:
		return strSet(sorted(v.Value))
	case *types.AttributeValueMemberNS:
		return numSet(sorted(v.Value))
	case *types.AttributeValueMemberBS:
		var s []string
		for _, b := range v.Value {
			s = append(s, string(b))
		}
		return binSet(sorted(s))
	case *types.AttributeValueMemberL:
		out := list{}
		for _, e := range v.Value {
			out = append(out, plainValue(e))
		}
		return out
	}
	panic(fmt.Sprintf("unknown attribute value %T", v))
}

func same(a, b item) bool {
	if len(a) == 0 && len(b) == 0 {
		return true
	}
	return reflect.DeepEqual(a, b)
}

// without returns it less some attributes.
func (it item) without(names ...string) item {
	if it == nil {
		return nil
	}
	out := item{}
	for k, v := range it {
		if !slices.Contains(names, k) {
			out[k] = v
		}
	}
	return out
}

func (it item) with(more item) item {
	out := it.without()
	for k, v := range more {
		out[k] = v
	}
	return out
}

// names writes ExpressionAttributeNames as "#a=name #b=other".
func names(s string) map[string]string {
	if s == "" {
		return nil
	}
	out := map[string]string{}
	for _, pair := range strings.Fields(s) {
		k, v, _ := strings.Cut(pair, "=")
		out[k] = v
	}
	return out
}

// formatItem is a short text of an item for a case's name.
func formatItem(it item) string {
	keys := slices.Sorted(func(yield func(string) bool) {
		for k := range it {
			if !yield(k) {
				return
			}
		}
	})
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%T:%v", k, it[k], it[k])
	}
	return b.String()
}
