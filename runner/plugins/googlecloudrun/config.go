// Package googlecloudrun is the plugin "google-cloud-run": apps that run on Google Cloud Run.
package googlecloudrun

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the platform.
type Config struct {
	// Id of the Google Cloud project.
	Project string `hcl:"project"`
	// Region of the service, for example "europe-north1".
	Location string `hcl:"location"`
	// Port that the app listens on. It is in the environment variable PORT.
	Port int `hcl:"port,optional" default:"8080"`
	// What an instance gets.
	Capacity *Capacity `hcl:"capacity,block"`
	// How the number of instances follows the load.
	AutoScaling *AutoScaling `hcl:"auto_scaling,block"`
	// Service account that the app has.
	ServiceAccountName string `hcl:"service_account_name,optional" default:"the project's default"`
	// Whether everybody may call the app.
	Unauthenticated *bool `hcl:"unauthenticated,optional" default:"true"`
	// How the app reaches a VPC.
	VPCAccess *VPCAccess `hcl:"vpc_access,block"`
	// Cloud SQL instances that the app connects to, each "project:region:instance".
	CloudSQLInstances []string `hcl:"cloudsql_instances,optional"`
	// Environment variables of the app. Values that differ between environments, and secrets, are better kept with
	// `waypoint config set`.
	StaticEnvironment map[string]string `hcl:"static_environment,optional"`
}

// Capacity is what an instance gets.
type Capacity struct {
	// Memory in MiB.
	Memory int `hcl:"memory,optional" default:"512"`
	// Number of CPUs.
	CPUCount int `hcl:"cpu_count,optional" default:"1"`
	// Requests that an instance takes at a time, 1000 at most.
	MaxRequestsPerContainer int `hcl:"max_requests_per_container,optional" default:"80"`
	// Seconds that a request may take.
	RequestTimeout int `hcl:"request_timeout,optional" default:"300"`
}

// AutoScaling says how the number of instances follows the load.
type AutoScaling struct {
	// Most instances.
	Max int `hcl:"max,optional" default:"100"`
}

// VPCAccess says how the app reaches a VPC.
type VPCAccess struct {
	// Name of the VPC connector.
	Connector string `hcl:"connector,optional"`
	// What goes through it: "all", or "private-ranges-only".
	Egress string `hcl:"egress,optional" default:"private-ranges-only"`
}

// Output is what later stages see of a deployment.
type Output struct {
	// Id of the deployment.
	ID string `hcl:"id"`
	// Region of the service.
	Region string `hcl:"region"`
	// Id of the Cloud Run revision.
	RevisionID string `hcl:"revision_id"`
	// Address of the service.
	URL string `hcl:"url"`
}

// ReleaseOutput is what is seen of a release.
type ReleaseOutput struct {
	// Address of the service.
	URL string `hcl:"url"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "google-cloud-run",
		Summary: "Run apps on Google Cloud Run.",
		Example: example,
		Schemas: []schema.Component{
			{
				Kind: schema.Platform, Summary: "Makes a revision of a Cloud Run service from an image.",
				Config: schema.New[Config], Output: schema.New[Output],
			},
			{
				Kind:    schema.Releaser,
				Summary: "Moves the service's traffic to a revision. Apps without a release stanza have it, too.",
				Output:  schema.New[ReleaseOutput],
			},
		},
	}
}
