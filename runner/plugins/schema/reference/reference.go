// Package reference writes the reference of plugins, from their schemas: for a terminal, as Markdown (docs/reference/plugins
// is made so), and as data for JSON. `waypoint docs` and the generator of the pages use it. It reads and prints nothing
// itself.
package reference

import (
	"strings"

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Plugin is what the reference says of a plugin.
type Plugin struct {
	Name       string      `json:"name"`
	Summary    string      `json:"summary"`
	Components []Component `json:"components"`
	// Example is a whole waypoint.hcl.
	Example string `json:"example,omitempty"`
}

// Component is what it says of one component.
type Component struct {
	Kind    schema.Kind `json:"kind"`
	Summary string      `json:"summary"`
	// Where says where it stands in waypoint.hcl.
	Where string `json:"where"`
	// Runs reports whether this version can run it; if not, its configuration is checked.
	Runs bool `json:"runs"`
	// Settings are what `use` or dynamic(…) takes, SourceSettings what can be set for a config source.
	Settings       []schema.Field `json:"settings"`
	SourceSettings []schema.Field `json:"source_settings,omitempty"`
	// Outputs are what later stages see.
	Outputs []Output `json:"outputs"`
	// MoreOutputs reports that there are others, which depend on the configuration.
	MoreOutputs bool `json:"more_outputs,omitempty"`
}

// Output is a value that later stages see.
type Output struct {
	// Name is the whole name, "artifact.image".
	Name string `json:"name"`
	Type string `json:"type"`
	Doc  string `json:"description"`
}

// Of collects everything about a plugin; of one of its components if a kind is given.
func Of(d catalog.Definition, kind schema.Kind) Plugin {
	p := Plugin{Name: d.Name, Summary: d.Summary, Components: []Component{}, Example: d.Example}
	for _, c := range d.Components() {
		if kind != "" && c.Kind != kind {
			continue
		}
		p.Components = append(p.Components, Component{
			Kind: c.Kind, Summary: c.Summary, Where: c.Kind.Where(), Runs: !c.Planned,
			Settings: fields(c.Config), SourceSettings: fields(c.Source),
			Outputs: outputs(c), MoreOutputs: c.Open,
		})
	}
	return p
}

func fields(newStruct func() any) []schema.Field {
	if newStruct == nil {
		return []schema.Field{}
	}
	return schema.Describe(newStruct())
}

func outputs(c schema.Component) []Output {
	out := []Output{}
	for _, f := range fields(c.Output) {
		name := f.Name
		if root := c.Kind.Root(); root != "" {
			name = root + "." + name
		}
		out = append(out, Output{Name: name, Type: f.Type, Doc: f.Doc})
	}
	return out
}

// opening is how a component is written, up to its settings: `use "docker"`.
func (c Component) opening(plugin string) string {
	switch c.Kind {
	case schema.ConfigSourcer:
		return `dynamic("` + plugin + `", { … })`
	case schema.TaskLauncher:
		return ""
	}
	return `use "` + plugin + `" { … }`
}

// written says how and where a component is written; quote stands around code. Code that lines may break in has no braces.
func (c Component) written(plugin, quote string) string {
	opening := c.opening(plugin)
	if opening == "" {
		return "Configured " + c.Where + "."
	}
	if quote == "" {
		opening = strings.TrimSuffix(opening, " { … }")
	}
	return "Written " + quote + opening + quote + " " + strings.TrimPrefix(c.Where, "by dynamic(…), ") + "."
}

// header is how a block begins: `ingress "KIND"`.
func header(f schema.Field) string {
	name := f.Name
	for _, l := range f.Labels {
		name += ` "` + strings.ToUpper(l) + `"`
	}
	return name
}

// blockType is the type of a block, in words.
func blockType(f schema.Field) string {
	if f.Repeated {
		return "block, any number"
	}
	return "block"
}

// status reports whether a component can run.
func (c Component) status() string {
	if c.Runs {
		return "Runs in this version."
	}
	return "This version cannot run it yet: it checks the configuration, and an operation says that it cannot run it."
}

// sentence is a summary with its full stop.
func sentence(s string) string {
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}
