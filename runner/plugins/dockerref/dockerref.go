// Package dockerref is the plugin "docker-ref": a builder that builds nothing and names an image that exists
// somewhere. Nothing is pulled or checked.
package dockerref

import (
	"context"
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the builder.
type Config struct {
	// Image without its tag, for example "ghcr.io/acme/web".
	Image string `hcl:"image"`
	// Tag of the image.
	Tag string `hcl:"tag"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "docker-ref",
		Summary: "Name an image that exists already.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Builder, Summary: "Takes a named image as the artifact; nothing is pulled.",
			Config: schema.New[Config], Output: schema.New[image.Output],
		}},
		Builder: func() plugin.Builder { return &builder{} },
	}
}

type builder struct{ config Config }

func (b *builder) Config() any { return &b.config }

func (b *builder) Build(_ context.Context, env *plugin.Call) (*plugin.Result, error) {
	name, tag, err := image.Reference(b.config.Image, b.config.Tag)
	if err != nil {
		return nil, err
	}
	// Nothing is pulled, so neither digest nor architecture are known.
	ref := image.Image{Image: name, Tag: tag, Location: image.InRegistry}
	env.UI.Line(plugin.Info, "Image: %s", ref.Name())
	return ref.Result(), nil
}
