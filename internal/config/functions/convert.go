package functions

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

func toStringFunc() function.Function { return stdlib.MakeToFunc(cty.String) }
func toNumberFunc() function.Function { return stdlib.MakeToFunc(cty.Number) }
func toBoolFunc() function.Function   { return stdlib.MakeToFunc(cty.Bool) }
func toListFunc() function.Function   { return stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)) }
func toSetFunc() function.Function    { return stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)) }
func toMapFunc() function.Function    { return stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)) }

// StringMap converts a map or object to Go strings. Nulls are left out. The value must be known and unmarked.
func StringMap(v cty.Value) (map[string]string, error) {
	if v.IsNull() {
		return nil, nil
	}
	if t := v.Type(); !t.IsMapType() && !t.IsObjectType() {
		return nil, fmt.Errorf("a map of strings is required, not %s", t.FriendlyName())
	}
	out := make(map[string]string, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		key, elem := it.Element()
		s, err := convert.Convert(elem, cty.String)
		if err != nil {
			return nil, fmt.Errorf("element %q: %w", key.AsString(), err)
		}
		if !s.IsKnown() {
			return nil, fmt.Errorf("element %q is not known yet", key.AsString())
		}
		if !s.IsNull() {
			out[key.AsString()] = s.AsString()
		}
	}
	return out, nil
}
