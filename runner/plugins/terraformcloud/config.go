// Package terraformcloud is the plugin "terraform-cloud": configuration from the outputs of workspaces in Terraform Cloud
// or Terraform Enterprise.
package terraformcloud

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config is what dynamic("terraform-cloud", {…}) takes.
type Config struct {
	// Name of the organization.
	Organization string `hcl:"organization"`
	// Name of the workspace.
	Workspace string `hcl:"workspace"`
	// Name of the output.
	Output string `hcl:"output,optional" default:"all of them, as JSON"`
}

// Source is what can be set for the source.
type Source struct {
	// API token that may read the workspaces' outputs.
	Token string `hcl:"token"`
	// Address of Terraform Enterprise.
	BaseURL string `hcl:"base_url,optional" default:"https://app.terraform.io"`
	// Time after which outputs are read again.
	RefreshInterval string `hcl:"refresh_interval,optional" default:"10m"`
	// Whether the server's certificate is left unverified.
	SkipVerify bool `hcl:"skip_verify,optional"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "terraform-cloud",
		Summary: "Read configuration from the outputs of Terraform Cloud workspaces.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.ConfigSourcer, Summary: "Reads outputs of workspaces.",
			Config: schema.New[Config], Source: schema.New[Source],
		}},
	}
}
