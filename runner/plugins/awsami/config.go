// Package awsami is the plugin "aws-ami": a builder that builds nothing and finds a machine image of Amazon EC2.
package awsami

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the builder.
type Config struct {
	// AWS region of the image.
	Region string `hcl:"region"`
	// Accounts that the image may belong to: numbers, "self" or "amazon".
	Owners []string `hcl:"owners,optional" default:"[\"self\"]"`
	// Name of the image; * and ? stand for anything.
	Name string `hcl:"name,optional"`
	// Filters of EC2's DescribeImages: name to values. Of several images that match, the newest is taken.
	Filters map[string][]string `hcl:"filters,optional"`
}

// Output is what later stages see of the image.
type Output struct {
	// Id of the image, "ami-…".
	Image string `hcl:"image"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "aws-ami",
		Summary: "Find a machine image of Amazon EC2, instead of building one.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Builder, Summary: "Finds the newest machine image that matches.",
			Config: schema.New[Config], Output: schema.New[Output],
		}},
	}
}
