// Package pack is the plugin "pack": images built by Cloud Native Buildpacks, without a Dockerfile.
package pack

import (
	_ "embed" // the example

	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures the builder.
type Config struct {
	// Image of the buildpacks' builder. Waypoint's own default, heroku/buildpacks:20, is no longer maintained.
	Builder string `hcl:"builder,optional" default:"heroku/builder:24"`
	// Buildpacks to use, by id or URL. Without it the builder detects what the app needs.
	Buildpacks []string `hcl:"buildpacks,optional"`
	// Process type that the image starts, one of the app's Procfile or of those that the buildpacks define.
	ProcessType string `hcl:"process_type,optional" default:"web"`
	// Environment variables of the build, which is how most buildpacks are configured.
	StaticEnvironment map[string]string `hcl:"static_environment,optional"`
	// Patterns of files that are kept out of the build, as in .gitignore.
	Ignore []string `hcl:"ignore,optional"`
	// Whether the Waypoint entrypoint is left out of the image. Without it the app has no exec, no logs in Waypoint, and
	// no configuration that changes while it runs.
	DisableEntrypoint bool `hcl:"disable_entrypoint,optional"`
}

// Output is what later stages see of the image.
type Output struct {
	// Name of the image without its tag.
	Image string `hcl:"image"`
	// Tag of the image.
	Tag string `hcl:"tag"`
	// Name and tag as one reference, "image:tag".
	Name string `hcl:"name"`
	// Architecture that the image is for, "amd64" or "arm64".
	Architecture string `hcl:"architecture"`
	// Whether the image is in a registry already, rather than in a Docker engine.
	Remote bool `hcl:"remote"`
	// Labels that the buildpacks gave the image.
	BuildLabels map[string]string `hcl:"build_labels"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "pack",
		Summary: "Build images with Cloud Native Buildpacks, without a Dockerfile.",
		Example: example,
		Schemas: []schema.Component{{
			Kind: schema.Builder, Summary: "Builds an image with Cloud Native Buildpacks.",
			Config: schema.New[Config], Output: schema.New[Output],
		}},
	}
}
