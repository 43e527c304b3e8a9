// Package dockerpull is the plugin "docker-pull": a builder that pulls an image that exists already, and puts the
// Waypoint entrypoint into it.
package dockerpull

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the builder.
type Config struct {
	// Name of the image, without a tag.
	Image string `hcl:"image"`
	// Tag of the image.
	Tag string `hcl:"tag"`
	// Whether the Waypoint entrypoint is left out, so that the image stays as it is.
	DisableEntrypoint bool `hcl:"disable_entrypoint,optional"`
	// How to authenticate to the registry: a JSON object as Docker's X-Registry-Auth header takes it, in base64.
	// auth is easier to write.
	EncodedAuth string `hcl:"encoded_auth,optional"`
	// How to authenticate to the registry. Without it the Docker configuration of the runner's machine is used. On a
	// machine without a Docker engine it is not kept for the push: a registry stanza for another registry then reads the
	// image with the Docker configuration.
	Auth *image.Auth `hcl:"auth,block"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "docker-pull",
		Summary: "Pull an image that exists already, instead of building one.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Builder, Summary: "Pulls an image and adds the Waypoint entrypoint to it.",
			Config: schema.New[Config], Output: schema.New[image.Output],
		}},
		Builder: func() plugin.Builder { return &builder{} },
	}
}
