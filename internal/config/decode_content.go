package config

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// bodyContent is a body taken apart by a struct's fields.
type bodyContent struct {
	attrs  map[string]*hcl.Attribute
	blocks map[string][]*hcl.Block
	rest   []*hcl.Attribute
}

// content takes a body apart. A name may be written as an attribute or as a block whatever the field is: real files do
// both, and the field decides what is made of it.
func (d *decoder) content(body hcl.Body, opener hcl.Range, fields []field) (*bodyContent, hcl.Diagnostics) {
	out := &bodyContent{attrs: map[string]*hcl.Attribute{}, blocks: map[string][]*hcl.Block{}}
	if native, ok := body.(*hclsyntax.Body); ok {
		return out, d.nativeContent(native, fields, out)
	}
	schema := &hcl.BodySchema{}
	remain := false
	for _, f := range fields {
		switch f.kind {
		case requiredAttr, optionalAttr:
			schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: f.name})
		case blockField:
			schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: f.name, LabelNames: labelNames(f.typ)})
		case remainField:
			remain = true
		}
	}
	var content *hcl.BodyContent
	var diags hcl.Diagnostics
	if remain {
		var rest hcl.Body
		content, rest, diags = body.PartialContent(schema)
		if attributes, more := rest.JustAttributes(); !more.HasErrors() {
			out.rest = sortedAttrs(attributes)
		}
	} else {
		content, diags = body.Content(schema)
	}
	for name, a := range content.Attributes {
		out.attrs[name] = a
	}
	for typ, blocks := range content.Blocks.ByType() {
		out.blocks[typ] = blocks
	}
	return out, diags
}

func (d *decoder) nativeContent(body *hclsyntax.Body, fields []field, out *bodyContent) hcl.Diagnostics {
	var diags hcl.Diagnostics
	find := func(name string) *field {
		for i, f := range fields {
			if f.name == name && f.kind != labelField && f.kind != remainField {
				return &fields[i]
			}
		}
		return nil
	}
	hasRemain := slices.ContainsFunc(fields, func(f field) bool { return f.kind == remainField })
	for _, a := range sortedAttributes(body) {
		switch attr := a.AsHCLAttribute(); {
		case find(a.Name) != nil:
			out.attrs[a.Name] = attr
		case hasRemain:
			out.rest = append(out.rest, attr)
		default:
			diags = append(diags, d.unknown("attribute", a.Name, a.NameRange, a.SrcRange, fields))
		}
	}
	for _, b := range body.Blocks {
		f := find(b.Type)
		if f == nil {
			if !d.scope.file.lang.reserved(b.Type) { // that was reported when the file was read
				diags = append(diags, d.unknown("block", b.Type, b.DefRange(), b.Range(), fields))
			}
			continue
		}
		diags = append(diags, d.checkBlockLabels(b, *f)...)
		if a := out.attrs[b.Type]; a != nil {
			diags = append(diags, errorAt(b.DefRange(), fmt.Sprintf("%q is set twice", b.Type),
				"It is an attribute at %s and a block here.", shortRange(a.Range)))
			continue
		}
		out.blocks[b.Type] = append(out.blocks[b.Type], b.AsHCLBlock())
	}
	return diags
}

func (d *decoder) checkBlockLabels(b *hclsyntax.Block, f field) hcl.Diagnostics {
	want := labelNames(f.typ)
	if len(b.Labels) == len(want) {
		return nil
	}
	if len(want) == 0 {
		return hcl.Diagnostics{errorAt(b.DefRange(), fmt.Sprintf("Label on block %q", b.Type),
			"A block %q has no label: write %s { … }.", b.Type, b.Type)}
	}
	return hcl.Diagnostics{errorAt(b.DefRange(), fmt.Sprintf("Missing label on block %q", b.Type),
		"Write %s { … }.", header(hcl.BlockHeaderSchema{Type: b.Type, LabelNames: want}))}
}

func (d *decoder) unknown(what, name string, rng, context hcl.Range, fields []field) *hcl.Diagnostic {
	var names, attrNames, blockNames []string
	for _, f := range fields {
		switch f.kind {
		case requiredAttr, optionalAttr:
			attrNames = append(attrNames, f.name)
		case blockField:
			blockNames = append(blockNames, f.name)
		default:
			continue
		}
		names = append(names, f.name)
	}
	diag := errorAt(rng, fmt.Sprintf("Unknown %s %q", what, name), "")
	diag.Context = context.Ptr()
	slices.Sort(attrNames)
	slices.Sort(blockNames)
	switch near, home := nearest(name, names), homeOf(name, fields); {
	case home != "":
		diag.Detail = fmt.Sprintf("%s has no %s %q itself: it belongs in %s { … }.", d.owner, what, name, home)
	case slices.ContainsFunc(d.outer, func(f field) bool { return f.name == name && f.kind != labelField }):
		diag.Detail = fmt.Sprintf("%s has no %s %q: it belongs outside the block.", d.owner, what, name)
	case near != "":
		diag.Detail = fmt.Sprintf("%s has no %s %q. Did you mean %q?", d.owner, what, name, near)
	case len(names) == 0:
		diag.Detail = fmt.Sprintf("%s has no configuration.", d.owner)
	default:
		diag.Detail = fmt.Sprintf("%s has %s.", d.owner, enumerate(attrNames, blockNames))
	}
	return diag
}

// homeOf finds the nested block that has a name; empty if there is none, or several.
func homeOf(name string, fields []field) string {
	home := ""
	for _, f := range fields {
		if f.kind != blockField {
			continue
		}
		t := f.typ
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			continue
		}
		inner, err := fieldsOf(t)
		if err != nil {
			continue
		}
		if slices.ContainsFunc(inner, func(f field) bool { return f.name == name && f.kind != labelField }) {
			if home != "" {
				return ""
			}
			home = f.name
		}
	}
	return home
}

// labelNames are the labels that a block of the field's struct has.
func labelNames(t reflect.Type) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	fields, err := fieldsOf(t)
	if err != nil {
		return nil
	}
	var names []string
	for _, f := range fields {
		if f.kind == labelField {
			names = append(names, f.name)
		}
	}
	return names
}
