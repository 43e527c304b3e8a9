package dynamodb

import (
	"fmt"
	"slices"
)

// node is a tree of document paths: what a projection picks, or an update
// touches.
type node struct {
	leaf     bool
	via      path // the path that made the node, for messages
	names    []namedNode
	elements []indexedNode
}

type namedNode struct {
	name string
	*node
}

type indexedNode struct {
	index int
	*node
}

// add puts a path into the tree and refuses one that overlaps or conflicts
// with an earlier one.
func (n *node) add(p path) error {
	at := n
	for i, s := range p {
		if at.leaf {
			return overlap(at.via, p)
		}
		if i > 0 && (s.name == "" && len(at.names) > 0 || s.name != "" && len(at.elements) > 0) {
			return fmt.Errorf("Two document paths conflict with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", at.via, p)
		}
		at = at.child(s, p)
	}
	if at.leaf || len(at.names) > 0 || len(at.elements) > 0 {
		return overlap(at.via, p)
	}
	at.leaf = true
	return nil
}

func overlap(a, b path) error {
	return fmt.Errorf("Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", a, b)
}

func (n *node) child(s step, via path) *node {
	if s.name != "" {
		for _, c := range n.names {
			if c.name == s.name {
				return c.node
			}
		}
		c := namedNode{s.name, &node{via: via}}
		n.names = append(n.names, c)
		return c.node
	}
	for _, c := range n.elements {
		if c.index == s.index {
			return c.node
		}
	}
	c := indexedNode{s.index, &node{via: via}}
	n.elements = append(n.elements, c)
	slices.SortFunc(n.elements, func(a, b indexedNode) int { return a.index - b.index })
	return c.node
}

// pick copies what the tree names out of an item. List elements close up.
func (n *node) pick(it item) item {
	out := item{}
	for _, c := range n.names {
		v := it.get(c.name)
		if v == nil {
			continue
		}
		if part, ok := c.pickValue(v); ok {
			out.set(c.name, part)
		}
	}
	return out
}

func (n *node) pickValue(v *value) (value, bool) {
	switch {
	case n.leaf:
		return *v, true
	case v.kind == kindM && len(n.names) > 0:
		m := n.pick(v.m)
		return value{kind: kindM, m: m}, len(m) > 0
	case v.kind == kindL && len(n.elements) > 0:
		var list []value
		for _, c := range n.elements {
			if c.index >= len(v.list) {
				break
			}
			if part, ok := c.pickValue(&v.list[c.index]); ok {
				list = append(list, part)
			}
		}
		return value{kind: kindL, list: list}, len(list) > 0
	}
	return value{}, false
}

func parseProjection(src string, subs *placeholders) (*node, error) {
	tree := &node{}
	err := parse("ProjectionExpression", src, subs, func(p *parser) error {
		for {
			path, err := p.path()
			if err != nil {
				return err
			}
			if err := tree.add(path); err != nil {
				return err
			}
			if !p.is(",") {
				return nil
			}
			if err := p.next(); err != nil {
				return err
			}
		}
	})
	return tree, err
}
