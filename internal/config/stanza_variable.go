package config

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

func variableStanza() *stanza {
	p := defaultPhase()
	return &stanza{
		block: "variable", name: "variable", label: "name", home: "at the top level of the file", attrHome: "variable", reserved: true,
		attrs: []attribute{
			carriedBy("type", "VarUsed.Type").asConstant(), carriedBy("default", "File.ResolveVars"),
			carriedBy("description", "File.ResolveVars").asConstant(), carriedBy("env", "File.VarsFromEnv").asConstant(),
			carriedBy("sensitive", "VarUsed.Sensitive").asConstant(),
		},
		mark: "C", rule: "`variable` has `type`, `default`, `description`, `env` and `sensitive`. A default may use `workspace.name`, `path`, " +
			"functions and `dynamic(…)`, and no other variable.",
		phase: &p,
		enter: (*File).readVariable,
	}
}

// VariableDecl is a declared input variable.
type VariableDecl struct {
	Name        string
	Description string
	// Type is cty.DynamicPseudoType for `any` and for a missing type.
	Type cty.Type
	// HasDefault reports whether a value may be left out.
	HasDefault bool
	// Default is the default's expression; nil without one.
	Default hcl.Expression
	// Env are environment variables of the runner that give the value.
	Env       []string
	Sensitive bool
	Range     hcl.Range

	typeGiven bool
	// compound: there is no type, but a default that is a list or object: given text is then HCL.
	compound bool
	dynamic  bool
	defaults *typeexpr.Defaults
}

// IsDynamic reports whether the default is dynamic(…), which only a runner can fetch.
func (v *VariableDecl) IsDynamic() bool { return v.dynamic }

// readVariable reads a declaration: all of it but the default is constant.
func (f *File) readVariable(n *node) (diags hcl.Diagnostics) {
	v := &VariableDecl{Name: n.label, Type: cty.DynamicPseudoType, Range: n.rng}
	if !hclsyntax.ValidIdentifier(v.Name) {
		diags = append(diags, errorAt(n.labelRange, "Invalid variable name",
			"A variable's name begins with a letter and has letters, digits, underscores and hyphens."))
	}
	if first := f.variable(v.Name); first != nil {
		return append(diags, errorAt(n.rng, fmt.Sprintf("Second variable %q", v.Name),
			"A variable's name must be unique; the first is at %s.", shortRange(first.Range)))
	}
	f.variables = append(f.variables, v)
	diags = append(diags, v.readType(n.expr("type"))...)
	constants := &scope{file: f, ctx: &hcl.EvalContext{}, phase: phase{name: "variable"}}
	diags = append(diags, constants.evalString(n.expr("description"), "description", &v.Description)...)
	sensitive, more := constants.evalBool(n.expr("sensitive"), "sensitive")
	diags = append(diags, more...)
	v.Sensitive = sensitive != nil && *sensitive
	if e := n.expr("env"); e != nil {
		val, more := constants.eval(e)
		diags = append(diags, more...)
		var err error
		if v.Env, err = asStrings(val); err != nil && !more.HasErrors() {
			diags = append(diags, constants.wrongValue(e, "env", errors.New(`a list of environment variables such as ["MY_VAR"] is required`)))
		}
	}
	if e := n.expr("default"); e != nil {
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
	word := hcl.ExprAsKeyword(e)
	if call, no := hcl.ExprCall(e); !no.HasErrors() {
		word = call.Name
	}
	near := nearest(word, []string{"string", "number", "bool", "any", "list", "set", "map", "object", "tuple"})
	for _, d := range diags {
		if near != "" && near != word && d.Subject != nil {
			d.Detail += fmt.Sprintf(" Did you mean %q?", near)
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
	val, diags := v.Default.Value(&hcl.EvalContext{}) // a constant makes nothing of nothing
	if !diags.HasErrors() && functions.NewMeter(context.Background()).Look(val) != nil {
		return hcl.Diagnostics{numberOutOfRange(v.Default.Range())}
	}
	if diags.HasErrors() {
		return diags
	}
	if v.Sensitive {
		f.secrets.addValue(val, true)
	}
	v.compound = !v.typeGiven && !val.Type().IsPrimitiveType() && val.Type() != cty.DynamicPseudoType
	if _, err := v.convert(val); err != nil {
		return hcl.Diagnostics{errorAt(v.Default.Range(), "Invalid default",
			"The default of %q does not match its type %s: %s.", v.Name, typeName(v.Type), err)}
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
		return out, functions.NewMeter(context.Background()).Look(out)
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
