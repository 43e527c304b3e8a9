package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// How a struct field is filled.
type fieldKind int

const (
	requiredAttr fieldKind = iota
	optionalAttr
	blockField
	labelField
	remainField
)

type field struct {
	name  string
	kind  fieldKind
	index int
	typ   reflect.Type
}

// fieldsOf reads the hcl tags of a struct type. Embedded structs without a tag are not looked into.
func fieldsOf(t reflect.Type) ([]field, error) {
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, ok := sf.Tag.Lookup("hcl")
		if !ok || tag == "-" {
			continue
		}
		name, kind, _ := strings.Cut(tag, ",")
		f := field{name: name, index: i, typ: sf.Type}
		switch kind {
		case "", "attr":
			f.kind = requiredAttr
		case "optional":
			f.kind = optionalAttr
		case "block":
			f.kind = blockField
		case "label":
			f.kind = labelField
		case "remain":
			f.kind = remainField
		default:
			return nil, fmt.Errorf("field %s of %s has the unknown hcl tag %q", sf.Name, t, tag)
		}
		if !sf.IsExported() {
			return nil, fmt.Errorf("field %s of %s has an hcl tag but is not exported", sf.Name, t)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func (s *scope) decodeUse(use *node, target any) hcl.Diagnostics {
	d := &decoder{scope: s, owner: fmt.Sprintf("The plugin %q", use.label)}
	return d.decode(use.body, use.rng, target)
}

// A decoder fills Go structs from bodies.
type decoder struct {
	scope *scope
	// owner begins sentences: `The plugin "docker"`, `"auth"`.
	owner string
	// checkOnly takes values that are not known yet.
	checkOnly bool
	// outer are the fields of the body around this one.
	outer []field
}

func (d *decoder) decode(body hcl.Body, opener hcl.Range, target any) hcl.Diagnostics {
	switch t := target.(type) {
	case nil:
		return d.nothing(body)
	case *map[string]any:
		return d.freeForm(body, t)
	}
	v := reflect.ValueOf(target)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return hcl.Diagnostics{errorAt(opener, "Unusable configuration", "%s has its configuration in a %T, which is not a struct.", d.owner, target)}
	}
	return d.structBody(body, opener, v.Elem(), nil)
}

// nothing refuses whatever a body has.
func (d *decoder) nothing(body hcl.Body) hcl.Diagnostics {
	_, diags := d.content(body, hcl.Range{}, nil)
	return diags
}

// freeForm takes whatever a body has. Each type of block becomes a list of maps.
func (d *decoder) freeForm(body hcl.Body, target *map[string]any) hcl.Diagnostics {
	if *target == nil {
		*target = map[string]any{}
	}
	var attributes []*hcl.Attribute
	var blocks []*hclsyntax.Block
	var diags hcl.Diagnostics
	if native, ok := body.(*hclsyntax.Body); ok {
		for _, a := range sortedAttributes(native) {
			attributes = append(attributes, a.AsHCLAttribute())
		}
		blocks = native.Blocks
	} else {
		var all hcl.Attributes
		all, diags = body.JustAttributes()
		attributes = sortedAttrs(all)
	}
	for _, a := range attributes {
		v, more := d.scope.eval(a.Expr)
		if diags = append(diags, more...); more.HasErrors() || d.checkOnly && !v.IsWhollyKnown() {
			continue
		}
		out, err := fromCtyAny(v)
		if err != nil {
			diags = append(diags, d.scope.wrongValue(a.Expr, a.Name, err))
			continue
		}
		(*target)[a.Name] = out
	}
	for _, b := range blocks {
		inner := map[string]any{}
		diags = append(diags, d.freeForm(b.Body, &inner)...)
		list, _ := (*target)[b.Type].([]any)
		(*target)[b.Type] = append(list, inner)
	}
	return diags
}

func sortedAttrs(m hcl.Attributes) []*hcl.Attribute {
	list := make([]*hcl.Attribute, 0, len(m))
	for _, a := range m {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *hcl.Attribute) int { return a.Range.Start.Byte - b.Range.Start.Byte })
	return list
}

// structBody fills v from a body.
func (d *decoder) structBody(body hcl.Body, opener hcl.Range, v reflect.Value, labels []string) hcl.Diagnostics {
	fields, err := fieldsOf(v.Type())
	if err != nil {
		return hcl.Diagnostics{errorAt(opener, "Unusable configuration", "%s.", upperFirst(err.Error()))}
	}
	content, diags := d.content(body, opener, fields)
	label := 0
	for _, f := range fields {
		target := v.Field(f.index)
		switch f.kind {
		case labelField:
			if label < len(labels) && target.Kind() == reflect.String {
				target.SetString(labels[label])
			}
			label++
		case remainField:
			diags = append(diags, d.remain(body, content.rest, target)...)
		case blockField:
			diags = append(diags, d.blockValue(f, fields, content, target)...)
		default:
			diags = append(diags, d.attrValue(f, content, opener, target)...)
		}
	}
	return diags
}

func (d *decoder) remain(body hcl.Body, rest []*hcl.Attribute, target reflect.Value) hcl.Diagnostics {
	if target.Type() == reflect.TypeFor[hcl.Body]() {
		target.Set(reflect.ValueOf(body))
		return nil
	}
	if target.Kind() != reflect.Map || target.Type().Key().Kind() != reflect.String {
		return nil
	}
	var diags hcl.Diagnostics
	out := reflect.MakeMap(target.Type())
	for _, a := range rest {
		elem := reflect.New(target.Type().Elem()).Elem()
		diags = append(diags, d.exprValue(a.Expr, a.Name, elem)...)
		out.SetMapIndex(reflect.ValueOf(a.Name).Convert(target.Type().Key()), elem)
	}
	if len(rest) > 0 {
		target.Set(out)
	}
	return diags
}

func (d *decoder) attrValue(f field, content *bodyContent, opener hcl.Range, target reflect.Value) hcl.Diagnostics {
	if a := content.attrs[f.name]; a != nil {
		return d.attribute(f, a, target)
	}
	if blocks := content.blocks[f.name]; len(blocks) > 0 {
		return d.blockAsAttr(f, blocks, target)
	}
	if f.kind == requiredAttr {
		return hcl.Diagnostics{errorAt(opener, fmt.Sprintf("Missing attribute %q", f.name), "%s requires %q.", d.owner, f.name)}
	}
	return nil
}

func (d *decoder) attribute(f field, a *hcl.Attribute, target reflect.Value) hcl.Diagnostics {
	v, diags := d.scope.eval(a.Expr)
	if diags.HasErrors() {
		return diags
	}
	bare, _ := v.UnmarkDeep()
	if bare.IsNull() {
		if f.kind == requiredAttr {
			return append(diags, errorAt(a.Expr.Range(), fmt.Sprintf("Missing attribute %q", f.name), "%s requires %q, but it is null.", d.owner, f.name))
		}
		return diags
	}
	if isEmptyText(bare) && f.kind == optionalAttr && !acceptsText(f.typ) {
		// Generated files say x = "" for what was skipped.
		return diags
	}
	if err := setValue(target, v, d.checkOnly); err != nil {
		diags = append(diags, d.scope.wrongValue(a.Expr, f.name, err))
	}
	return diags
}

func (d *decoder) exprValue(e hcl.Expression, name string, target reflect.Value) hcl.Diagnostics {
	v, diags := d.scope.eval(e)
	if diags.HasErrors() {
		return diags
	}
	if bare, _ := v.Unmark(); bare.IsNull() {
		return diags
	}
	if err := setValue(target, v, d.checkOnly); err != nil {
		diags = append(diags, d.scope.wrongValue(e, name, err))
	}
	return diags
}

func isEmptyText(v cty.Value) bool {
	return v.Type() == cty.String && v.IsKnown() && !v.IsNull() && v.AsString() == ""
}

func acceptsText(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.String || t.Kind() == reflect.Interface || t == reflect.TypeFor[cty.Value]()
}

// blockAsAttr reads name { a = b } for a field that is a map (or struct) attribute: name = { a = b }.
func (d *decoder) blockAsAttr(f field, blocks []*hcl.Block, target reflect.Value) hcl.Diagnostics {
	t := f.typ
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Map {
		return hcl.Diagnostics{errorAt(blocks[0].DefRange, fmt.Sprintf("%q is an attribute, not a block", f.name),
			"Write %s = … with an equals sign.", f.name)}
	}
	var diags hcl.Diagnostics
	out := reflect.MakeMap(t)
	for _, b := range blocks {
		attributes, more := b.Body.JustAttributes()
		diags = append(diags, more...)
		for _, a := range sortedAttrs(attributes) {
			elem := reflect.New(t.Elem()).Elem()
			diags = append(diags, d.exprValue(a.Expr, a.Name, elem)...)
			out.SetMapIndex(reflect.ValueOf(a.Name).Convert(t.Key()), elem)
		}
	}
	reach(target).Set(out)
	return diags
}

// reach follows pointers, making what they point to.
func reach(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	return v
}

func (d *decoder) blockValue(f field, fields []field, content *bodyContent, target reflect.Value) hcl.Diagnostics {
	if a := content.attrs[f.name]; a != nil {
		return d.attrAsBlock(f, a, target)
	}
	blocks := content.blocks[f.name]
	if len(blocks) == 0 {
		return nil
	}
	inner := &decoder{scope: d.scope, checkOnly: d.checkOnly, outer: fields, owner: fmt.Sprintf("%q", f.name)}
	switch t := target.Type(); {
	case t.Kind() == reflect.Slice:
		list := reflect.MakeSlice(t, 0, len(blocks))
		var diags hcl.Diagnostics
		for _, b := range blocks {
			elem := reflect.New(t.Elem()).Elem()
			diags = append(diags, inner.oneBlock(b, elem)...)
			list = reflect.Append(list, elem)
		}
		target.Set(list)
		return diags
	case len(blocks) > 1:
		return hcl.Diagnostics{errorAt(blocks[1].DefRange, fmt.Sprintf("Second block %q", f.name),
			"%s has one %q; the first is at %s.", d.owner, f.name, shortRange(blocks[0].DefRange))}
	default:
		return inner.oneBlock(blocks[0], target)
	}
}

func (d *decoder) oneBlock(b *hcl.Block, target reflect.Value) hcl.Diagnostics {
	target = reach(target)
	switch target.Kind() {
	case reflect.Struct:
		return d.structBody(b.Body, b.DefRange, target, b.Labels)
	case reflect.Map:
		return d.blockAsAttr(field{name: b.Type, typ: target.Type()}, []*hcl.Block{b}, target)
	}
	return hcl.Diagnostics{errorAt(b.DefRange, "Unusable configuration", "A block cannot fill a %s.", target.Type())}
}

// attrAsBlock reads name = { a = b } (or a list of those) for a field that is a block.
func (d *decoder) attrAsBlock(f field, a *hcl.Attribute, target reflect.Value) hcl.Diagnostics {
	v, diags := d.scope.eval(a.Expr)
	if diags.HasErrors() {
		return diags
	}
	bare, _ := v.UnmarkDeep()
	if bare.IsNull() || isEmptyText(bare) || d.checkOnly && bare.Type() == cty.DynamicPseudoType {
		return diags
	}
	if t := bare.Type(); !t.IsObjectType() && !t.IsMapType() && !t.IsListType() && !t.IsTupleType() {
		return append(diags, d.scope.wrongValue(a.Expr, f.name, fmt.Errorf("it is a block: write %s { … }", f.name)))
	}
	if err := setValue(target, v, d.checkOnly); err != nil {
		diags = append(diags, d.scope.wrongValue(a.Expr, f.name, fmt.Errorf("it is a block, best written %s { … }: %w", f.name, err)))
	}
	return diags
}
