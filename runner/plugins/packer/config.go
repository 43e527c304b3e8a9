// Package packer is the plugin "packer": ids of machine images from HCP Packer.
package packer

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config is what dynamic("packer", {…}) takes.
type Config struct {
	// Name of the bucket.
	Bucket string `hcl:"bucket"`
	// Channel of the bucket.
	Channel string `hcl:"channel"`
	// Region of the cloud that the image is in.
	Region string `hcl:"region"`
	// Cloud that the image is in, for example "aws". It must be given, here or as cloud_provider.
	Cloud string `hcl:"cloud,optional"`
	// The same by another name.
	CloudProvider string `hcl:"cloud_provider,optional" deprecated:"cloud"`
}

// Source is what can be set for the source.
type Source struct {
	// Id of the HCP organization.
	OrganizationID string `hcl:"organization_id"`
	// Id of the HCP project.
	ProjectID string `hcl:"project_id"`
	// Id of the service principal.
	ClientID string `hcl:"client_id,optional" default:"HCP_CLIENT_ID"`
	// Secret of the service principal.
	ClientSecret string `hcl:"client_secret,optional" default:"HCP_CLIENT_SECRET"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "packer",
		Summary: "Read ids of machine images from HCP Packer.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.ConfigSourcer, Summary: "Reads the id of the image that a channel points to.",
			Config: schema.New[Config], Source: schema.New[Source],
		}},
	}
}
