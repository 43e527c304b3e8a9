// Package awsecr is the plugin "aws-ecr": a registry that pushes images to Amazon ECR.
package awsecr

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the registry.
type Config struct {
	// AWS region of the repository.
	Region string `hcl:"region,optional" default:"that of the AWS configuration"`
	// Name of the repository. It is made if it is not there.
	Repository string `hcl:"repository,optional" default:"waypoint-PROJECT-APP"`
	// Tag of the image, for example gitrefpretty().
	Tag string `hcl:"tag"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "aws-ecr",
		Summary: "Keep images in Amazon ECR.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Registry, Summary: "Pushes an image to a repository of Amazon ECR.",
			Config: schema.New[Config], Output: schema.New[image.Output],
		}},
	}
}
