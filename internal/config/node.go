package config

import (
	"strconv"

	"github.com/hashicorp/hcl/v2"
)

// A node is a block of the file taken apart by its stanza, its expressions unevaluated. Its methods work on nil, a block that
// is not there.
type node struct {
	stanza *stanza
	// parent is nil for the top level.
	parent *node
	// label is empty if the stanza has none.
	label      string
	labelRange hcl.Range
	attrs      hcl.Attributes
	// nodes are the blocks in it in the order of the file. Of those that may stand there once it has the first.
	nodes []*node
	// body is the whole of it: what an open stanza's plugin reads.
	body hcl.Body
	rng  hcl.Range
	// broken reports that reading it found errors.
	broken bool
}

// expr is the expression of an attribute; nil if it is not given.
func (n *node) expr(name string) hcl.Expression {
	if n == nil {
		return nil
	}
	if a, ok := n.attrs[name]; ok {
		return a.Expr
	}
	return nil
}

// child is the first block of a type; nil without one.
func (n *node) child(block string) *node {
	if n == nil {
		return nil
	}
	for _, inner := range n.nodes {
		if inner.stanza.block == block {
			return inner
		}
	}
	return nil
}

// children are the blocks of some types.
func (n *node) children(blocks ...string) []*node {
	if n == nil {
		return nil
	}
	var list []*node
	for _, inner := range n.nodes {
		for _, b := range blocks {
			if inner.stanza.block == b {
				list = append(list, inner)
			}
		}
	}
	return list
}

// twin is the block of the same type and label that was read before this one; nil without one.
func (n *node) twin() *node {
	for _, other := range n.parent.children(n.stanza.block) {
		if other.label == n.label {
			return other
		}
	}
	return nil
}

// readRoot takes the whole file apart.
func (f *File) readRoot() hcl.Diagnostics {
	start := hcl.Range{Filename: f.Name, Start: hcl.InitialPos, End: hcl.InitialPos}
	f.root = &node{stanza: f.lang.root, body: f.body, rng: start}
	return f.fill(f.root)
}

// readBlock takes a block apart. It returns nil for one that is not read.
func (f *File) readBlock(s *stanza, b *hcl.Block, parent *node) (*node, hcl.Diagnostics) {
	n := &node{stanza: s, parent: parent, body: b.Body, rng: b.DefRange}
	if len(b.Labels) > 0 {
		n.label, n.labelRange = b.Labels[0], b.LabelRanges[0]
	}
	if s.choose != nil {
		form, refused := s.choose(n)
		if refused != nil {
			return nil, hcl.Diagnostics{refused}
		}
		n.stanza = form
	}
	return n, f.fill(n)
}

// fill reads what stands in a node.
func (f *File) fill(n *node) (diags hcl.Diagnostics) {
	s := n.stanza
	var blocks hcl.Blocks
	if !s.open {
		content, more := s.content(f.lang, n.body, n.rng)
		diags = more
		if content != nil {
			n.attrs, blocks = content.Attributes, content.Blocks
		}
	}
	if s.enter != nil {
		diags = append(diags, s.enter(f, n)...)
	}
	for _, b := range blocks {
		p := s.place(b.Type)
		surplus := p.single && n.child(b.Type) != nil // which was reported
		if s.shallow || surplus && (p.reserved || p.isStage()) {
			continue
		}
		inner, more := f.readBlock(p.stanza, b, n)
		diags = append(diags, more...)
		if inner != nil && !surplus {
			n.nodes = append(n.nodes, inner)
		}
	}
	n.broken = diags.HasErrors()
	if s.leave != nil {
		diags = append(diags, s.leave(f, n)...)
	}
	return diags
}

// Ignored warns of what the file has that is accepted and ignored.
func (f *File) Ignored() (diags hcl.Diagnostics) {
	var walk func(n *node)
	walk = func(n *node) {
		if n.stanza.ignored != "" {
			diags = append(diags, warningAt(n.rng, n.title()+" is not used", "%s", n.stanza.ignored))
			return
		}
		for _, a := range n.stanza.attrs {
			if e := n.expr(a.name); e != nil && a.ignored != "" {
				diags = append(diags, warningAt(e.Range(), n.stanza.name+"."+a.name+" is not used", "%s", a.ignored))
			}
		}
		for _, inner := range n.nodes {
			walk(inner)
		}
	}
	if f.root != nil {
		walk(f.root)
	}
	return f.finish(diags)
}

// title begins a sentence about a block: `The pipeline "ship"`, `The runner stanza of the app "web"`, `runner.poll`.
func (n *node) title() string {
	switch {
	case n.label != "":
		return "The " + n.stanza.name + " " + strconv.Quote(n.label)
	case n.parent != nil && n.parent.label != "":
		return "The " + n.stanza.name + " stanza of the " + n.parent.stanza.name + " " + strconv.Quote(n.parent.label)
	case n.parent != nil && n.parent.parent != nil:
		return n.parent.stanza.name + "." + n.stanza.name
	}
	return "The " + n.stanza.name + " stanza"
}
