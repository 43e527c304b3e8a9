package functions

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/go-bexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// MatchSelector evaluates a label selector (go-bexpr: `env == "prod" and tier != "db"`) on labels. A label that is
// not there is as one with an empty value.
func MatchSelector(labels map[string]string, selector string) (bool, error) {
	eval, err := bexpr.CreateEvaluator(selector, bexpr.WithUnknownValue(""))
	if err != nil {
		return false, fmt.Errorf("%q is not a label selector such as `env == \"prod\"`", selector)
	}
	if labels == nil {
		labels = map[string]string{}
	}
	ok, err := eval.Evaluate(labels)
	if err != nil {
		return false, fmt.Errorf("the label selector %q cannot be evaluated on labels", selector)
	}
	return ok, nil
}

// SelectorOrder sorts selectors as they are tried: the longest first, then by text.
func SelectorOrder(selectors []string) {
	slices.SortFunc(selectors, func(a, b string) int {
		if d := len(b) - len(a); d != 0 {
			return d
		}
		if a < b {
			return -1
		}
		return 1
	})
}

func selectorMatchFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "labels", Type: cty.Map(cty.String)}, stringParam("selector")},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			labels, err := StringMap(args[0])
			if err != nil {
				return cty.UnknownVal(cty.Bool), function.NewArgError(0, err)
			}
			ok, err := MatchSelector(labels, args[1].AsString())
			if err != nil {
				return cty.UnknownVal(cty.Bool), function.NewArgError(1, err)
			}
			return cty.BoolVal(ok), nil
		},
	})
}

// selectorLookupFunc is selectorlookup(labels, {selector = value}, default).
func selectorLookupFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "labels", Type: cty.Map(cty.String)}, anyParam("values"),
			{Name: "default", Type: cty.DynamicPseudoType, AllowNull: true},
		},
		Type: function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			labels, err := StringMap(args[0])
			if err != nil {
				return cty.DynamicVal, function.NewArgError(0, err)
			}
			if t := args[1].Type(); !t.IsMapType() && !t.IsObjectType() {
				return cty.DynamicVal, function.NewArgError(1, errors.New("a map from selectors to values is required"))
			}
			values := args[1].AsValueMap()
			selectors := slices.Collect(maps.Keys(values))
			SelectorOrder(selectors)
			for _, s := range selectors {
				ok, err := MatchSelector(labels, s)
				if err != nil {
					return cty.DynamicVal, function.NewArgError(1, err)
				}
				if ok {
					return values[s], nil
				}
			}
			return args[2], nil
		},
	})
}
