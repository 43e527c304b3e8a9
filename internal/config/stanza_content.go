package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// content takes a body apart by its stanza, and reports everything that does not belong there.
func (s *stanza) content(l *language, body hcl.Body, opener hcl.Range) (*hcl.BodyContent, hcl.Diagnostics) {
	required := s.requiredBlocks()
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		content, diags := body.Content(s.schema())
		return content, append(diags, s.counts(content, required, opener)...)
	}
	content, _, diags := native.PartialContent(s.schema())
	for _, d := range diags {
		s.improve(d, opener)
	}
	// A block that is there under a wrong name, which is reported, is not asked for as well.
	forgive := func(typ string) {
		required = slices.DeleteFunc(required, func(r string) bool { return r == typ })
	}
	_, blockNames := s.fieldNames()
	for _, a := range sortedAttributes(native) {
		if !s.hasAttr(a.Name) {
			diags = append(diags, s.strayAttribute(l, a))
			forgive(nearest(a.Name, blockNames))
		}
	}
	for _, b := range native.Blocks {
		if !s.hasBlock(b.Type) {
			diags = append(diags, s.strayBlock(l, b))
			forgive(nearest(b.Type, blockNames))
		}
	}
	return content, append(diags, s.counts(content, required, opener)...)
}

func (s *stanza) requiredBlocks() (types []string) {
	for _, p := range s.holds {
		if p.required {
			types = append(types, p.block)
		}
	}
	return types
}

// improve makes HCL's own messages about missing things say what to write, and point at the block that misses them.
func (s *stanza) improve(d *hcl.Diagnostic, opener hcl.Range) {
	switch {
	case d.Summary == "Missing required argument":
		d.Summary = fmt.Sprintf("Missing attribute in %s", s.name)
		if d.Subject != nil && !opener.Empty() {
			d.Subject = opener.Ptr()
		}
		d.Detail = strings.Replace(d.Detail, "The argument ", "The attribute ", 1)
	case strings.HasPrefix(d.Summary, "Missing ") || strings.HasPrefix(d.Summary, "Extraneous label"):
		typ := d.Summary[strings.LastIndexByte(d.Summary, ' ')+1:]
		if s.hasBlock(typ) {
			d.Detail = fmt.Sprintf("Write %s { … }.", header(s.place(typ).header()))
		}
	}
}

func (s *stanza) strayAttribute(l *language, a *hclsyntax.Attribute) *hcl.Diagnostic {
	attrNames, blockNames := s.fieldNames()
	d := &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  fmt.Sprintf("Unknown attribute %q", a.Name),
		Subject:  a.NameRange.Ptr(),
		Context:  a.SrcRange.Ptr(),
	}
	switch near := nearest(a.Name, append(slices.Clone(attrNames), blockNames...)); {
	case s.hasBlock(a.Name):
		d.Summary = fmt.Sprintf("%q is a block, not an attribute", a.Name)
		d.Detail = fmt.Sprintf("Write %s { … } without an equals sign.", header(s.place(a.Name).header()))
	case a.Name == "runner_profile": // what people write who know profiles by this name
		d.Detail = "The profile of an app's runner is the attribute profile of a block runner { … } in the app or at the top level."
	case near != "" && s.hasBlock(near) && !s.hasAttr(near):
		d.Detail = fmt.Sprintf("%s has no attribute %q. Did you mean the block %s { … }?", sentence(s.name), a.Name, header(s.place(near).header()))
	case near != "":
		d.Detail = fmt.Sprintf("%s has no attribute %q. Did you mean %q?", sentence(s.name), a.Name, near)
	case s.isStage():
		d.Detail = fmt.Sprintf("%s has only labels, use, hook, workspace and label. Attributes of a plugin go inside its use block.", sentence(s.name))
	case l.attrHome(a.Name) == s.name && s.narrows:
		d.Detail = fmt.Sprintf("%q belongs in the %s block of the app or at the top level, not in that of config.", a.Name, s.name)
	case l.attrHome(a.Name) != "":
		d.Detail = fmt.Sprintf("%q belongs in %s, not %s.", a.Name, l.attrHome(a.Name), s.within())
	case l.blockHome(a.Name) != "":
		d.Detail = fmt.Sprintf("%q is a block, and belongs %s, not %s.", a.Name, l.blockHome(a.Name), s.within())
	default:
		d.Detail = fmt.Sprintf("%s has %s.", sentence(s.name), enumerate(attrNames, blockNames))
	}
	return d
}

func (s *stanza) strayBlock(l *language, b *hclsyntax.Block) *hcl.Diagnostic {
	attrNames, blockNames := s.fieldNames()
	d := &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Subject:  b.DefRange().Ptr(),
	}
	home := l.blockHome(b.Type)
	near := nearest(b.Type, append(slices.Clone(blockNames), attrNames...))
	switch {
	case s.hasAttr(b.Type):
		d.Summary = fmt.Sprintf("%q is an attribute, not a block", b.Type)
		d.Detail = fmt.Sprintf("Write %s = … with an equals sign.", b.Type)
	case home != "":
		d.Summary = fmt.Sprintf("Misplaced block %q", b.Type)
		d.Detail = fmt.Sprintf("%q belongs %s, not %s.", b.Type, home, s.within())
		if s.name != "the top level" && l.outermost(b.Type) {
			d.Detail += " If its place looks right, a closing brace } may be missing further up."
		}
	case near != "":
		d.Summary = fmt.Sprintf("Unknown block %q", b.Type)
		d.Detail = fmt.Sprintf("%s has no block %q. Did you mean %q?", sentence(s.name), b.Type, near)
	default:
		d.Summary = fmt.Sprintf("Unknown block %q", b.Type)
		d.Detail = fmt.Sprintf("%s has %s.", sentence(s.name), enumerate(attrNames, blockNames))
		if s.isStage() {
			d.Detail += " Blocks of a plugin go inside its use block."
		}
	}
	return d
}

// within is "in app", "at the top level".
func (s *stanza) within() string {
	if s.name == "the top level" {
		return "at " + s.name
	}
	return "in " + s.name
}

func (s *stanza) isStage() bool {
	switch StageKind(s.name) {
	case Build, Registry, Deploy, Release:
		return true
	}
	return false
}

func header(b hcl.BlockHeaderSchema) string {
	text := b.Type
	for _, l := range b.LabelNames {
		text += fmt.Sprintf(" %q", strings.ToUpper(l))
	}
	return text
}

// counts checks how often blocks occur.
func (s *stanza) counts(content *hcl.BodyContent, required []string, opener hcl.Range) hcl.Diagnostics {
	if content == nil {
		return nil
	}
	var diags hcl.Diagnostics
	for typ, blocks := range content.Blocks.ByType() {
		if len(blocks) > 1 && s.place(typ).single {
			for _, extra := range blocks[1:] {
				diags = append(diags, &hcl.Diagnostic{
					Severity: hcl.DiagError,
					Summary:  fmt.Sprintf("Second block %q", typ),
					Detail:   fmt.Sprintf("%s has one %q; the first is at %s.", sentence(s.name), typ, shortRange(blocks[0].DefRange)),
					Subject:  extra.DefRange.Ptr(),
				})
			}
		}
	}
	for _, typ := range required {
		if len(content.Blocks.OfType(typ)) == 0 {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  fmt.Sprintf("Missing block %q", typ),
				Detail:   fmt.Sprintf("%s requires a block %s { … }.", sentence(s.name), header(s.place(typ).header())),
				Subject:  opener.Ptr(),
			})
		}
	}
	return diags
}

func sortedAttributes(body *hclsyntax.Body) []*hclsyntax.Attribute {
	list := make([]*hclsyntax.Attribute, 0, len(body.Attributes))
	for _, a := range body.Attributes {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *hclsyntax.Attribute) int { return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte })
	return list
}

// sentence makes a stanza's name begin a sentence.
func sentence(name string) string {
	if rest, ok := strings.CutPrefix(name, "the "); ok {
		return "The " + rest
	}
	return fmt.Sprintf("%q", name)
}

func enumerate(attrNames, blockNames []string) string {
	switch {
	case len(attrNames) == 0 && len(blockNames) == 0:
		return "neither attributes nor blocks"
	case len(blockNames) == 0:
		return "only " + words(attrNames)
	case len(attrNames) == 0:
		return "only " + blockWords(blockNames)
	}
	return "only " + words(attrNames) + ", and " + blockWords(blockNames)
}

func blockWords(names []string) string {
	if len(names) == 1 {
		return "the block " + names[0]
	}
	return "the blocks " + words(names)
}

// words joins names: "a, b and c".
func words(list []string) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

func shortRange(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }
