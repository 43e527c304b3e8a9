package functions

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

type sensitiveMark struct{}

// Sensitive is the mark of values that may not be shown.
func Sensitive() any { return sensitiveMark{} }

// IsSensitive reports whether any part of a value carries the mark.
func IsSensitive(v cty.Value) bool {
	if v == cty.NilVal {
		return false
	}
	_, marks := v.UnmarkDeep()
	_, found := marks[sensitiveMark{}]
	return found
}

func sensitiveFunc() function.Function {
	return markFunc(func(v cty.Value) cty.Value { return v.Mark(sensitiveMark{}) })
}

func nonsensitiveFunc() function.Function {
	return markFunc(func(v cty.Value) cty.Value {
		v, _ = v.UnmarkDeep()
		return v
	})
}

func markFunc(change func(cty.Value) cty.Value) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{
			Name: "value", Type: cty.DynamicPseudoType,
			AllowNull: true, AllowUnknown: true, AllowMarked: true, AllowDynamicType: true,
		}},
		Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return change(args[0]), nil },
	})
}
