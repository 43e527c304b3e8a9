// Package nomadjobspec is the plugin "nomad-jobspec": a platform that submits your own job specification to HashiCorp
// Nomad.
package nomadjobspec

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the platform.
type Config struct {
	// Path of the job specification. Use templatefile to put the image and the entrypoint's environment into it.
	Jobspec string `hcl:"jobspec"`
	// Whether the job specification is read as HCL 1, the syntax before Nomad 1.0.
	HCL1 bool `hcl:"hcl1,optional"`
	// Token for Consul with which the job is submitted.
	ConsulToken string `hcl:"consul_token,optional" default:"CONSUL_HTTP_TOKEN"`
	// Token for Vault with which the job is submitted.
	VaultToken string `hcl:"vault_token,optional" default:"VAULT_TOKEN"`
}

// Output is what later stages see of a deployment.
type Output struct {
	// Id of the Nomad job.
	ID string `hcl:"id"`
	// Name of the Nomad job.
	Name string `hcl:"name"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "nomad-jobspec",
		Summary: "Submit your own job specification to HashiCorp Nomad.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Platform, Summary: "Submits a job specification to Nomad.",
			Config: schema.New[Config], Output: schema.New[Output],
		}},
	}
}
