package plugin

import (
	"fmt"
	"slices"
	"strings"
)

// Definition is a plugin as a catalog knows it: constructors for the kinds that it has; nil for the others.
// Each call of a constructor makes a fresh component with a zero configuration.
type Definition struct {
	Name     string
	Summary  string
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

// Builder makes the builder of that plugin.
func (c *Catalog) Builder(name string) (Builder, error) {
	d, err := c.find(name)
	if err != nil {
		return nil, err
	}
	if d.Builder == nil {
		return nil, c.wrongKind(name, "a builder", func(d Definition) bool { return d.Builder != nil })
	}
	return d.Builder(), nil
}

// Registry makes the registry of that plugin.
func (c *Catalog) Registry(name string) (Registry, error) {
	d, err := c.find(name)
	if err != nil {
		return nil, err
	}
	if d.Registry == nil {
		return nil, c.wrongKind(name, "a registry", func(d Definition) bool { return d.Registry != nil })
	}
	return d.Registry(), nil
}

// Platform makes the platform of that plugin.
func (c *Catalog) Platform(name string) (Platform, error) {
	d, err := c.find(name)
	if err != nil {
		return nil, err
	}
	if d.Platform == nil {
		return nil, c.wrongKind(name, "a platform", func(d Definition) bool { return d.Platform != nil })
	}
	return d.Platform(), nil
}

// Releaser makes the releaser of that plugin.
func (c *Catalog) Releaser(name string) (Releaser, error) {
	d, err := c.find(name)
	if err != nil {
		return nil, err
	}
	if d.Releaser == nil {
		return nil, c.wrongKind(name, "a releaser", func(d Definition) bool { return d.Releaser != nil })
	}
	return d.Releaser(), nil
}

func (c *Catalog) find(name string) (Definition, error) {
	d, ok := c.byName[name]
	if !ok {
		return d, &Error{
			Message: fmt.Sprintf("there is no plugin %q", name),
			Hint:    "Available plugins: " + strings.Join(c.Names(), ", ") + ".",
		}
	}
	return d, nil
}

func (c *Catalog) wrongKind(name, kind string, has func(Definition) bool) error {
	var can []string
	for _, n := range c.Names() {
		if has(c.byName[n]) {
			can = append(can, n)
		}
	}
	return &Error{
		Message: fmt.Sprintf("the plugin %q cannot be used as %s", name, kind),
		Hint:    "These can: " + strings.Join(can, ", ") + ".",
	}
}
