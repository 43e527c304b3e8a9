// Package dockerref is the plugin "docker-ref": a builder that builds nothing and names an image that exists
// somewhere. Nothing is pulled or checked.
package dockerref

import (
	"context"
	_ "embed" // the example
	"strings"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/image"
	"github.com/waypoint-serverless/waypoint/runner/plugin/schema"
)

// Config configures the builder.
type Config struct {
	// Image without its tag, for example "ghcr.io/acme/web".
	Image string `hcl:"image"`
	// Tag of the image.
	Tag string `hcl:"tag"`
}

// Image is the builder's state: a reference to an image, as other plugins for images have it.
type Image struct {
	Image string `json:"image"`
	Tag   string `json:"tag"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() plugin.Definition {
	return plugin.Definition{
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

func (b *builder) Build(_ context.Context, env *plugin.Env) (*plugin.Result, error) {
	image, tag := strings.TrimSpace(b.config.Image), strings.TrimSpace(b.config.Tag)
	if image == "" || tag == "" {
		return nil, &plugin.Error{Message: "image and tag must not be empty", Hint: "For example: image = \"nginx\", tag = \"1.29\"."}
	}
	if strings.ContainsAny(image+tag, " \t\n") || strings.ContainsAny(tag, "/:@") {
		return nil, &plugin.Error{Message: "image and tag do not make a reference: " + image + ":" + tag}
	}
	env.UI.Line(plugin.Info, "Image: %s:%s", image, tag)
	return &plugin.Result{
		State: Image{Image: image, Tag: tag},
		// Nothing is pulled, so the architecture is not known.
		Template: map[string]any{
			"image": image, "tag": tag, "name": image + ":" + tag, "architecture": "", "location": "registry",
		},
		Portable: true,
	}, nil
}
