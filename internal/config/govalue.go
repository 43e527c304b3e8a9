package config

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/zclconf/go-cty/cty"
)

// maxGoDepth bounds how deep a plugin's template data may nest.
const maxGoDepth = 64

// goValue makes the data that a plugin gives to templates (strings, numbers, bools, lists, maps, and structs as JSON
// has them) a value of the language. A nil map is an empty object.
func goValue(m map[string]any) (cty.Value, error) {
	return toCty(reflect.ValueOf(m), 0)
}

func toCty(v reflect.Value, depth int) (cty.Value, error) {
	if depth > maxGoDepth {
		return cty.NilVal, fmt.Errorf("the plugin's data is nested more than %d deep", maxGoDepth)
	}
	if !v.IsValid() {
		return cty.NullVal(cty.DynamicPseudoType), nil
	}
	switch given := v.Interface().(type) {
	case cty.Value:
		return given, nil
	case json.Number:
		return cty.ParseNumberVal(given.String())
	case []byte:
		return cty.StringVal(string(given)), nil
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return cty.NullVal(cty.DynamicPseudoType), nil
		}
		return toCty(v.Elem(), depth+1)
	case reflect.String:
		return cty.StringVal(v.String()), nil
	case reflect.Bool:
		return cty.BoolVal(v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return cty.NumberIntVal(v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return cty.NumberUIntVal(v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); f == f { //nolint:gocritic // NaN has no value in the language
			return cty.NumberFloatVal(f), nil
		}
		return cty.NullVal(cty.Number), nil
	case reflect.Slice, reflect.Array:
		elems := make([]cty.Value, v.Len())
		for i := range elems {
			var err error
			if elems[i], err = toCty(v.Index(i), depth+1); err != nil {
				return cty.NilVal, err
			}
		}
		return cty.TupleVal(elems), nil
	case reflect.Map:
		return mapToCty(v, depth)
	case reflect.Struct:
		var plain any
		b, err := json.Marshal(v.Interface())
		if err == nil {
			err = json.Unmarshal(b, &plain)
		}
		if err != nil {
			return cty.NilVal, fmt.Errorf("the plugin's data cannot be used in expressions: %w", err)
		}
		return toCty(reflect.ValueOf(plain), depth+1)
	}
	return cty.NilVal, fmt.Errorf("the plugin's data has a %s, which cannot be used in expressions", v.Kind())
}

func mapToCty(v reflect.Value, depth int) (cty.Value, error) {
	if v.Type().Key().Kind() != reflect.String {
		return cty.NilVal, fmt.Errorf("the plugin's data has a map with keys that are not text")
	}
	attrs := make(map[string]cty.Value, v.Len())
	for it := v.MapRange(); it.Next(); {
		elem, err := toCty(it.Value(), depth+1)
		if err != nil {
			return cty.NilVal, err
		}
		attrs[it.Key().String()] = elem
	}
	return cty.ObjectVal(attrs), nil
}

func stringMapValue(m map[string]string) cty.Value {
	if len(m) == 0 {
		return cty.MapValEmpty(cty.String)
	}
	vals := make(map[string]cty.Value, len(m))
	for k, v := range m {
		vals[k] = cty.StringVal(v)
	}
	return cty.MapVal(vals)
}
