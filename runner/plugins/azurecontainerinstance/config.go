// Package azurecontainerinstance is the plugin "azure-container-instance": a platform that runs images as container groups
// of Azure Container Instances.
package azurecontainerinstance

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the platform.
type Config struct {
	// Name of the resource group.
	ResourceGroup string `hcl:"resource_group"`
	// Region of the container group, for example "westeurope".
	Location string `hcl:"location,optional" default:"that of the resource group"`
	// Id of the Azure subscription.
	SubscriptionID string `hcl:"subscription_id,optional" default:"AZURE_SUBSCRIPTION_ID"`
	// Id of the managed identity that the app has.
	ManagedIdentity string `hcl:"managed_identity,optional"`
	// Ports that the app listens on. The first is in the environment variable PORT.
	Ports []int `hcl:"ports,optional"`
	// What the app gets.
	Capacity *Capacity `hcl:"capacity,block"`
	// A directory that is mounted into the container.
	Volume []*Volume `hcl:"volume,block"`
	// Environment variables of the app. Values that differ between environments, and secrets, are better kept with
	// `waypoint config set`.
	StaticEnvironment map[string]string `hcl:"static_environment,optional"`
}

// Capacity is what the app gets.
type Capacity struct {
	// Memory in MB.
	Memory int `hcl:"memory,optional" default:"512"`
	// Number of CPUs.
	CPUCount int `hcl:"cpu_count,optional" default:"1"`
}

// Volume is a directory that is mounted: an Azure file share, a git repository, or secrets.
type Volume struct {
	// Name of the volume.
	Name string `hcl:"name,optional" default:"made from the app's name"`
	// Path in the container.
	Path string `hcl:"path"`
	// Whether the app may not write to it.
	ReadOnly bool `hcl:"read_only,optional"`
	// An Azure file share.
	AzureFileShare *AzureFileShare `hcl:"azure_file_share,block"`
	// A git repository, cloned when the container starts.
	GitRepo *GitRepo `hcl:"git_repo,block"`
	// Files with secrets: name to content.
	Secrets map[string]string `hcl:"secrets,optional"`
}

// AzureFileShare is a file share.
type AzureFileShare struct {
	// Name of the share.
	Name string `hcl:"name"`
	// Name of the storage account.
	StorageAccountName string `hcl:"storage_account_name"`
	// Key of the storage account. Give it as a sensitive input variable.
	StorageAccountKey string `hcl:"storage_account_key"`
}

// GitRepo is a git repository.
type GitRepo struct {
	// URL of the repository.
	Repository string `hcl:"repository"`
	// Commit to check out.
	Revision string `hcl:"revision,optional" default:"the newest of the default branch"`
	// Directory to clone into, below the volume's path.
	Directory string `hcl:"directory,optional" default:"the repository's name"`
}

// Output is what later stages see of a deployment.
type Output struct {
	// Id of the deployment.
	ID string `hcl:"id"`
	// Name of the container group.
	ContainerGroup string `hcl:"container_group"`
	// Address of the app.
	URL string `hcl:"url"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "azure-container-instance",
		Summary: "Run apps on Azure Container Instances.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Platform, Summary: "Runs an image as a container group.",
			Config: schema.New[Config], Output: schema.New[Output],
		}},
	}
}
