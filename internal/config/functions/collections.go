package functions

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

func anyParam(name string) function.Parameter {
	return function.Parameter{Name: name, Type: cty.DynamicPseudoType}
}

func stringParam(name string) function.Parameter {
	return function.Parameter{Name: name, Type: cty.String}
}

// lengthFunc is the number of elements, or of characters of a string.
func lengthFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anyParam("value")},
		Type: func(args []cty.Value) (cty.Type, error) {
			t := args[0].Type()
			if t == cty.String || t == cty.DynamicPseudoType || t.IsCollectionType() || t.IsTupleType() || t.IsObjectType() {
				return cty.Number, nil
			}
			return cty.Number, errors.New("a string, list, map or object is required")
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v := args[0]
			switch t := v.Type(); {
			case t == cty.String:
				return stdlib.Strlen(v)
			case t.IsObjectType():
				return cty.NumberIntVal(int64(len(t.AttributeTypes()))), nil
			default:
				return v.Length(), nil
			}
		},
	})
}

// lookupFunc is lookup(map, key[, default]).
func lookupFunc() function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{anyParam("map"), stringParam("key")},
		VarParam: &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowNull: true},
		Type:     function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 3 {
				return cty.DynamicVal, errors.New("lookup takes a map, a key and one default")
			}
			m, key := args[0], args[1].AsString()
			switch t := m.Type(); {
			case t.IsObjectType():
				if t.HasAttribute(key) {
					return m.GetAttr(key), nil
				}
			case t.IsMapType():
				if m.HasIndex(args[1]).True() {
					return m.Index(args[1]), nil
				}
			default:
				return cty.DynamicVal, function.NewArgErrorf(0, "a map or object is required")
			}
			if len(args) == 3 {
				return args[2], nil
			}
			return cty.DynamicVal, function.NewArgErrorf(1, "the map has no key %q, and there is no default", key)
		},
	})
}

// coalesceFunc is the first argument that is neither null nor an empty text, as in Terraform.
func coalesceFunc() function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{
			Name: "values", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true,
		},
		Type: func(args []cty.Value) (cty.Type, error) {
			types := make([]cty.Type, len(args))
			for i, a := range args {
				types[i] = a.Type()
			}
			t, _ := convert.UnifyUnsafe(types)
			if t == cty.NilType {
				return cty.NilType, errors.New("all arguments must have the same type")
			}
			return t, nil
		},
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			for _, arg := range args {
				v, err := convert.Convert(arg, ret)
				if err != nil {
					return cty.UnknownVal(ret), err
				}
				if !v.IsKnown() {
					return cty.UnknownVal(ret), nil
				}
				if v.IsNull() || v.Type() == cty.String && v.AsString() == "" {
					continue
				}
				return v, nil
			}
			return cty.UnknownVal(ret), errors.New("all arguments are null or empty")
		},
	})
}

// indexFunc is the position of a value in a list.
func indexFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anyParam("list"), anyParam("value")},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			t := args[0].Type()
			if !t.IsListType() && !t.IsTupleType() {
				return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "a list is required")
			}
			for i, it := 0, args[0].ElementIterator(); it.Next(); i++ {
				_, elem := it.Element()
				if eq, err := stdlib.Equal(elem, args[1]); err == nil && eq.IsKnown() && eq.True() {
					return cty.NumberIntVal(int64(i)), nil
				}
			}
			return cty.UnknownVal(cty.Number), errors.New("the value is not in the list")
		},
	})
}

func sumFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anyParam("numbers")},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].CanIterateElements() || args[0].LengthInt() == 0 {
				return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "a list with at least one number is required")
			}
			total := cty.Zero
			for it := args[0].ElementIterator(); it.Next(); {
				_, elem := it.Element()
				n, err := convert.Convert(elem, cty.Number)
				if err != nil || n.IsNull() {
					return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "all elements must be numbers")
				}
				if !n.IsKnown() {
					return cty.UnknownVal(cty.Number), nil
				}
				if total, err = stdlib.Add(total, n); err != nil {
					return cty.UnknownVal(cty.Number), err
				}
			}
			return total, nil
		},
	})
}

// truthFunc is alltrue (all) and anytrue.
func truthFunc(all bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for it := args[0].ElementIterator(); it.Next(); {
				_, elem := it.Element()
				if !elem.IsKnown() {
					return cty.UnknownVal(cty.Bool), nil
				}
				if is := !elem.IsNull() && elem.True(); is != all {
					return cty.BoolVal(is), nil
				}
			}
			return cty.BoolVal(all), nil
		},
	})
}

// oneFunc is the only element of a collection, or null of an empty one.
func oneFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anyParam("list")},
		Type:   function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			t := args[0].Type()
			if !t.IsListType() && !t.IsSetType() && !t.IsTupleType() {
				return cty.DynamicVal, function.NewArgErrorf(0, "a list, set or tuple is required")
			}
			switch args[0].LengthInt() {
			case 0:
				return cty.NullVal(cty.DynamicPseudoType), nil
			case 1:
				it := args[0].ElementIterator()
				it.Next()
				_, elem := it.Element()
				return elem, nil
			}
			return cty.DynamicVal, function.NewArgErrorf(0, "must have no more than one element")
		},
	})
}

func matchkeysFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "values", Type: cty.List(cty.DynamicPseudoType)},
			{Name: "keys", Type: cty.List(cty.DynamicPseudoType)},
			{Name: "searchset", Type: cty.List(cty.DynamicPseudoType)},
		},
		Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
			values, keys := args[0].AsValueSlice(), args[1].AsValueSlice()
			if len(values) != len(keys) {
				return cty.UnknownVal(ret), errors.New("values and keys must have the same length")
			}
			var out []cty.Value
			for i, key := range keys {
				wanted := slices.ContainsFunc(args[2].AsValueSlice(), func(w cty.Value) bool {
					eq, err := stdlib.Equal(key, w)
					return err == nil && eq.IsKnown() && eq.True()
				})
				if wanted {
					out = append(out, values[i])
				}
			}
			if len(out) == 0 {
				return cty.ListValEmpty(ret.ElementType()), nil
			}
			return cty.ListVal(out), nil
		},
	})
}

func transposeFunc() function.Function {
	ret := cty.Map(cty.List(cty.String))
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "map", Type: ret}},
		Type:   function.StaticReturnType(ret),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(ret), nil
			}
			out := map[string][]string{}
			for it := args[0].ElementIterator(); it.Next(); {
				key, list := it.Element()
				for inner := list.ElementIterator(); inner.Next(); {
					_, v := inner.Element()
					if v.IsNull() {
						return cty.UnknownVal(ret), errors.New("a list must not contain null")
					}
					out[v.AsString()] = append(out[v.AsString()], key.AsString())
				}
			}
			if len(out) == 0 {
				return cty.MapValEmpty(cty.List(cty.String)), nil
			}
			vals := make(map[string]cty.Value, len(out))
			for key, list := range out {
				sort.Strings(list)
				elems := make([]cty.Value, len(list))
				for i, s := range list {
					elems[i] = cty.StringVal(s)
				}
				vals[key] = cty.ListVal(elems)
			}
			return cty.MapVal(vals), nil
		},
	})
}

func stringTest(name string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{stringParam("string"), stringParam("part")},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, part := args[0].AsString(), args[1].AsString()
			switch name {
			case "startswith":
				return cty.BoolVal(strings.HasPrefix(s, part)), nil
			case "endswith":
				return cty.BoolVal(strings.HasSuffix(s, part)), nil
			default:
				return cty.BoolVal(strings.Contains(s, part)), nil
			}
		},
	})
}

// maxFormatWidth bounds what one verb of format() may pad to: nobody needs more, and a slip would fill the memory.
const maxFormatWidth = 100_000

// bounded refuses format strings with absurd widths.
func bounded(f function.Function) function.Function {
	return function.New(&function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
		Type:     func(args []cty.Value) (cty.Type, error) { return f.ReturnTypeForValues(args) },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if first, _ := args[0].Unmark(); first.IsKnown() && !first.IsNull() {
				if err := checkWidths(first.AsString()); err != nil {
					return cty.DynamicVal, function.NewArgError(0, err)
				}
			}
			return f.Call(args)
		},
	})
}

func checkWidths(format string) error {
	if !utf8.ValidString(format) {
		return errors.New("the format is not valid UTF-8")
	}
	digits := 0
	for _, r := range format {
		if r >= '0' && r <= '9' {
			digits = min(digits*10+int(r-'0'), maxFormatWidth+1)
		} else {
			digits = 0
		}
		if digits > maxFormatWidth && strings.Contains(format, "%") {
			return fmt.Errorf("a width of more than %d is not supported", maxFormatWidth)
		}
	}
	return nil
}
