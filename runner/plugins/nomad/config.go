// Package nomad is the plugin "nomad": apps and tasks that run as jobs of HashiCorp Nomad, without a job specification.
package nomad

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// PlatformConfig configures the platform.
type PlatformConfig struct {
	// Datacenter that the job runs in.
	Datacenter string `hcl:"datacenter,optional" default:"dc1"`
	// Namespace of the job.
	Namespace string `hcl:"namespace,optional" default:"default"`
	// Region of the job.
	Region string `hcl:"region,optional" default:"global"`
	// Number of instances.
	Replicas int `hcl:"replicas,optional" default:"1"`
	// What an instance gets.
	Resources *Resources `hcl:"resources,block"`
	// Port that the app listens on. It is in the environment variable PORT.
	ServicePort uint `hcl:"service_port,optional" default:"3000"`
	// Where the app's service is registered: "consul" or "nomad".
	ServiceProvider string `hcl:"service_provider,optional" default:"consul"`
	// Environment variables of the app. Values that differ between environments, and secrets, are better kept with
	// `waypoint config set`.
	StaticEnvironment map[string]string `hcl:"static_environment,optional"`
	// How to authenticate to the registry of the image.
	Auth *Auth `hcl:"auth,block"`
	// Token for Consul with which the job is submitted.
	ConsulToken string `hcl:"consul_token,optional" default:"CONSUL_HTTP_TOKEN"`
	// Token for Vault with which the job is submitted.
	VaultToken string `hcl:"vault_token,optional" default:"VAULT_TOKEN"`
}

// Resources are what an instance gets.
type Resources struct {
	// CPU in MHz.
	CPU *int `hcl:"cpu,optional" default:"100"`
	// Memory in MB.
	MemoryMB *int `hcl:"memorymb,optional" default:"300"`
}

// Auth is how to authenticate to a registry.
type Auth struct {
	// User name.
	Username string `hcl:"username,optional"`
	// Password. Give it as a sensitive input variable.
	Password string `hcl:"password,optional"`
}

// TaskConfig configures the task launcher.
type TaskConfig struct {
	// Datacenter that tasks run in.
	Datacenter string `hcl:"datacenter,optional" default:"dc1"`
	// Namespace of the tasks' jobs.
	Namespace string `hcl:"namespace,optional" default:"default"`
	// Region of the tasks' jobs.
	Region string `hcl:"region,optional" default:"global"`
	// Address of the Nomad server.
	NomadHost string `hcl:"nomad_host,optional" default:"http://localhost:4646"`
	// CPU of a task, in MHz.
	ResourcesCPU string `hcl:"resources_cpu,optional" default:"200"`
	// Memory of a task, in MB.
	ResourcesMemory string `hcl:"resources_memory,optional" default:"2000"`
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
		Name:    "nomad",
		Summary: "Run apps as jobs of HashiCorp Nomad, without a job specification.",
		Example: example,
		Schemas: []schema.Component{
			{
				Kind: schema.Platform, Summary: "Runs an image as a Nomad service job.",
				Config: schema.New[PlatformConfig], Output: schema.New[Output],
			},
			{
				Kind: schema.TaskLauncher, Summary: "Launches tasks as Nomad batch jobs.",
				Config: schema.New[TaskConfig],
			},
		},
	}
}
