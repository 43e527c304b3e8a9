package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// deferred turns an expression that refers to config values known only in the entrypoint into a template for it: every
// part that can be evaluated now is replaced by its value. The bool says whether a sensitive value was written into it.
func (s *scope) deferred(e hcl.Expression) (string, bool, hcl.Diagnostics) {
	if native, ok := e.(hclsyntax.Expression); ok {
		src := s.file.src
		r := e.Range()
		if r.Filename != s.file.Name || r.End.Byte > len(src) {
			return "", false, hcl.Diagnostics{errorAt(r, "Value cannot be deferred", "It refers to config values in a way that the entrypoint cannot evaluate later.")}
		}
		text, sensitive, diags := s.substitute(native, src[r.Start.Byte:r.End.Byte], r.Start.Byte)
		if strings.Contains(text, "<<") {
			text += "\n" // the end of a heredoc stands on a line of its own
		}
		return "${" + text + "}", sensitive, diags
	}
	// JSON: the string is a template.
	raw, diags := e.Value(nil)
	if diags.HasErrors() || raw.Type() != cty.String || !raw.IsKnown() {
		return "", false, hcl.Diagnostics{errorAt(e.Range(), "Value cannot be deferred", "A value that refers to config values must be text.")}
	}
	src := []byte(raw.AsString())
	native, diags := hclsyntax.ParseTemplate(src, s.file.Name, hcl.InitialPos)
	if diags.HasErrors() {
		return "", false, diags
	}
	return s.substitute(native, src, 0)
}

// a piece of source and what replaces it.
type replacement struct {
	start, end int
	text       string
}

// substitute evaluates the largest calls and names in e that do not depend on anything later.
func (s *scope) substitute(e hclsyntax.Expression, src []byte, offset int) (string, bool, hcl.Diagnostics) {
	finder := &partFinder{}
	_ = hclsyntax.Walk(e, finder)
	var diags hcl.Diagnostics
	var reps []replacement
	sensitive := false
	for _, part := range finder.parts {
		v, more := s.eval(part)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		sensitive = sensitive || functions.IsSensitive(v)
		v, _ = v.UnmarkDeep()
		if _, is := asDynamic(v); is {
			diags = append(diags, errorAt(part.Range(), "dynamic inside a larger value",
				"A value from a config source must be the whole value. Give it its own name in internal, and refer to it with config.internal.NAME."))
			continue
		}
		if !v.IsWhollyKnown() {
			diags = append(diags, s.wrongValue(part, "a config value", errNotKnown))
			continue
		}
		r := part.Range()
		reps = append(reps, replacement{r.Start.Byte - offset, r.End.Byte - offset, string(hclwrite.TokensForValue(v).Bytes())})
	}
	if diags.HasErrors() {
		return "", sensitive, diags
	}
	slices.SortFunc(reps, func(a, b replacement) int { return a.start - b.start })
	var out strings.Builder
	at := 0
	for _, rep := range reps {
		if rep.start < at || rep.end > len(src) {
			return "", sensitive, hcl.Diagnostics{errorAt(e.Range(), "Value cannot be deferred", "%s",
				"It refers to config values in a way that the entrypoint cannot evaluate later.")}
		}
		fmt.Fprintf(&out, "%s%s", src[at:rep.start], rep.text)
		at = rep.end
	}
	out.Write(src[at:])
	return out.String(), sensitive, diags
}

// partFinder collects the outermost names and calls that depend neither on config.* nor on names of a for expression.
type partFinder struct {
	parts  []hclsyntax.Expression
	locals []map[string]struct{}
}

// Enter and Exit make it a hclsyntax.Walker.
func (p *partFinder) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		p.locals = append(p.locals, n.LocalNames)
	case *hclsyntax.ScopeTraversalExpr:
		p.consider(n)
	case *hclsyntax.FunctionCallExpr:
		p.consider(n)
	}
	return nil
}

func (p *partFinder) consider(e hclsyntax.Expression) {
	for _, t := range e.Variables() {
		if t.RootName() == "config" {
			return
		}
		for _, names := range p.locals {
			if _, local := names[t.RootName()]; local {
				return
			}
		}
	}
	for _, other := range p.parts {
		r, o := e.Range(), other.Range()
		if r.Start.Byte >= o.Start.Byte && r.End.Byte <= o.End.Byte {
			return
		}
	}
	p.parts = append(p.parts, e)
}

// Exit undoes what Enter remembered.
func (p *partFinder) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if _, ok := n.(hclsyntax.ChildScope); ok {
		p.locals = p.locals[:len(p.locals)-1]
	}
	return nil
}
