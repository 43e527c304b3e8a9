// Package awsecrpull is the plugin "aws-ecr-pull": a builder that takes an image which is in Amazon ECR already, and puts
// the Waypoint entrypoint into it.
package awsecrpull

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the builder.
type Config struct {
	// AWS region of the repository.
	Region string `hcl:"region,optional" default:"that of the AWS configuration"`
	// Name of the repository.
	Repository string `hcl:"repository"`
	// Tag of the image.
	Tag string `hcl:"tag"`
	// Architecture to take the image for, "amd64" or "arm64", whatever the image itself says. For AWS Lambda.
	ForceArchitecture string `hcl:"force_architecture,optional" default:"that of the image"`
	// Whether the Waypoint entrypoint is left out, so that the image stays as it is.
	DisableEntrypoint bool `hcl:"disable_entrypoint,optional"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "aws-ecr-pull",
		Summary: "Use an image that is in Amazon ECR already, instead of building one.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Builder, Summary: "Pulls an image from Amazon ECR and adds the Waypoint entrypoint to it.",
			Config: schema.New[Config], Output: schema.New[image.Output],
		}},
	}
}
