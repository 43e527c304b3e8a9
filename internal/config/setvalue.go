package config

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// setValue puts a value into a Go variable, with HCL's conversions: "8080" fits an int, 512 a string. Its errors say
// what is required and show no value. Of a value that is not known yet, partial takes what the type allows; the variable
// is left as it is then.
func setValue(target reflect.Value, v cty.Value, partial bool) error {
	switch target.Type() {
	case reflect.TypeFor[cty.Value]():
		target.Set(reflect.ValueOf(v))
		return nil
	case reflect.TypeFor[hcl.Expression]():
		target.Set(reflect.ValueOf(hcl.StaticExpr(v, hcl.Range{})))
		return nil
	}
	v, _ = v.Unmark()
	if !v.IsKnown() {
		if partial {
			return checkType(target.Type(), v.Type())
		}
		return errNotKnown
	}
	if v.IsNull() {
		target.SetZero()
		return nil
	}
	switch target.Kind() {
	case reflect.Pointer:
		elem := reflect.New(target.Type().Elem())
		if err := setValue(elem.Elem(), v, partial); err != nil {
			return err
		}
		target.Set(elem)
		return nil
	case reflect.Slice:
		return setSlice(target, v, partial)
	case reflect.Map:
		return setMap(target, v, partial)
	case reflect.Struct:
		return setStruct(target, v, partial)
	case reflect.Interface:
		if partial && !v.IsWhollyKnown() {
			return nil
		}
		out, err := fromCtyAny(v)
		if err != nil || out == nil {
			return err
		}
		if !reflect.TypeOf(out).AssignableTo(target.Type()) {
			return fmt.Errorf("a value of type %s cannot be used", v.Type().FriendlyName())
		}
		target.Set(reflect.ValueOf(out))
		return nil
	}
	return setPrimitive(target, v)
}

func setPrimitive(target reflect.Value, v cty.Value) error {
	switch target.Kind() {
	case reflect.String:
		s, err := convert.Convert(v, cty.String)
		if err != nil {
			return wrongPrimitive(target.Type(), v.Type())
		}
		target.SetString(s.AsString())
		return nil
	case reflect.Bool:
		b, err := convert.Convert(v, cty.Bool)
		if err != nil {
			return wrongPrimitive(target.Type(), v.Type())
		}
		target.SetBool(b.True())
		return nil
	}
	n, err := convert.Convert(v, cty.Number)
	if err != nil {
		return wrongPrimitive(target.Type(), v.Type())
	}
	number := n.AsBigFloat()
	switch target.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, accuracy := number.Int64()
		if accuracy != big.Exact || target.OverflowInt(i) {
			return wrongInteger(number)
		}
		target.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		u, accuracy := number.Uint64()
		if accuracy != big.Exact || target.OverflowUint(u) {
			if number.Sign() < 0 {
				return errors.New("a number that is not negative is required")
			}
			return wrongInteger(number)
		}
		target.SetUint(u)
	case reflect.Float32, reflect.Float64:
		f, _ := number.Float64()
		if target.OverflowFloat(f) {
			return errors.New("the number is too large")
		}
		target.SetFloat(f)
	default:
		return fmt.Errorf("a Go %s cannot hold a value", target.Type())
	}
	return nil
}

// checkType says whether a value of type t could fit a Go type.
func checkType(want reflect.Type, t cty.Type) error {
	if t == cty.DynamicPseudoType {
		return nil
	}
	switch want.Kind() {
	case reflect.Pointer:
		return checkType(want.Elem(), t)
	case reflect.Interface:
		return nil
	case reflect.Slice:
		switch {
		case t.IsTupleType(), t.IsObjectType() && isStruct(want.Elem()), t == cty.String && want.Elem().Kind() == reflect.Uint8:
			return nil
		case t.IsListType() || t.IsSetType():
			return checkType(want.Elem(), t.ElementType())
		}
		return wrongList(want, t)
	case reflect.Map:
		switch {
		case t.IsObjectType():
			return nil
		case t.IsMapType():
			return checkType(want.Elem(), t.ElementType())
		}
		return wrongMap(t)
	case reflect.Struct:
		if t.IsObjectType() || t.IsMapType() {
			return nil
		}
		return wrongObject(t)
	}
	to := cty.Number
	switch want.Kind() {
	case reflect.String:
		to = cty.String
	case reflect.Bool:
		to = cty.Bool
	}
	if !t.Equals(to) && convert.GetConversionUnsafe(t, to) == nil {
		return wrongPrimitive(want, t)
	}
	return nil
}

func wrongPrimitive(want reflect.Type, t cty.Type) error {
	switch want.Kind() {
	case reflect.String:
		return fmt.Errorf("text is required, not %s", t.FriendlyNameForConstraint())
	case reflect.Bool:
		return errors.New("true or false is required")
	}
	return errors.New("a number is required")
}

func wrongList(want reflect.Type, t cty.Type) error {
	return fmt.Errorf("a list such as [%s] is required, not %s", exampleOf(want.Elem()), t.FriendlyNameForConstraint())
}

func wrongMap(t cty.Type) error {
	return fmt.Errorf("a map such as { name = … } is required, not %s", t.FriendlyNameForConstraint())
}

func wrongObject(t cty.Type) error {
	return fmt.Errorf("an object is required, not %s", t.FriendlyNameForConstraint())
}

func wrongInteger(n *big.Float) error {
	if !n.IsInt() {
		return errors.New("a whole number is required")
	}
	return errors.New("the number is too large")
}

func setSlice(target reflect.Value, v cty.Value, partial bool) error {
	t := v.Type()
	if target.Type().Elem().Kind() == reflect.Uint8 && t == cty.String {
		target.SetBytes([]byte(v.AsString()))
		return nil
	}
	if t.IsObjectType() && target.Type().Elem().Kind() != reflect.Map && isStruct(target.Type().Elem()) {
		// name = {…} for blocks of which there may be several.
		v = cty.TupleVal([]cty.Value{v})
		t = v.Type()
	}
	if !t.IsListType() && !t.IsSetType() && !t.IsTupleType() {
		return wrongList(target.Type(), t)
	}
	out := reflect.MakeSlice(target.Type(), 0, v.LengthInt())
	for i, it := 0, v.ElementIterator(); it.Next(); i++ {
		_, part := it.Element()
		elem := reflect.New(target.Type().Elem()).Elem()
		if err := setValue(elem, part, partial); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		out = reflect.Append(out, elem)
	}
	target.Set(out)
	return nil
}

func isStruct(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}

func exampleOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return `"a", "b"`
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "{…}"
	default:
		return "1, 2"
	}
}

func setMap(target reflect.Value, v cty.Value, partial bool) error {
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		return wrongMap(t)
	}
	if target.Type().Key().Kind() != reflect.String {
		return fmt.Errorf("a Go %s cannot hold a map", target.Type())
	}
	out := reflect.MakeMapWithSize(target.Type(), v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		key, part := it.Element()
		elem := reflect.New(target.Type().Elem()).Elem()
		if err := setValue(elem, part, partial); err != nil {
			return fmt.Errorf("element %q: %w", key.AsString(), err)
		}
		out.SetMapIndex(reflect.ValueOf(key.AsString()).Convert(target.Type().Key()), elem)
	}
	target.Set(out)
	return nil
}

// setStruct fills a struct from an object, by its hcl tags.
func setStruct(target reflect.Value, v cty.Value, partial bool) error {
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		return wrongObject(t)
	}
	fields, err := fieldsOf(target.Type())
	if err != nil {
		return err
	}
	given := v.AsValueMap()
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
		part, ok := given[f.name]
		delete(given, f.name)
		if bare, _ := part.Unmark(); !ok || bare.IsNull() {
			if f.kind == requiredAttr {
				return fmt.Errorf("%q is missing", f.name)
			}
			continue
		}
		if err := setValue(target.Field(f.index), part, partial); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if left := sortedKeys(given); len(left) > 0 {
		name := left[0]
		if near := nearest(name, names); near != "" {
			return fmt.Errorf("there is no %q; did you mean %q?", name, near)
		}
		return fmt.Errorf("there is no %q", name)
	}
	return nil
}

// fromCtyAny makes plain Go data: string, bool, int64 or float64, []any, map[string]any.
func fromCtyAny(v cty.Value) (any, error) {
	v, _ = v.UnmarkDeep()
	if !v.IsKnown() {
		return nil, errNotKnown
	}
	if v.IsNull() {
		return nil, nil
	}
	switch t := v.Type(); {
	case t == cty.String:
		return v.AsString(), nil
	case t == cty.Bool:
		return v.True(), nil
	case t == cty.Number:
		if i, accuracy := v.AsBigFloat().Int64(); accuracy == big.Exact {
			return i, nil
		}
		f, _ := v.AsBigFloat().Float64()
		return f, nil
	case t.IsObjectType() || t.IsMapType():
		out := make(map[string]any, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			key, part := it.Element()
			elem, err := fromCtyAny(part)
			if err != nil {
				return nil, err
			}
			out[key.AsString()] = elem
		}
		return out, nil
	case t.IsListType() || t.IsSetType() || t.IsTupleType():
		out := make([]any, 0, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			_, part := it.Element()
			elem, err := fromCtyAny(part)
			if err != nil {
				return nil, err
			}
			out = append(out, elem)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%s cannot be used here", v.Type().FriendlyName())
}
