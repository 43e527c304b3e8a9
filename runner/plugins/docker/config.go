// Package docker is the plugin "docker": images built from a Dockerfile, pushed to a registry, and run as containers of
// a Docker engine.
package docker

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

// BuilderConfig configures the builder.
type BuilderConfig struct {
	// Path of the Dockerfile, relative to the app's directory. Use templatefile to make one from a template.
	Dockerfile string `hcl:"dockerfile,optional" default:"Dockerfile"`
	// Directory that is sent to the build, relative to the app's directory.
	Context string `hcl:"context,optional" default:"the app's directory"`
	// Values of ARG instructions in the Dockerfile. Whoever has the image can read them: give no secrets.
	BuildArgs map[string]string `hcl:"build_args,optional"`
	// Whether the image is built with BuildKit, or with the engine's older builder. BuildKit is faster, and needed for
	// cache mounts and here-documents.
	BuildKit *bool `hcl:"buildkit,optional" default:"true where the Docker engine has it"`
	// Platform that the image is built for, for example "linux/arm64".
	Platform string `hcl:"platform,optional" default:"that of the Docker engine"`
	// Stage of a multi-stage Dockerfile to build.
	Target string `hcl:"target,optional" default:"the last stage"`
	// Whether layers of earlier builds are left unused.
	NoCache bool `hcl:"no_cache,optional"`
	// Whether the Waypoint entrypoint is left out of the image. Without it the app has no exec, no logs in Waypoint, and
	// no configuration that changes while it runs.
	DisableEntrypoint bool `hcl:"disable_entrypoint,optional"`
	// How to authenticate to the registry of the base image.
	Auth *image.Auth `hcl:"auth,block"`
}

// RegistryConfig configures the registry.
type RegistryConfig struct {
	// Name of the image, with its registry's host and without a tag, for example "ghcr.io/acme/web".
	Image string `hcl:"image"`
	// Tag of the image, for example gitrefpretty().
	Tag string `hcl:"tag"`
	// Whether the image is only tagged in the Docker engine and not pushed. Only a platform that uses the same engine
	// can run it then.
	Local bool `hcl:"local,optional"`
	// How to authenticate to the registry: a JSON object as Docker's X-Registry-Auth header takes it, in base64.
	// auth, or username and password, are easier to write.
	EncodedAuth string `hcl:"encoded_auth,optional"`
	// User name for the registry; with password.
	Username string `hcl:"username,optional"`
	// Password for the registry; with username.
	Password string `hcl:"password,optional"`
	// How to authenticate to the registry. Without any of these the Docker configuration of the runner's machine is used.
	Auth *image.Auth `hcl:"auth,block"`
	// Whether the registry may be spoken to over plain HTTP, or with a certificate that does not verify.
	Insecure bool `hcl:"insecure,optional"`
}

// PlatformConfig configures the platform.
type PlatformConfig struct {
	// Command that the container runs instead of the image's own: program and arguments.
	Command []string `hcl:"command,optional"`
	// Path in the container for temporary data; a volume of memory is mounted there.
	ScratchPath string `hcl:"scratch_path,optional"`
	// Environment variables of the app. Values that differ between environments, and secrets, are better kept with
	// `waypoint config set`.
	StaticEnvironment map[string]string `hcl:"static_environment,optional"`
	// Port that the app listens on in the container. It is published on a free port, and is in the environment variable
	// PORT.
	ServicePort uint `hcl:"service_port,optional" default:"3000"`
	// Further ports of the app to publish.
	ExtraPorts []uint `hcl:"extra_ports,optional"`
	// Docker networks that the container is connected to. "host" alone is the machine's own network: the app listens on a
	// port of the machine, service_port or, without it, a free one that it finds in PORT. "none" alone gives no network:
	// the app cannot be reached, nor can it reach anything.
	Networks []string `hcl:"networks,optional" default:"[\"waypoint\"]"`
	// Directories of the engine's machine to mount, each "host-path:container-path", with ":ro" for read-only.
	Binds []string `hcl:"binds,optional"`
	// Labels of the container.
	Labels map[string]string `hcl:"labels,optional"`
	// Limits of the container: "memory", for example "512m", and "cpu", a number of CPU shares.
	Resources map[string]string `hcl:"resources,optional"`
	// Whether the image is pulled even if the engine has one of that name.
	ForcePull bool `hcl:"force_pull,optional"`
	// How to authenticate to the registry that the image is pulled from. Without it the Docker configuration of the
	// runner's machine is used.
	Auth *image.Auth `hcl:"auth,block"`
	// Which Docker engine to use.
	ClientConfig *ClientConfig `hcl:"client_config,block"`
}

// ClientConfig says which Docker engine to use.
type ClientConfig struct {
	// Address of the engine, for example "unix:///var/run/docker.sock" or "tcp://10.0.0.5:2376".
	Host string `hcl:"host,optional" default:"DOCKER_HOST, else the machine's own engine"`
	// Directory with the TLS files ca.pem, cert.pem and key.pem.
	CertPath string `hcl:"cert_path,optional" default:"DOCKER_CERT_PATH"`
	// Version of the engine's API to speak.
	APIVersion string `hcl:"api_version,optional" default:"the newest that both know"`
}

// TaskConfig configures the task launcher.
type TaskConfig struct {
	// Docker networks that the task's container is connected to.
	Networks []string `hcl:"networks,optional" default:"[\"waypoint\"]"`
	// Labels of the container.
	Labels map[string]string `hcl:"labels,optional"`
	// Directories of the engine's machine to mount, each "host-path:container-path".
	Binds []string `hcl:"binds,optional"`
	// Limits of the container.
	Resources *TaskResources `hcl:"resources,block"`
	// Environment variables of the task.
	StaticEnvironment map[string]string `hcl:"static_environment,optional"`
	// Whether the image is pulled even if the engine has one of that name.
	ForcePull bool `hcl:"force_pull,optional"`
	// Whether containers of tasks are kept when they end, to look into them.
	DebugContainers bool `hcl:"debug_containers,optional"`
	// Which Docker engine to use.
	ClientConfig *ClientConfig `hcl:"client_config,block"`
}

// TaskResources are the limits of a task's container.
type TaskResources struct {
	// CPU shares.
	CPU string `hcl:"cpu,optional"`
	// Memory, for example "512m".
	Memory string `hcl:"memory,optional"`
}

// Output is what later stages see of a deployment.
type Output struct {
	// Name of the container.
	Container string `hcl:"container"`
	// The engine's id of the container.
	ID string `hcl:"id"`
	// Name of the deployment, the same as the container's.
	Name string `hcl:"name"`
	// Port on which the service port is published.
	Port int `hcl:"port"`
	// Address of the deployment.
	URL string `hcl:"url"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition(o Options) catalog.Definition {
	return catalog.Definition{
		Name:    "docker",
		Summary: "Build images from a Dockerfile, push them, and run them as containers of a Docker engine.",
		Example: example,
		Schemas: []schema.Component{
			{
				Kind: schema.Builder, Summary: "Builds an image from a Dockerfile.",
				Config: schema.New[BuilderConfig], Output: schema.New[image.Output],
			},
			{
				Kind: schema.Registry, Summary: "Tags an image and pushes it to a registry.",
				Config: schema.New[RegistryConfig], Output: schema.New[image.Output],
			},
			{
				Kind: schema.Platform, Summary: "Runs an image as a container of a Docker engine.",
				Config: schema.New[PlatformConfig], Output: schema.New[Output],
			},
			{
				Kind:    schema.Releaser,
				Summary: "Leads a stable port of this machine to a container, without losing a request. Apps without a release stanza have it, too.",
				Config:  schema.New[stableport.Config], Output: schema.New[stableport.Output],
			},
			{
				Kind: schema.TaskLauncher, Summary: "Launches tasks as containers of a Docker engine.",
				Config: schema.New[TaskConfig],
			},
		},
		Builder:  func() plugin.Builder { return &builder{} },
		Registry: func() plugin.Registry { return &registry{} },
		Platform: func() plugin.Platform { return &platform{options: o} },
		Releaser: func() plugin.Releaser { return newReleaser(o) },
	}
}
