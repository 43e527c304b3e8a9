package plugin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Definition is a plugin as a catalog knows it: the schemas of its components, and constructors for those that can run;
// nil for the others. Each call of a constructor makes a fresh component with a zero configuration.
type Definition struct {
	Name    string
	Summary string
	// Example is a whole waypoint.hcl that uses the plugin.
	Example string
	// Schemas describe the components. A component that has a constructor may leave its schema out: what it is
	// configured by is known then, and its output is not.
	Schemas []schema.Component

	Builder  func() Builder
	Registry func() Registry
	Platform func() Platform
	Releaser func() Releaser
}

// Catalog is the set of plugins that a runner has. It is assembled once, in main, and never changes.
type Catalog struct {
	byName map[string]Definition
}

// NewCatalog makes a catalog. Two definitions of one name are a programmer's error and panic.
func NewCatalog(defs ...Definition) *Catalog {
	c := &Catalog{byName: make(map[string]Definition, len(defs))}
	for _, d := range defs {
		if _, twice := c.byName[d.Name]; twice {
			panic("plugin defined twice: " + d.Name)
		}
		c.byName[d.Name] = d
	}
	return c
}

// Names lists the plugins, sorted.
func (c *Catalog) Names() []string {
	names := make([]string, 0, len(c.byName))
	for name := range c.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Get finds a plugin.
func (c *Catalog) Get(name string) (Definition, bool) {
	d, ok := c.byName[name]
	return d, ok
}

// Definitions lists the plugins, sorted by name.
func (c *Catalog) Definitions() []Definition {
	defs := make([]Definition, 0, len(c.byName))
	for _, name := range c.Names() {
		defs = append(defs, c.byName[name])
	}
	return defs
}

// Schema finds what is known of a component, whether it can run yet or not.
func (c *Catalog) Schema(kind schema.Kind, name string) (schema.Component, bool) {
	return c.byName[name].Schema(kind)
}

// Missing explains why a component cannot be had: the error of the operation that wants it, and the warning before.
func (c *Catalog) Missing(kind schema.Kind, name string) error {
	d, there := c.byName[name]
	switch _, known := d.Schema(kind); {
	case !there:
		return &Error{
			Message: fmt.Sprintf("there is no plugin %q", name),
			Hint:    fmt.Sprintf("Available as %s: %s.", kind.Article(), strings.Join(c.NamesOf(kind), ", ")),
		}
	case !known:
		return &Error{
			Message: fmt.Sprintf("the plugin %q cannot be used as %s", name, kind.Article()),
			Hint:    fmt.Sprintf("These can: %s.", strings.Join(c.NamesOf(kind), ", ")),
		}
	}
	var run []string
	for _, other := range c.Definitions() {
		if other.runs(kind) {
			run = append(run, other.Name)
		}
	}
	hint := "No plugin can, in this version."
	if len(run) > 0 {
		hint = "These can: " + strings.Join(run, ", ") + "."
	}
	return &Error{
		Message: fmt.Sprintf("the plugin %q cannot run as %s yet; this version only checks its configuration", name, kind.Article()),
		Hint:    hint,
	}
}

// NamesOf lists the plugins that have a component of that kind, sorted.
func (c *Catalog) NamesOf(kind schema.Kind) []string {
	var names []string
	for _, d := range c.Definitions() {
		if _, ok := d.Schema(kind); ok {
			names = append(names, d.Name)
		}
	}
	return names
}

// Schema finds what is known of the plugin's component of that kind.
func (d Definition) Schema(kind schema.Kind) (schema.Component, bool) {
	for _, s := range d.Schemas {
		if s.Kind == kind {
			s.Planned = !d.runs(kind)
			return s, true
		}
	}
	if !d.runs(kind) {
		return schema.Component{}, false
	}
	return schema.Component{Kind: kind, Summary: d.Summary, Config: d.config(kind), Open: true}, true
}

// Components lists what is known of all the plugin's components, in the order of schema.Kinds.
func (d Definition) Components() []schema.Component {
	var list []schema.Component
	for _, kind := range schema.Kinds() {
		if s, ok := d.Schema(kind); ok {
			list = append(list, s)
		}
	}
	return list
}

func (d Definition) runs(kind schema.Kind) bool {
	switch kind {
	case schema.Builder:
		return d.Builder != nil
	case schema.Registry:
		return d.Registry != nil
	case schema.Platform:
		return d.Platform != nil
	case schema.Releaser:
		return d.Releaser != nil
	}
	return false
}

func (d Definition) config(kind schema.Kind) func() any {
	return func() any {
		switch kind {
		case schema.Builder:
			return d.Builder().Config()
		case schema.Registry:
			return d.Registry().Config()
		case schema.Platform:
			return d.Platform().Config()
		}
		return d.Releaser().Config()
	}
}

// Builder makes the builder of that plugin.
func (c *Catalog) Builder(name string) (Builder, error) {
	if d := c.byName[name]; d.Builder != nil {
		return d.Builder(), nil
	}
	return nil, c.Missing(schema.Builder, name)
}

// Registry makes the registry of that plugin.
func (c *Catalog) Registry(name string) (Registry, error) {
	if d := c.byName[name]; d.Registry != nil {
		return d.Registry(), nil
	}
	return nil, c.Missing(schema.Registry, name)
}

// Platform makes the platform of that plugin.
func (c *Catalog) Platform(name string) (Platform, error) {
	if d := c.byName[name]; d.Platform != nil {
		return d.Platform(), nil
	}
	return nil, c.Missing(schema.Platform, name)
}

// Releaser makes the releaser of that plugin.
func (c *Catalog) Releaser(name string) (Releaser, error) {
	if d := c.byName[name]; d.Releaser != nil {
		return d.Releaser(), nil
	}
	return nil, c.Missing(schema.Releaser, name)
}
