// Package null is the plugin "null": all kinds of components that do nothing, for tests, demonstrations and
// benchmarks. It never sleeps.
package null

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures every kind.
type Config struct {
	// Values that later stages see as artifact.* or deploy.*. A platform or releaser takes its URL from "url".
	Values map[string]string `hcl:"values,optional"`
	// Number of lines to print.
	Lines int `hcl:"lines,optional"`
}

// SourcerConfig is what dynamic("null", {…}) takes.
type SourcerConfig struct {
	// Name of one of the source's values.
	Key string `hcl:"key"`
}

// Source is what can be set for the source.
type Source struct {
	// The values.
	Values map[string]string `hcl:"values,optional"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "null",
		Summary: "Do nothing, for tests and demonstrations.",
		Example: example,
		// What templates see is what the configuration says, so it is not known here.
		Schemas: []schema.Component{
			{Kind: schema.Builder, Summary: "Builds nothing.", Config: schema.New[Config], Open: true},
			{Kind: schema.Registry, Summary: "Pushes nothing and passes the artifact on.", Config: schema.New[Config], Open: true},
			{Kind: schema.Platform, Summary: "Deploys nothing.", Config: schema.New[Config], Open: true},
			{Kind: schema.Releaser, Summary: "Releases nothing.", Config: schema.New[Config], Open: true},
			{
				Kind: schema.ConfigSourcer, Summary: "Gives values that are set for the source.",
				Config: schema.New[SourcerConfig], Source: schema.New[Source],
			},
		},
		Builder:  func() plugin.Builder { return &builder{} },
		Registry: func() plugin.Registry { return &registry{} },
		Platform: func() plugin.Platform { return &platform{} },
		Releaser: func() plugin.Releaser { return &releaser{} },
	}
}
