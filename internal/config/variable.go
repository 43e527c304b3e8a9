package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// VarSource says where a variable's value came from. Larger wins.
type VarSource int

// Sources, lowest precedence first.
const (
	SourceDefault   VarSource = iota // the declaration
	SourceDynamic                    // a dynamic default, fetched by the runner
	SourceServer                     // stored with the project on the server
	SourceRunnerEnv                  // the runner's environment: WP_VAR_name, else the names in `env`
	SourceAutoFile                   // *.auto.wpvars and *.auto.wpvars.json beside waypoint.hcl
	SourceEnv                        // the caller's environment: WP_VAR_name
	SourceFile                       // -var-file
	SourceFlag                       // -var
)

// String is the word that people see: "default", "env", …
func (s VarSource) String() string {
	names := [...]string{"default", "dynamic", "server", "runner env", "auto file", "env", "file", "flag"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// VarInput is one value given for a variable.
type VarInput struct {
	Name string
	// Value is text as a flag or an environment variable has it: taken as it is for string variables, as a number or
	// bool for those, else parsed as an HCL expression. Typed, if it is not cty.NilVal, is used instead.
	Value string
	Typed cty.Value
	// Source orders the inputs; among equals the later one wins.
	Source VarSource
	// Origin is what people see: the file's path, the environment variable's name, "-var".
	Origin string
	// Range is where it stands in Origin, if that is a file.
	Range hcl.Range
}

// VarUsed is one row of the "variables used" table.
type VarUsed struct {
	Name string
	// Value is the final value as HCL text; empty if Sensitive.
	Value string
	// Type in HCL's words: "string", "list(string)".
	Type      string
	Source    VarSource
	Origin    string
	Sensitive bool
}

// VariableDecl is a declared input variable.
type VariableDecl struct {
	Name        string
	Description string
	// Type is cty.DynamicPseudoType for `any` and for a missing type.
	Type cty.Type
	// HasDefault says whether a value may be left out.
	HasDefault bool
	// Default is the default's expression; nil without one.
	Default hcl.Expression
	// Env are environment variables of the runner that give the value.
	Env       []string
	Sensitive bool
	Range     hcl.Range

	typeGiven bool
	// compound says that there is no type, but a default that is a list or object: given text is then HCL.
	compound bool
	dynamic  bool
	defaults *typeexpr.Defaults
}

// IsDynamic says whether the default is dynamic(…), which only a runner can fetch.
func (v *VariableDecl) IsDynamic() bool { return v.dynamic }

func (f *File) readVariable(b *hcl.Block) hcl.Diagnostics {
	content, diags := variableStanza().read(b.Body, b.DefRange)
	v := &VariableDecl{Name: b.Labels[0], Type: cty.DynamicPseudoType, Range: b.DefRange}
	if !hclsyntax.ValidIdentifier(v.Name) {
		diags = append(diags, errorAt(b.LabelRanges[0], "Invalid variable name",
			"A variable's name begins with a letter and has letters, digits, underscores and hyphens."))
	}
	if first := f.variable(v.Name); first != nil {
		return append(diags, errorAt(b.DefRange, fmt.Sprintf("Second variable %q", v.Name),
			"A variable's name must be unique; the first is at %s.", shortRange(first.Range)))
	}
	f.variables = append(f.variables, v)
	diags = append(diags, v.readType(expr(content, "type"))...)
	constants := &scope{file: f, ctx: &hcl.EvalContext{}, phase: phase{name: "variable"}}
	diags = append(diags, constants.evalString(expr(content, "description"), "description", &v.Description)...)
	sensitive, more := constants.evalBool(expr(content, "sensitive"), "sensitive")
	diags = append(diags, more...)
	v.Sensitive = sensitive != nil && *sensitive
	if e := expr(content, "env"); e != nil {
		val, more := constants.eval(e)
		diags = append(diags, more...)
		var err error
		if v.Env, err = asStrings(val); err != nil && !more.HasErrors() {
			diags = append(diags, constants.wrongValue(e, "env", errors.New(`a list of environment variables such as ["MY_VAR"] is required`)))
		}
	}
	if e := expr(content, "default"); e != nil {
		v.Default, v.HasDefault = e, true
		diags = append(diags, f.readDefault(v)...)
	}
	return diags
}

func (v *VariableDecl) readType(e hcl.Expression) hcl.Diagnostics {
	if e == nil {
		return nil
	}
	v.typeGiven = true
	// list, map and set alone are of anything.
	switch hcl.ExprAsKeyword(e) {
	case "list":
		v.Type = cty.List(cty.DynamicPseudoType)
		return nil
	case "map":
		v.Type = cty.Map(cty.DynamicPseudoType)
		return nil
	case "set":
		v.Type = cty.Set(cty.DynamicPseudoType)
		return nil
	}
	t, defaults, diags := typeexpr.TypeConstraintWithDefaults(e)
	if !diags.HasErrors() {
		v.Type, v.defaults = t, defaults
	}
	for _, d := range diags {
		if names := []string{"string", "number", "bool", "any", "list", "set", "map", "object", "tuple"}; d.Subject != nil {
			if near := nearest(hcl.ExprAsKeyword(e), names); near != "" {
				d.Detail += fmt.Sprintf(" Did you mean %q?", near)
			}
		}
	}
	return diags
}

// readDefault checks what can be checked of a default without a workspace.
func (f *File) readDefault(v *VariableDecl) hcl.Diagnostics {
	if v.Sensitive {
		f.secrets.addRange(v.Default.Range())
	}
	if call, diags := hcl.ExprCall(v.Default); !diags.HasErrors() && (call.Name == "dynamic" || call.Name == "configdynamic") {
		v.dynamic = true
		return nil
	}
	native, ok := v.Default.(hclsyntax.Expression)
	if ok && !isConstant(native) || len(v.Default.Variables()) > 0 {
		return nil
	}
	val, diags := v.Default.Value(&hcl.EvalContext{})
	if diags.HasErrors() {
		return diags
	}
	if v.Sensitive {
		f.secrets.addValue(val, true)
	}
	v.compound = !v.typeGiven && !val.Type().IsPrimitiveType() && val.Type() != cty.DynamicPseudoType
	if _, err := v.convert(val); err != nil {
		return hcl.Diagnostics{errorAt(v.Default.Range(), "Invalid default",
			"The default of %q does not fit its type %s: %s.", v.Name, typeName(v.Type), err)}
	}
	return nil
}

func isConstant(e hclsyntax.Expression) bool {
	constant := true
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		switch n.(type) {
		case *hclsyntax.FunctionCallExpr, *hclsyntax.ScopeTraversalExpr:
			constant = false
		}
		return nil
	})
	return constant
}

// convert makes a value the variable's type. Its error does not show the value.
func (v *VariableDecl) convert(val cty.Value) (cty.Value, error) {
	if v.defaults != nil && !val.IsNull() {
		val = v.defaults.Apply(val)
	}
	out, err := convert.Convert(val, v.Type)
	if err == nil {
		return out, nil
	}
	var path cty.PathError
	if errors.As(err, &path) && len(path.Path) > 0 {
		return cty.NilVal, fmt.Errorf("at %s: %w", pathText(path.Path), err)
	}
	return cty.NilVal, err
}

func pathText(path cty.Path) string {
	var b strings.Builder
	for i, step := range path {
		switch s := step.(type) {
		case cty.GetAttrStep:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Name)
		case cty.IndexStep:
			if key, err := asString(s.Key); err == nil {
				fmt.Fprintf(&b, "[%s]", key)
			}
		}
	}
	return b.String()
}

func typeName(t cty.Type) string { return typeexpr.TypeString(t) }

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
			if g.Source != SourceEnv && g.Source != SourceRunnerEnv {
				diags = append(diags, f.undeclaredInput(g))
			}
			continue
		}
		if v.Sensitive {
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
		val, more := f.resolveOne(v, g, isGiven, root)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		row := VarUsed{Name: v.Name, Type: typeName(val.Type()), Source: g.Source, Origin: g.Origin, Sensitive: v.Sensitive}
		if v.Sensitive {
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
		return cty.NilVal, hcl.Diagnostics{errorAt(v.Range, fmt.Sprintf("Variable %q has no value here", v.Name),
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
			"The default of %q does not fit its type %s: %s.", v.Name, typeName(v.Type), err))
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
	ways := []string{fmt.Sprintf("-var %s=…", v.Name), "a file of values (-var-file)", "the environment variable WP_VAR_" + v.Name}
	for _, e := range v.Env {
		ways = append(ways, e+" in the runner's environment")
	}
	detail := fmt.Sprintf("Set it with %s, or give it a default.", strings.Join(ways, ", "))
	if v.Description != "" {
		detail = fmt.Sprintf("It is described as: %s\n%s", v.Description, detail)
	}
	return errorAt(v.Range, fmt.Sprintf("Variable %q has no value", v.Name), "%s", detail)
}

func (f *File) undeclaredInput(g VarInput) *hcl.Diagnostic {
	d := f.undeclared(g.Name, g.Range)
	d.Summary = fmt.Sprintf("Value for undeclared variable %q", g.Name)
	if g.Range.Empty() {
		d.Subject = nil
	}
	if g.Origin != "" && g.Origin != g.Range.Filename {
		d.Detail = fmt.Sprintf("It is given by %s. ", g.Origin) + d.Detail
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
		if reason != "" && !v.Sensitive {
			reason = ": " + strings.TrimSuffix(reason, ".")
		} else {
			reason = ""
		}
		return hcl.Diagnostics{errorAt(where, fmt.Sprintf("Invalid value for variable %q", v.Name),
			"The value given by %s does not fit the type %s%s.", origin, typeName(v.Type), reason)}
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
	case v.Type == cty.Number || v.Type == cty.Bool:
		return cty.StringVal(strings.TrimSpace(text)), nil
	}
	val, err := parseValue(text)
	if err != nil && v.Type == cty.DynamicPseudoType {
		return cty.StringVal(text), nil
	}
	return val, err
}

func parseValue(text string) (cty.Value, error) {
	if d := tooDeep([]byte(text), ""); d != nil {
		return cty.NilVal, errors.New(d.Detail)
	}
	e, diags := hclsyntax.ParseExpression([]byte(text), "value", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("it is not an HCL expression: %s", diags[0].Detail)
	}
	val, diags := e.Value(nil)
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
