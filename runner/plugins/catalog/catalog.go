// Package catalog is the set of plugins that a runner has: their definitions, what is known of each component, and how to
// make one. It imports the contract and the schemas, and no plugin; main and package builtin fill it.
package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
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

	Builder  func() plugin.Builder
	Registry func() plugin.Registry
	Platform func() plugin.Platform
	Releaser func() plugin.Releaser

	// OutOfProcess lists the kinds whose components waypoint-plugins serves: package pluginpipe makes their constructors.
	OutOfProcess []schema.Kind

	TaskLauncher  func() plugin.TaskLauncher
	ConfigSourcer func() plugin.ConfigSourcer
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

// Missing explains why a component is not available: the error of the operation that uses it, and the warning before.
func (c *Catalog) Missing(kind schema.Kind, name string) error {
	d, there := c.byName[name]
	switch _, known := d.Schema(kind); {
	case !there:
		return &plugin.Error{
			Message: fmt.Sprintf("there is no plugin %q", name),
			Hint:    fmt.Sprintf("Available as %s: %s.", kind.Article(), strings.Join(c.NamesOf(kind), ", ")),
		}
	case !known:
		return &plugin.Error{
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
	return &plugin.Error{
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

func (d Definition) runs(kind schema.Kind) bool { return d.constructor(kind) != nil }

func (d Definition) config(kind schema.Kind) func() any {
	return func() any { return d.constructor(kind)().Config() }
}

// constructor returns what makes the component of that kind; nil if the plugin has none that can run.
func (d Definition) constructor(kind schema.Kind) func() plugin.Component {
	switch {
	case kind == schema.Builder && d.Builder != nil:
		return func() plugin.Component { return d.Builder() }
	case kind == schema.Registry && d.Registry != nil:
		return func() plugin.Component { return d.Registry() }
	case kind == schema.Platform && d.Platform != nil:
		return func() plugin.Component { return d.Platform() }
	case kind == schema.Releaser && d.Releaser != nil:
		return func() plugin.Component { return d.Releaser() }
	case kind == schema.TaskLauncher && d.TaskLauncher != nil:
		return func() plugin.Component { return d.TaskLauncher() }
	case kind == schema.ConfigSourcer && d.ConfigSourcer != nil:
		return func() plugin.Component { return d.ConfigSourcer() }
	}
	return nil
}

// Component makes the component of that kind of a plugin. One that another process serves is started first.
func (c *Catalog) Component(kind schema.Kind, name string) (plugin.Component, error) {
	makeOne := c.byName[name].constructor(kind)
	if makeOne == nil {
		return nil, c.Missing(kind, name)
	}
	made := makeOne()
	if proxy, ok := made.(plugin.Proxy); ok {
		if err := proxy.Start(); err != nil {
			return nil, err
		}
	}
	return made, nil
}

func typed[C plugin.Component](c *Catalog, kind schema.Kind, name string) (C, error) {
	var none C
	made, err := c.Component(kind, name)
	if err != nil {
		return none, err
	}
	return made.(C), nil
}

// Builder makes the builder of that plugin.
func (c *Catalog) Builder(name string) (plugin.Builder, error) {
	return typed[plugin.Builder](c, schema.Builder, name)
}

// Registry makes the registry of that plugin.
func (c *Catalog) Registry(name string) (plugin.Registry, error) {
	return typed[plugin.Registry](c, schema.Registry, name)
}

// Platform makes the platform of that plugin.
func (c *Catalog) Platform(name string) (plugin.Platform, error) {
	return typed[plugin.Platform](c, schema.Platform, name)
}

// Releaser makes the releaser of that plugin.
func (c *Catalog) Releaser(name string) (plugin.Releaser, error) {
	return typed[plugin.Releaser](c, schema.Releaser, name)
}
