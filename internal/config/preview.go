package config

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// Preview is the body of a `use` as it is known before anything runs.
type Preview struct {
	Attrs  []PreviewAttr
	Blocks []PreviewBlock
}

// PreviewAttr is an attribute. Value is its value as HCL text and JSON, both empty if it is sensitive or not known yet.
type PreviewAttr struct {
	Name, Value string
	JSON        json.RawMessage
	Sensitive   bool
	// Rendered names the template that the value is made of, and the digest of what was rendered: the value is the path of
	// a file that exists only while the operation runs.
	Rendered string
	// Later says when it will be known: "after build", "after push", "after deploy", "in the deployment", "on the runner",
	// "when it runs"; "" for one that is known.
	Later string
}

// PreviewBlock is a nested block.
type PreviewBlock struct {
	Type   string
	Labels []string
	Preview
}

// Preview evaluates the body of `use` as far as it can be, without knowing the plugin. The stage must be of a project that
// was made with Input.Preview.
func (s *Stage) Preview() (p Preview, diags hcl.Diagnostics) {
	defer s.file.guard(&diags)
	p, diags = s.preview(s.use.body)
	return p, s.file.finish(diags)
}

func (s *Stage) preview(body hcl.Body) (p Preview, diags hcl.Diagnostics) {
	attrs, blocks := hcl.Attributes{}, hclsyntax.Blocks(nil)
	if native, ok := body.(*hclsyntax.Body); ok {
		for name, a := range native.Attributes {
			attrs[name] = a.AsHCLAttribute()
		}
		blocks = native.Blocks
	} else {
		attrs, diags = body.JustAttributes()
	}
	list := make([]*hcl.Attribute, 0, len(attrs))
	for _, a := range attrs {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *hcl.Attribute) int {
		return cmp.Or(cmp.Compare(a.Range.Start.Byte, b.Range.Start.Byte), cmp.Compare(a.Name, b.Name))
	})
	for _, a := range list {
		attr, more := s.previewAttr(a)
		p.Attrs, diags = append(p.Attrs, attr), append(diags, more...)
	}
	for _, b := range blocks {
		inner, more := s.preview(b.Body)
		p.Blocks, diags = append(p.Blocks, PreviewBlock{Type: b.Type, Labels: b.Labels, Preview: inner}), append(diags, more...)
	}
	return p, diags
}

func (s *Stage) previewAttr(a *hcl.Attribute) (PreviewAttr, hcl.Diagnostics) {
	out := PreviewAttr{Name: a.Name}
	v, diags := s.scope.eval(a.Expr)
	if diags.HasErrors() {
		return out, diags
	}
	v, marks := v.UnmarkDeep()
	_, out.Sensitive = marks[functions.Sensitive()]
	for mark := range marks {
		if r, ok := mark.(rendered); ok {
			out.Rendered = r.text
		}
	}
	switch {
	case len(diags) > 0 && !v.IsKnown(): // a file that is on the runner
		out.Later = "on the runner"
	case !v.IsWhollyKnown() && out.Rendered == "":
		out.Later = s.later(a.Expr)
	}
	if out.Sensitive || out.Later != "" || out.Rendered != "" {
		return out, diags
	}
	out.Value = hclText(v)
	raw, err := ctyjson.Marshal(v, v.Type())
	if err == nil {
		out.JSON = raw
	}
	return out, diags
}

// later says when an expression will be known: what comes last of what it refers to.
func (s *Stage) later(e hcl.Expression) string {
	roots := map[string]bool{}
	for _, t := range e.Variables() {
		roots[t.RootName()] = true
	}
	switch {
	case roots["deploy"]:
		return "after deploy"
	case roots["entrypoint"]:
		return "in the deployment"
	case roots["artifact"] && s.Kind == Registry:
		return "after build"
	case roots["artifact"]:
		return "after push"
	case roots["var"]:
		return "on the runner"
	}
	return "when it runs" // a template that sees what is not known yet
}

// hclText is a known value as it would be written.
func hclText(v cty.Value) string {
	if v.IsNull() {
		return "null"
	}
	return string(hclwrite.TokensForValue(v).Bytes())
}
