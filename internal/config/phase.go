package config

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A phase says which names an expression can see, by where it stands.
type phase struct {
	// name finishes "… in": "build", "the default of a variable".
	name  string
	roots []string
	// dynamic says whether dynamic(…) may be called.
	dynamic bool
}

func (p phase) sees(root string) bool { return slices.Contains(p.roots, root) }

func projectPhase() phase {
	return phase{name: "the project", roots: []string{"path", "workspace", "var"}}
}
func runnerPhase() phase { return phase{name: "runner", roots: []string{"path", "workspace", "var"}} }
func defaultPhase() phase {
	return phase{name: "the default of a variable", roots: []string{"path", "workspace"}, dynamic: true}
}
func appPhase() phase {
	return phase{name: "app", roots: []string{"path", "workspace", "var", "app"}}
}
func projectConfigPhase() phase {
	return phase{name: "config", roots: []string{"path", "workspace", "var", "config"}, dynamic: true}
}
func appConfigPhase() phase {
	return phase{name: "config", roots: []string{"path", "workspace", "var", "app", "labels", "config"}, dynamic: true}
}

func stagePhase(kind StageKind) phase {
	roots := []string{"path", "workspace", "var", "app", "labels"}
	switch kind {
	case Registry:
		roots = append(roots, "artifact")
	case Deploy:
		roots = append(roots, "artifact", "entrypoint")
	case Release:
		roots = append(roots, "artifact", "entrypoint", "deploy")
	}
	return phase{name: string(kind), roots: roots}
}

// knownRoots are all names of the language, each with where it can be used.
func knownRoots() map[string]string {
	return map[string]string{
		"path":       "everywhere",
		"workspace":  "everywhere",
		"var":        "everywhere but in defaults of variables",
		"app":        "inside app",
		"labels":     "in the stages of an app",
		"artifact":   "in registry, deploy and release: it is the result of the build",
		"entrypoint": "in deploy and release",
		"deploy":     "in release: it is the deployment",
		"config":     "in config",
	}
}

// unknownRoot explains a name that the phase does not have.
func (p phase) unknownRoot(name string, rng hcl.Range) *hcl.Diagnostic {
	d := errorAt(rng, fmt.Sprintf("Unknown name %q", name), "")
	if where, known := knownRoots()[name]; known {
		d.Summary = fmt.Sprintf("%q is not known in %s", name, p.name)
		d.Detail = fmt.Sprintf("It can be used %s.", where)
		return d
	}
	visible := slices.Clone(p.roots)
	sort.Strings(visible)
	d.Detail = fmt.Sprintf("Known names in %s: %s.", p.name, words(visible))
	if near := nearest(name, visible); near != "" {
		d.Detail += fmt.Sprintf(" Did you mean %q?", near)
	} else if strings.ToUpper(name) == name && len(name) > 1 {
		d.Detail += fmt.Sprintf(" An environment variable is read by declaring variable \"NAME\" with env = [%q] and using var.NAME.", name)
	} else {
		d.Detail += " Text must be in quotes; write a literal ${ as $${."
	}
	return d
}

// pathNames, and the like, are what the fixed objects have.
func fixedNames(root string, p phase) []string {
	switch root {
	case "path":
		names := []string{"pwd", "project"}
		if p.sees("app") {
			names = append(names, "app")
		}
		return names
	case "workspace", "app":
		return []string{"name"}
	case "entrypoint":
		return []string{"env"}
	case "config":
		return []string{"env", "internal", "file"}
	}
	return nil
}

// checkTraversal checks the first two parts of a name.
func (f *File) checkTraversal(t hcl.Traversal, p phase) *hcl.Diagnostic {
	root := t.RootName()
	if !p.sees(root) {
		return p.unknownRoot(root, t[0].SourceRange())
	}
	if len(t) < 2 {
		return nil
	}
	name, rng := stepName(t[1])
	if name == "" {
		return nil
	}
	rng = hcl.RangeBetween(t[0].SourceRange(), rng)
	if root == "var" {
		if f.variable(name) == nil {
			return f.undeclared(name, rng)
		}
		return nil
	}
	known := fixedNames(root, p)
	if known == nil || slices.Contains(known, name) {
		return nil
	}
	d := errorAt(rng, fmt.Sprintf("Unknown name \"%s.%s\"", root, name), "%q has %s.", root, words(known))
	if near := nearest(name, known); near != "" {
		d.Detail += fmt.Sprintf(" Did you mean \"%s.%s\"?", root, near)
	}
	return d
}

func (f *File) undeclared(name string, rng hcl.Range) *hcl.Diagnostic {
	var names []string
	for _, v := range f.variables {
		names = append(names, v.Name)
	}
	d := errorAt(rng, fmt.Sprintf("Undeclared variable %q", name),
		"The file declares no variable %q. Declare it at the top level with variable %q { … }.", name, name)
	if near := nearest(name, names); near != "" {
		d.Detail = fmt.Sprintf("The file declares no variable %q. Did you mean %q?", name, near)
	}
	return d
}

func stepName(step hcl.Traverser) (string, hcl.Range) {
	switch s := step.(type) {
	case hcl.TraverseAttr:
		return s.Name, s.SrcRange
	case hcl.TraverseIndex:
		if name, err := asString(s.Key); err == nil {
			return name, s.SrcRange
		}
	}
	return "", hcl.Range{}
}

// checkNames checks the names in all expressions of the file, without evaluating any.
func (f *File) checkNames() hcl.Diagnostics {
	c := &nameChecker{file: f, functions: functionNames()}
	if f.root != nil {
		c.node(f.root, phase{})
	}
	return c.diags
}

type nameChecker struct {
	file      *File
	functions map[string]bool
	diags     hcl.Diagnostics

	phase phase
	// locals are the names that for expressions bring; lenient counts the try() and can() around.
	locals  []map[string]struct{}
	lenient int
	// keys are how many diagnostics there were before each of the keys of maps around.
	keys []int
}

// node checks a block and those in it; outer is the phase around it.
func (c *nameChecker) node(n *node, outer phase) {
	s, p := n.stanza, outer
	if s.shallow {
		return
	}
	if s.phase != nil {
		p = *s.phase
	}
	for _, a := range s.attrs {
		if !a.constant {
			c.exprs(p, n.expr(a.name))
		}
	}
	if s.open {
		c.open(p, n.body)
	}
	for _, inner := range n.nodes {
		c.node(inner, p)
	}
}

// open checks a body that belongs to a plugin.
func (c *nameChecker) open(p phase, body hcl.Body) {
	if native, ok := body.(*hclsyntax.Body); ok {
		c.body(p, native)
		return
	}
	// Of a JSON body only the attributes can be listed without the plugin's schema.
	if attributes, diags := body.JustAttributes(); !diags.HasErrors() {
		for _, a := range attributes {
			c.exprs(p, a.Expr)
		}
	}
}

func (c *nameChecker) body(p phase, b *hclsyntax.Body) {
	for _, a := range sortedAttributes(b) {
		c.exprs(p, a.Expr)
	}
	for _, inner := range b.Blocks {
		c.body(p, inner.Body)
	}
}

func (c *nameChecker) exprs(p phase, list ...hcl.Expression) {
	c.phase = p
	for _, e := range list {
		switch native, ok := e.(hclsyntax.Expression); {
		case e == nil:
		case ok:
			_ = hclsyntax.Walk(native, c)
		default:
			for _, t := range e.Variables() {
				c.traversal(t)
			}
		}
	}
}

func (c *nameChecker) traversal(t hcl.Traversal) {
	for _, names := range c.locals {
		if _, local := names[t.RootName()]; local {
			return
		}
	}
	if d := c.file.checkTraversal(t, c.phase); d != nil && c.lenient == 0 {
		c.diags = append(c.diags, d)
	}
}

// Enter and Exit make the checker a hclsyntax.Walker.
func (c *nameChecker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		c.traversal(n.Traversal)
	case *hclsyntax.ObjectConsKeyExpr:
		c.keys = append(c.keys, len(c.diags))
	case hclsyntax.ChildScope:
		c.locals = append(c.locals, n.LocalNames)
	case *hclsyntax.FunctionCallExpr:
		c.call(n)
		if n.Name == "try" || n.Name == "can" {
			c.lenient++
		}
	}
	return nil
}

// Exit undoes what Enter remembered.
func (c *nameChecker) Exit(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		c.locals = c.locals[:len(c.locals)-1]
	case *hclsyntax.ObjectConsKeyExpr:
		c.key(n, c.keys[len(c.keys)-1])
		c.keys = c.keys[:len(c.keys)-1]
	case *hclsyntax.FunctionCallExpr:
		if n.Name == "try" || n.Name == "can" {
			c.lenient--
		}
	}
	return nil
}

// key makes one error of those about a key such as example.com/name, which without quotes is a division of names. before is
// how many diagnostics there were before it.
func (c *nameChecker) key(n *hclsyntax.ObjectConsKeyExpr, before int) {
	if _, computed := n.Wrapped.(*hclsyntax.BinaryOpExpr); !computed || n.ForceNonLiteral || len(c.diags) == before {
		return
	}
	text := string(n.Wrapped.Range().SliceBytes(c.file.src))
	c.diags = append(c.diags[:before], errorAt(n.Wrapped.Range(), "A key with signs must be in quotes", "Write \"%s\" = ….", text))
}

func (c *nameChecker) call(n *hclsyntax.FunctionCallExpr) {
	isDynamic := n.Name == "dynamic" || n.Name == "configdynamic"
	switch {
	case isDynamic && !c.phase.dynamic:
		c.diags = append(c.diags, errorAt(n.NameRange, fmt.Sprintf("%s cannot be called in %s", n.Name, c.phase.name),
			"Values from config sources can be used in config, and as the default of a variable."))
	case !c.functions[n.Name]:
		c.diags = append(c.diags, unknownFunction(n.Name, n.NameRange, c.functions))
	}
}

func unknownFunction(name string, rng hcl.Range, known map[string]bool) *hcl.Diagnostic {
	d := errorAt(rng, fmt.Sprintf("Unknown function %q", name), "There is no function %q.", name)
	names := make([]string, 0, len(known))
	for n := range known {
		names = append(names, n)
	}
	sort.Strings(names)
	if near := nearest(name, names); near != "" {
		d.Detail += fmt.Sprintf(" Did you mean %q?", near)
	}
	return d
}
