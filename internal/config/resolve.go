package config

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// ResolveVars picks and converts the value of each declared variable. in's Workspace and directories are known to
// defaults. Sensitive values come back marked; pass the map on as Input.Vars.
//
// A value for an undeclared name is an error, but for the environment's. A declared variable without value or
// default is an error.
func (f *File) ResolveVars(given []VarInput, in Input) (values map[string]cty.Value, used []VarUsed, diags hcl.Diagnostics) {
	defer f.guard(&diags)
	in, err := f.normalized(in)
	if err != nil {
		return nil, nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Cannot evaluate variables", Detail: upperFirst(err.Error()) + "."}}
	}
	ordered := slices.Clone(given)
	slices.SortStableFunc(ordered, func(a, b VarInput) int { return int(a.Source - b.Source) })
	winner := map[string]VarInput{}
	for _, g := range ordered {
		v := f.variable(g.Name)
		if v == nil {
			if g.Sensitive {
				f.secrets.addText(g.Value)
			}
			if g.Source != SourceEnv && g.Source != SourceRunnerEnv {
				diags = append(diags, f.undeclaredInput(g))
			}
			continue
		}
		if v.Sensitive || g.Sensitive {
			f.secrets.addText(g.Value)
			f.secrets.addValue(g.Typed, true)
			if !g.Range.Empty() {
				f.secrets.addRange(g.Range)
			}
		}
		winner[g.Name] = g
	}
	values = make(map[string]cty.Value, len(f.variables))
	root := f.rootScope(in, defaultPhase())
	for _, v := range f.variables {
		g, isGiven := winner[v.Name]
		if !isGiven {
			g = VarInput{Name: v.Name, Source: SourceDefault}
		}
		if !isGiven && in.Preview && (v.dynamic || !v.HasDefault) {
			row := VarUsed{Name: v.Name, Type: typeName(v.Type), Source: SourceDynamic, Value: "(known on the runner)", Sensitive: v.Sensitive}
			if !v.dynamic { // the server or the runner may have one
				d := v.missing()
				d.Severity = hcl.DiagWarning
				diags, row.Source = append(diags, d), SourceNone
			}
			used = append(used, row)
			continue
		}
		val, more := f.resolveOne(v, g, isGiven, root)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		row := VarUsed{Name: v.Name, Type: typeName(val.Type()), Source: g.Source, Origin: g.Origin, Sensitive: v.Sensitive || g.Sensitive}
		if row.Sensitive {
			f.secrets.addValue(val, true)
			val = val.Mark(functions.Sensitive())
		} else {
			row.Value = valueText(val)
		}
		values[v.Name] = val
		used = append(used, row)
	}
	return values, used, f.finish(diags)
}

func (f *File) resolveOne(v *VariableDecl, g VarInput, isGiven bool, root *scope) (cty.Value, hcl.Diagnostics) {
	if isGiven {
		return v.fromInput(g)
	}
	switch {
	case !v.HasDefault:
		return cty.NilVal, hcl.Diagnostics{v.missing()}
	case v.dynamic:
		return cty.NilVal, hcl.Diagnostics{errorAt(v.Range, fmt.Sprintf("Variable %q has no value on this machine", v.Name),
			"Its default comes from a config source, which only a remote runner can ask. Set it with -var %s=…, or run the operation remotely.", v.Name)}
	}
	return f.defaultValue(v, root)
}

func (f *File) defaultValue(v *VariableDecl, root *scope) (cty.Value, hcl.Diagnostics) {
	val, diags := root.eval(v.Default)
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	if v.Sensitive {
		f.secrets.addValue(val, true)
	}
	out, err := v.convert(val)
	if err != nil {
		return cty.NilVal, append(diags, errorAt(v.Default.Range(), "Invalid default",
			"The default of %q does not match its type %s: %s.", v.Name, typeName(v.Type), err))
	}
	return out, diags
}

// DynamicDefault evaluates a dynamic(…) default: what the runner is to fetch.
func (f *File) DynamicDefault(name string, in Input) (d *Dynamic, diags hcl.Diagnostics) {
	defer f.guard(&diags)
	v := f.variable(name)
	if v == nil || !v.dynamic {
		return nil, nil
	}
	in, err := f.normalized(in)
	if err != nil {
		return nil, hcl.Diagnostics{errorAt(v.Range, "Cannot evaluate the default", "%s.", err)}
	}
	val, diags := f.rootScope(in, defaultPhase()).eval(v.Default)
	if diags.HasErrors() {
		return nil, f.finish(diags)
	}
	val, _ = val.Unmark()
	d, _ = asDynamic(val)
	return d, f.finish(diags)
}

func (v *VariableDecl) missing() *hcl.Diagnostic {
	ways := []string{fmt.Sprintf("-var %s=…", v.Name), "a file of values (-var-file)", "the environment variable WP_VAR_" + v.Name, "`waypoint variable set`"}
	for _, e := range v.Env {
		ways = append(ways, e+" in the runner's environment")
	}
	detail := fmt.Sprintf("Set it with %s, or give it a default.", strings.Join(ways, ", "))
	if v.Description != "" {
		detail = fmt.Sprintf("It is described as: %s\n%s", v.Description, detail)
	}
	return errorAt(v.Range, fmt.Sprintf("Variable %q has no value", v.Name), "%s", detail)
}

// CheckInput reports whether a value fits the variable that it is for, which it returns; nil, and a warning, for one that the
// file does not declare.
func (f *File) CheckInput(g VarInput) (v *VariableDecl, diags hcl.Diagnostics) {
	defer f.guard(&diags)
	v = f.variable(g.Name)
	if v == nil {
		d := f.undeclaredInput(g)
		d.Severity = hcl.DiagWarning
		return nil, f.finish(hcl.Diagnostics{d})
	}
	if v.Sensitive || g.Sensitive {
		f.secrets.addText(g.Value)
	}
	_, diags = v.fromInput(g)
	return v, f.finish(diags)
}

func (f *File) undeclaredInput(g VarInput) *hcl.Diagnostic {
	d := f.undeclared(g.Name, g.Range)
	d.Summary = fmt.Sprintf("Value for undeclared variable %q", g.Name)
	if g.Source == SourceServer {
		// It was set once, for a branch that declares it or before it was removed: no reason to stop this job.
		d.Severity = hcl.DiagWarning
	}
	if g.Range.Empty() {
		d.Subject = nil
	}
	if g.Origin != "" && g.Origin != g.Range.Filename {
		d.Detail = fmt.Sprintf("It is set by %s. ", g.Origin) + d.Detail
	}
	return d
}

// fromInput converts a given value. What it says of a sensitive one does not come from the value.
func (v *VariableDecl) fromInput(g VarInput) (cty.Value, hcl.Diagnostics) {
	where := g.Range
	if where.Empty() {
		where = v.Range
	}
	fail := func(reason string) hcl.Diagnostics {
		origin := g.Origin
		if origin == "" {
			origin = g.Source.String()
		}
		if reason != "" && !v.Sensitive && !g.Sensitive {
			reason = ": " + strings.TrimSuffix(reason, ".")
		} else {
			reason = ""
		}
		return hcl.Diagnostics{errorAt(where, fmt.Sprintf("Invalid value for variable %q", v.Name),
			"The value set by %s does not match the type %s%s.", origin, typeName(v.Type), reason)}
	}
	val := g.Typed
	if val == cty.NilVal {
		var err error
		if val, err = v.parseText(g.Value); err != nil {
			return cty.NilVal, fail(err.Error())
		}
	}
	out, err := v.convert(val)
	if err != nil {
		return cty.NilVal, fail(err.Error())
	}
	return out, nil
}

// parseText reads text as the variable's type wants it: as it is for strings and for variables of no type, as an
// expression for collections. `any` takes either.
func (v *VariableDecl) parseText(text string) (cty.Value, error) {
	switch {
	case v.Type == cty.String || !v.typeGiven && !v.compound:
		return cty.StringVal(text), nil
	case v.Type == cty.Number:
		text = strings.TrimSpace(text)
		return cty.StringVal(text), survives(text)
	case v.Type == cty.Bool:
		return cty.StringVal(strings.TrimSpace(text)), nil
	}
	val, err := parseValue(text)
	if v.Type == cty.DynamicPseudoType && (err != nil && !isCollection(text) || err == nil && changes(text, val)) {
		return cty.StringVal(text), nil
	}
	return val, err
}

// isCollection reports whether text is meant to be a list or an object.
func isCollection(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{")
}

// changes reports whether text would become another text as the number that it can be read as: a commit (3e24567), a
// version (1.10), a number of an account (007).
func changes(text string, val cty.Value) bool {
	return val.Type() == cty.Number && valueText(val) != strings.TrimSpace(text)
}

// survives checks that text which is to be a number is the same number once it is one. What is not a number at all is left
// to the conversion.
func survives(text string) error {
	val, err := cty.ParseNumberVal(text)
	if err != nil {
		return nil //nolint:nilerr // the conversion says so
	}
	if err := functions.CheckNumber(val.AsBigFloat()); err != nil {
		return err
	}
	exact, ok := new(big.Rat).SetString(text)
	kept, _ := new(big.Rat).SetString(valueText(val))
	if ok && (kept == nil || exact.Cmp(kept) != 0) {
		return errors.New("it has more digits than a number can hold; use a variable of type string for it")
	}
	return nil
}

func parseValue(text string) (cty.Value, error) {
	if d := tooDeep([]byte(text), ""); d != nil {
		return cty.NilVal, errors.New(d.Detail)
	}
	e, diags := hclsyntax.ParseExpression([]byte(text), "value", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("it is not an HCL expression: %s", diags[0].Detail)
	}
	val, diags := constant(e)
	if isNumber(diags) {
		return cty.NilVal, functions.ErrNumber
	}
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("it is not a constant HCL expression: %s", diags[0].Detail)
	}
	return val, nil
}

// valueText shows a value: text as it is, the rest as HCL.
func valueText(v cty.Value) string {
	if v.IsNull() {
		return "null"
	}
	if v.IsKnown() && v.Type() == cty.String {
		return v.AsString()
	}
	if !v.IsWhollyKnown() {
		return "(not known yet)"
	}
	return string(hclwrite.TokensForValue(v).Bytes())
}

// varObject is var.*: what was resolved, else defaults, else unknown.
func (f *File) varObject(root *scope, in Input) (cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	defaults := root.child(defaultPhase(), nil)
	values := make(map[string]cty.Value, len(f.variables))
	for _, v := range f.variables {
		val, ok := in.Vars[v.Name]
		switch {
		case ok:
		case v.HasDefault && !v.dynamic:
			var more hcl.Diagnostics
			val, more = f.defaultValue(v, defaults)
			diags = append(diags, more...)
			if more.HasErrors() {
				val = cty.DynamicVal
			}
		default:
			val = cty.UnknownVal(v.Type)
		}
		if v.Sensitive {
			f.secrets.addValue(val, true)
			val = val.Mark(functions.Sensitive())
		}
		values[v.Name] = val
	}
	return cty.ObjectVal(values), diags
}
