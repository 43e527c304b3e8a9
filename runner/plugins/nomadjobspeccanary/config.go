// Package nomadjobspeccanary is the plugin "nomad-jobspec-canary": a releaser that promotes the canaries of a Nomad job,
// or gives them up.
package nomadjobspeccanary

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the releaser.
type Config struct {
	// Task groups whose canaries are promoted.
	Groups []string `hcl:"groups,optional" default:"all of the job"`
	// Whether the Nomad deployment is marked as failed instead, which takes the canaries away.
	FailDeployment bool `hcl:"fail_deployment,optional"`
}

// Output is what is seen of a release.
type Output struct {
	// Id of the Nomad deployment.
	ID string `hcl:"id"`
	// Name of the Nomad job.
	Name string `hcl:"name"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "nomad-jobspec-canary",
		Summary: "Promote the canaries of a Nomad job.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Releaser, Summary: "Promotes the canaries of a job that nomad-jobspec submitted.",
			Config: schema.New[Config], Output: schema.New[Output],
		}},
	}
}
