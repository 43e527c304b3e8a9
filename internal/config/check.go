package config

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Use is one `use "plugin"` of the file, wherever it stands.
type Use struct {
	App    string
	Kind   StageKind
	Plugin string
	// Workspace or Selector is set if it holds only there.
	Workspace, Selector string
	Range               hcl.Range

	node    *node
	checker *checker
}

// Uses lists the plugins that the stages of all apps use, in all scopes.
func (f *File) Uses() []Use {
	c := &checker{file: f}
	var uses []Use
	for _, app := range f.root.children("app") {
		for _, kind := range []StageKind{Build, Registry, Deploy, Release} {
			st := stageOf(app, kind)
			add := func(u *node, workspace, selector string) {
				if u != nil && !isNoPlugin(kind, u) {
					uses = append(uses, Use{
						App: app.label, Kind: kind, Plugin: u.label, Workspace: workspace, Selector: selector,
						Range: u.rng, node: u, checker: c,
					})
				}
			}
			add(st.child("use"), "", "")
			for _, sc := range st.children("workspace", "label") {
				if sc.stanza.block == "label" {
					add(sc.child("use"), "", sc.label)
				} else {
					add(sc.child("use"), sc.label, "")
				}
			}
		}
	}
	return uses
}

// Check compares the body with the plugin's configuration struct (as for Stage.Decode) without running anything: unknown
// names, missing attributes, blocks and attributes confused, and values that cannot fit. What is known only later, an
// input variable or an artifact, fits where its type does.
//
// outputs say what the stages before have: by "artifact" and "deploy" a struct with hcl tags, or a pointer to one. What is
// not in it may be anything.
func (u Use) Check(target any, outputs map[string]any) (diags hcl.Diagnostics) {
	f := u.checker.file
	defer f.guard(&diags)
	d := &decoder{scope: u.checker.stage(u, outputs), owner: fmt.Sprintf("The plugin %q", u.Plugin), checkOnly: true}
	return f.finish(d.decode(u.node.body, u.node.rng, target))
}

// Check compares the body of `use` with the plugin's configuration as Use.Check does, with the values that are known. The
// stage must be of a project that was made with Input.Preview.
func (s *Stage) Check(target any) (diags hcl.Diagnostics) {
	defer s.file.guard(&diags)
	d := &decoder{scope: s.scope, owner: fmt.Sprintf("The plugin %q", s.Plugin), checkOnly: true}
	return s.file.finish(d.decode(s.use.body, s.use.rng, target))
}

// SourceUse is one dynamic("source", {…}) of the file.
type SourceUse struct {
	Source string
	Range  hcl.Range

	body    *hclsyntax.Body
	checker *checker
}

// SourceUses lists the config sources that the file asks with plain words: the name is text, the object is written out.
func (f *File) SourceUses() []SourceUse {
	c := &checker{file: f}
	var uses []SourceUse
	for _, e := range f.configExpressions() {
		native, ok := e.(hclsyntax.Expression)
		if !ok {
			continue
		}
		_ = hclsyntax.VisitAll(native, func(n hclsyntax.Node) hcl.Diagnostics {
			if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && (call.Name == "dynamic" || call.Name == "configdynamic") {
				if u, ok := sourceUse(call); ok {
					u.checker = c
					uses = append(uses, u)
				}
			}
			return nil
		})
	}
	return uses
}

// configExpressions are those that may call dynamic.
func (f *File) configExpressions() []hcl.Expression {
	var list []hcl.Expression
	add := func(config *node) {
		for _, sc := range configScopes(config) {
			for _, kind := range []ConfigKind{ConfigEnv, ConfigInternal, ConfigFile} {
				if e := sc.values[kind]; e != nil {
					list = append(list, e)
				}
			}
		}
	}
	for _, v := range f.variables {
		if v.Default != nil {
			list = append(list, v.Default)
		}
	}
	add(f.root.child("config"))
	for _, app := range f.root.children("app") {
		add(app.child("config"))
	}
	return list
}

func sourceUse(call *hclsyntax.FunctionCallExpr) (SourceUse, bool) {
	u := SourceUse{Range: call.Range(), body: &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, SrcRange: call.Range()}}
	if len(call.Args) == 0 || len(call.Args) > 2 {
		return u, false
	}
	name, diags := call.Args[0].Value(nil)
	text, err := asString(name)
	if diags.HasErrors() || err != nil {
		return u, false
	}
	u.Source = text
	if len(call.Args) == 1 {
		return u, true
	}
	object, ok := call.Args[1].(*hclsyntax.ObjectConsExpr)
	if !ok {
		return u, false
	}
	for _, item := range object.Items {
		key, diags := item.KeyExpr.Value(nil)
		text, err := asString(key)
		if diags.HasErrors() || err != nil {
			return u, false
		}
		u.body.Attributes[text] = &hclsyntax.Attribute{
			Name: text, Expr: item.ValueExpr, NameRange: item.KeyExpr.Range(),
			SrcRange: hcl.RangeBetween(item.KeyExpr.Range(), item.ValueExpr.Range()),
		}
	}
	return u, true
}

// Check compares the object with what the config source takes, as Use.Check does.
func (u SourceUse) Check(target any) (diags hcl.Diagnostics) {
	f := u.checker.file
	defer f.guard(&diags)
	d := &decoder{scope: u.checker.config(), owner: fmt.Sprintf("The config source %q", u.Source), checkOnly: true}
	return f.finish(d.decode(u.body, u.Range, target))
}

// A checker has the scope in which bodies are checked: everything that depends on where and when the file is evaluated is
// an unknown of its type, and functions that look at the machine are not called.
type checker struct {
	file *File
	root *scope
}

func (c *checker) stage(u Use, outputs map[string]any) *scope {
	p := stagePhase(u.Kind)
	vars := map[string]cty.Value{
		"app":    cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(u.App)}),
		"labels": cty.UnknownVal(cty.Map(cty.String)),
	}
	for _, name := range []string{"artifact", "deploy"} {
		if !p.sees(name) {
			continue
		}
		vars[name] = cty.DynamicVal
		if out := outputs[name]; out != nil {
			vars[name] = unknownOf(reflect.TypeOf(out))
		}
	}
	if p.sees("entrypoint") {
		vars["entrypoint"] = cty.ObjectVal(map[string]cty.Value{"env": cty.UnknownVal(cty.Map(cty.String))})
	}
	return c.scope().child(p, vars)
}

func (c *checker) config() *scope {
	text := cty.UnknownVal(cty.Map(cty.String))
	return c.scope().child(appConfigPhase(), map[string]cty.Value{
		"app":    cty.ObjectVal(map[string]cty.Value{"name": cty.UnknownVal(cty.String)}),
		"labels": text,
		"config": cty.ObjectVal(map[string]cty.Value{"env": text, "internal": text, "file": text}),
	})
}

func (c *checker) scope() *scope {
	if c.root != nil {
		return c.root
	}
	s := c.file.rootScope(Input{}, phase{})
	for name := range s.ctx.Functions {
		if looks(name) {
			s.ctx.Functions[name] = notCalled(name)
		}
	}
	text := cty.UnknownVal(cty.String)
	s.ctx.Variables = map[string]cty.Value{
		"path":      cty.ObjectVal(map[string]cty.Value{"pwd": text, "project": text, "app": text}),
		"workspace": cty.ObjectVal(map[string]cty.Value{"name": text}),
	}
	vars := map[string]cty.Value{}
	for _, v := range c.file.variables {
		vars[v.Name] = cty.DynamicVal
		if v.Type != cty.NilType {
			vars[v.Name] = cty.UnknownVal(v.Type.WithoutOptionalAttributesDeep())
		}
	}
	s.ctx.Variables["var"] = cty.ObjectVal(vars)
	c.root = s
	return s
}

// looks says whether a function looks at more than its arguments.
func looks(name string) bool {
	for _, prefix := range []string{"file", "template", "jsonnet", "gitre"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "abspath", "pathexpand", "timestamp", "uuid", "bcrypt":
		return true
	}
	return false
}

// notCalled takes any arguments and gives an unknown of the function's type.
func notCalled(name string) function.Function {
	t := cty.String
	switch name {
	case "fileexists":
		t = cty.Bool
	case "fileset":
		t = cty.Set(cty.String)
	}
	return function.New(&function.Spec{
		VarParam: &function.Parameter{
			Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
		},
		Type: function.StaticReturnType(t),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return cty.UnknownVal(t), nil },
	})
}

// unknownOf is an object with an unknown for each field of a struct with hcl tags.
func unknownOf(t reflect.Type) cty.Value {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return cty.DynamicVal
	}
	fields, err := fieldsOf(t)
	if err != nil {
		return cty.DynamicVal
	}
	object := map[string]cty.Value{}
	for _, f := range fields {
		object[f.name] = cty.UnknownVal(typeOf(f.typ))
	}
	return cty.ObjectVal(object)
}

// typeOf is the type of the values that a Go type holds.
func typeOf(t reflect.Type) cty.Type {
	switch t.Kind() {
	case reflect.String:
		return cty.String
	case reflect.Bool:
		return cty.Bool
	case reflect.Slice:
		return cty.List(typeOf(t.Elem()))
	case reflect.Map:
		return cty.Map(typeOf(t.Elem()))
	case reflect.Pointer:
		return typeOf(t.Elem())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return cty.Number
	}
	return cty.DynamicPseudoType
}

// Format returns source in canonical layout. Source that does not parse comes back as it is, with the errors.
func Format(src []byte, filename string) (out []byte, diags hcl.Diagnostics) {
	f := &File{Name: filename, src: src, secrets: &secrets{}}
	defer f.guard(&diags)
	if _, diags := parseBody(src, filename); diags.HasErrors() {
		return src, diags
	}
	out = hclwrite.Format(src)
	if !slices.EqualFunc(lexed(src, filename), lexed(out, filename), func(a, b hclsyntax.Token) bool {
		return a.Type == b.Type && bytes.Equal(a.Bytes, b.Bytes)
	}) {
		// The library closes the space in "0. 0", which becomes another number.
		return src, hcl.Diagnostics{{
			Severity: hcl.DiagWarning, Summary: filename + " is left as it is",
			Detail: "Its canonical layout would say something else. Look for a space beside a dot, such as in \"0. 0\".",
		}}
	}
	return out, nil
}

// lexed are the tokens of a source.
func lexed(src []byte, filename string) hclsyntax.Tokens {
	tokens, _ := hclsyntax.LexConfig(bytes.TrimPrefix(src, []byte("\ufeff")), filename, hcl.InitialPos)
	return tokens
}
