package config

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// watched is a function whose results are noted as sensitive texts if they carry the mark: upper(var.password) shows as much
// as the password. A text that is one of the arguments which may be shown, as lookup's default is, is not noted.
func (s *secrets) watched(name string, fn function.Function) function.Function {
	switch {
	case s == nil, name == "nonsensitive", name == "dynamic", name == "configdynamic":
		return fn
	}
	spec := &function.Spec{
		Description: fn.Description(),
		Params:      opened(fn.Params()),
		Type:        func(args []cty.Value) (cty.Type, error) { return fn.ReturnTypeForValues(args) },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			out, err := fn.Call(args)
			if err == nil && out.ContainsMarked() {
				s.note(out, args, name == "sensitive")
			}
			return out, err
		},
	}
	if p := fn.VarParam(); p != nil {
		spec.VarParam = &opened([]function.Parameter{*p})[0]
	}
	return function.New(spec)
}

// opened are parameters that take everything: the function itself says what it does not take.
func opened(params []function.Parameter) []function.Parameter {
	out := make([]function.Parameter, len(params))
	for i, p := range params {
		p.AllowNull, p.AllowUnknown, p.AllowMarked, p.AllowDynamicType = true, true, true, true
		out[i] = p
	}
	return out
}

// note adds the texts in the sensitive parts of a result.
func (s *secrets) note(out cty.Value, args []cty.Value, all bool) {
	open := map[string]bool{}
	for _, arg := range args {
		if all {
			break // sensitive() is given what nobody else calls so
		}
		texts(arg, false, func(text string) { open[text] = true })
	}
	texts(out, true, func(text string) {
		if !open[text] && len(text) >= shortSecret {
			s.addText(text)
		}
	})
}

// texts visits the texts and numbers in the parts of a value that are sensitive, or in those that are not.
func texts(v cty.Value, sensitive bool, visit func(text string)) {
	mark := functions.Sensitive()
	var walk func(v cty.Value, marked bool)
	walk = func(v cty.Value, marked bool) {
		marked = marked || v.HasMark(mark)
		bare, _ := v.Unmark()
		switch {
		case bare == cty.NilVal || !bare.IsKnown() || bare.IsNull() || bare.Type().IsCapsuleType():
		case bare.Type().IsPrimitiveType():
			if text, err := convert.Convert(bare, cty.String); err == nil && marked == sensitive {
				visit(text.AsString())
			}
		case bare.CanIterateElements():
			for it := bare.ElementIterator(); it.Next(); {
				_, part := it.Element()
				walk(part, marked)
			}
		}
	}
	walk(v, false)
}
