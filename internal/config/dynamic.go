package config

import (
	"errors"
	"reflect"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// dynamicType is what dynamic(…) returns. Capsule types are compared by identity, so each call of the function makes a
// value that is recognised by what it wraps.
func dynamicType() cty.Type {
	return cty.Capsule("value of a config source", reflect.TypeFor[Dynamic]())
}

// asDynamic unwraps a value that dynamic(…) made.
func asDynamic(v cty.Value) (*Dynamic, bool) {
	if v == cty.NilVal || !v.Type().IsCapsuleType() || v.IsNull() || !v.IsKnown() {
		return nil, false
	}
	d, ok := v.EncapsulatedValue().(*Dynamic)
	return d, ok
}

// dynamicFunc is dynamic(source, {key = value}). Nothing is fetched here.
func dynamicFunc() function.Function {
	typ := dynamicType()
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "source", Type: cty.String}},
		VarParam: &function.Parameter{Name: "config", Type: cty.DynamicPseudoType, AllowNull: true},
		Type:     function.StaticReturnType(typ),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			d := &Dynamic{From: args[0].AsString()}
			if d.From == "" {
				return cty.UnknownVal(typ), function.NewArgErrorf(0, "the name of a config source is required")
			}
			if len(args) > 2 {
				return cty.UnknownVal(typ), errors.New("dynamic requires the name of a config source and an object")
			}
			if len(args) == 2 && !args[1].IsNull() {
				m, err := functions.StringMap(args[1])
				if err != nil {
					return cty.UnknownVal(typ), function.NewArgError(1, err)
				}
				d.Config = m
			}
			return cty.CapsuleVal(typ, d), nil
		},
	})
}
