// Package schema says what a plugin's configuration and output look like: which fields there are, which are required,
// what they mean. It reads that from the plugins' own structs: names and shape from their hcl tags, defaults and what is
// deprecated from the tags `default:"…"` and `deprecated:"what to write instead"`, descriptions from the comments of the
// fields (embedded as fields.json, which `make docs` writes).
//
// It imports no plugin, evaluates nothing, and does nothing before it is asked.
package schema

import (
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Kind is what a component does.
type Kind string

// Kinds of components, in the order in which an app meets them.
const (
	Builder       Kind = "builder"
	Registry      Kind = "registry"
	Platform      Kind = "platform"
	Releaser      Kind = "releaser"
	TaskLauncher  Kind = "task-launcher"
	ConfigSourcer Kind = "config-sourcer"
)

// Kinds lists them all.
func Kinds() []Kind {
	return []Kind{Builder, Registry, Platform, Releaser, TaskLauncher, ConfigSourcer}
}

// ParseKind reads a kind as people write it: also "build", "deploy", "release", "releasemanager", "task", "config".
func ParseKind(s string) (Kind, bool) {
	switch strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s)) {
	case "builder", "build":
		return Builder, true
	case "registry":
		return Registry, true
	case "platform", "deploy":
		return Platform, true
	case "releaser", "release", "releasemanager":
		return Releaser, true
	case "tasklauncher", "task":
		return TaskLauncher, true
	case "configsourcer", "configsource", "config":
		return ConfigSourcer, true
	}
	return "", false
}

// Article is the kind with its article, for sentences.
func (k Kind) Article() string { return "a " + strings.ReplaceAll(string(k), "-", " ") }

// Where says where components of the kind stand in waypoint.hcl.
func (k Kind) Where() string {
	switch k {
	case Builder:
		return "in build"
	case Registry:
		return "in registry, inside build"
	case Platform:
		return "in deploy"
	case Releaser:
		return "in release"
	case TaskLauncher:
		return "in the profile of a pool of runners"
	}
	return "by dynamic(…), in config and in the default of a variable"
}

// Root is the name by which later stages read what the component gives: "artifact", "deploy", "release"; "" for none.
func (k Kind) Root() string {
	switch k {
	case Builder, Registry:
		return "artifact"
	case Platform:
		return "deploy"
	case Releaser:
		return "release"
	}
	return ""
}

// Component is one component of a plugin. The functions give a pointer to a fresh struct with hcl tags.
type Component struct {
	Kind Kind
	// Summary is one sentence.
	Summary string
	// Config is what `use` (for a config sourcer: the object of dynamic(…)) may hold. nil: nothing.
	Config func() any
	// Source is what `waypoint config source-set` may set for a config sourcer. nil: nothing.
	Source func() any
	// Output is what later stages can read. nil: nothing, or what only the run tells (Open).
	Output func() any
	// Open says that there may be more outputs than Output has.
	Open bool
	// Planned says that the component cannot run yet: its configuration is checked, and an operation says so.
	Planned bool
}

// Field is an attribute or a block.
type Field struct {
	Name string `json:"name"`
	// Type is how people write it: "string", "list of string", "map of string", "block".
	Type     string `json:"type"`
	Required bool   `json:"required"`
	// Block reports that it is a block; Repeated that there may be several; Labels are the names of its labels.
	Block    bool     `json:"block,omitempty"`
	Repeated bool     `json:"repeated,omitempty"`
	Labels   []string `json:"labels,omitempty"`
	Default  string   `json:"default,omitempty"`
	// Deprecated names the field to write instead.
	Deprecated string  `json:"deprecated,omitempty"`
	Doc        string  `json:"description"`
	Fields     []Field `json:"fields,omitempty"`
}

// Describe lists what a struct with hcl tags (or a pointer to one) has, in its order. nil has nothing.
func Describe(target any) []Field {
	if target == nil {
		return nil
	}
	return describe(deref(reflect.TypeOf(target)), nil)
}

// describe goes no deeper than a struct that holds itself.
func describe(t reflect.Type, outer []reflect.Type) []Field {
	if t.Kind() != reflect.Struct || slices.Contains(outer, t) {
		return nil
	}
	outer = append(slices.Clone(outer), t)
	var fields []Field
	for i := range t.NumField() {
		sf := t.Field(i)
		name, kind, _ := strings.Cut(sf.Tag.Get("hcl"), ",")
		if name == "" || name == "-" || kind == "label" || kind == "remain" {
			continue
		}
		f := Field{
			Name: name, Type: TypeName(sf.Type), Required: kind == "" || kind == "attr",
			Default: sf.Tag.Get("default"), Deprecated: sf.Tag.Get("deprecated"), Doc: comment(t, sf.Name),
		}
		if sf.Type.Kind() == reflect.Bool && !f.Required && f.Default == "" {
			f.Default = "false"
		}
		if kind == "block" {
			f.Block, f.Type = true, "block"
			f.Repeated = sf.Type.Kind() == reflect.Slice
			f.Labels = labels(deref(sf.Type))
		}
		f.Fields = describe(deref(sf.Type), outer)
		fields = append(fields, f)
	}
	return fields
}

func labels(t reflect.Type) []string {
	if t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for i := range t.NumField() {
		if name, kind, _ := strings.Cut(t.Field(i).Tag.Get("hcl"), ","); kind == "label" {
			names = append(names, name)
		}
	}
	return names
}

// deref is what a pointer, or a list of pointers, is about.
func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

// TypeName is a Go type as people who write HCL know it.
func TypeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[cty.Value](), reflect.TypeFor[hcl.Expression]():
		return "any"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return TypeName(t.Elem())
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Slice:
		return "list of " + TypeName(t.Elem())
	case reflect.Map:
		return "map of " + TypeName(t.Elem())
	case reflect.Struct:
		return "object"
	case reflect.Interface:
		return "any"
	}
	return "number"
}

// Walk calls visit for all fields, those of blocks after the block; path is dotted ("auth.username").
func Walk(fields []Field, visit func(path string, f Field)) { walk("", fields, visit) }

func walk(prefix string, fields []Field, visit func(string, Field)) {
	for _, f := range fields {
		visit(prefix+f.Name, f)
		walk(prefix+f.Name+".", f.Fields, visit)
	}
}

// New is a fresh T, as Component expects it: Config: schema.New[Config].
func New[T any]() any { return new(T) }
