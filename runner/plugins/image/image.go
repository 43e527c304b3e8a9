// Package image has what all plugins that make or store container images have in common: how a registry is
// authenticated to, what later stages see of an image, and what is kept of it.
//
// It speaks to no Docker engine (package docker does) and puts nothing into an image (package image/inject does).
package image

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/distribution/reference"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// Where an image is.
const (
	// InRegistry: in the registry that its name says.
	InRegistry = "registry"
	// InEngine: in the Docker engine of the machine that built it.
	InEngine = "docker"
)

// Output is what later stages see of an image.
type Output struct {
	// Name of the image without its tag, for example "ghcr.io/acme/web".
	Image string `hcl:"image"`
	// Tag of the image.
	Tag string `hcl:"tag"`
	// Name and tag as one reference, "image:tag".
	Name string `hcl:"name"`
	// Digest of the image in its registry, "sha256:…"; empty for one that is in no registry.
	Digest string `hcl:"digest"`
	// Architecture that the image is for, "amd64" or "arm64"; empty if it is not known.
	Architecture string `hcl:"architecture"`
	// Where the image is: "registry", or "docker" for the engine of the machine that built it.
	Location string `hcl:"location"`
}

// Image is the state of all plugins that build, pull or push an image: any registry and platform for images reads it.
type Image struct {
	Image string `json:"image"`
	Tag   string `json:"tag"`
	// ID is the engine's, of an image InEngine.
	ID string `json:"id,omitempty"`
	// Digest is the registry's, of an image InRegistry; empty if nobody has asked.
	Digest string `json:"digest,omitempty"`
	// Architecture; empty if it is not known.
	Architecture string `json:"architecture,omitempty"`
	// Location is InRegistry or InEngine; empty is InRegistry.
	Location string `json:"location,omitempty"`
	// Inject reports that the entrypoint is still to be put in when the image is pushed.
	Inject bool `json:"inject,omitempty"`
}

// Name is the image's whole name.
func (i Image) Name() string { return i.Image + ":" + i.Tag }

// Result is what a builder or a registry returns for the image.
func (i Image) Result() *plugin.Result {
	if i.Location == "" {
		i.Location = InRegistry
	}
	return &plugin.Result{
		State: i,
		Template: map[string]any{
			"image": i.Image, "tag": i.Tag, "name": i.Name(), "digest": i.Digest, "architecture": i.Architecture, "location": i.Location,
		},
		Digest:   i.digest(),
		Portable: i.Location == InRegistry,
	}
}

// digest is the registry's, or the engine's id of an image that it has, which is a digest of the content, too. An image
// without the entrypoint that it is to get is neither yet.
func (i Image) digest() string {
	switch {
	case i.Inject:
		return ""
	case i.Location == InEngine:
		return i.ID
	}
	return i.Digest
}

// FromArtifact reads the image that an earlier stage made. by names who wants it: `the registry "docker"`.
func FromArtifact(a *plugin.Artifact, by string) (Image, error) {
	var i Image
	if err := json.Unmarshal(a.State, &i); err != nil || i.Image == "" || i.Tag == "" {
		return Image{}, &plugin.Error{
			Message: fmt.Sprintf("%s needs an image, and what %q builds is none", by, a.Plugin),
			Hint:    "Build with \"docker\", \"docker-pull\" or \"docker-ref\".",
		}
	}
	if i.Location == "" {
		i.Location = InRegistry
	}
	return i, nil
}

// Reference checks that an image's name and a tag make a reference, and gives both without the blanks around them.
func Reference(image, tag string) (string, string, error) {
	image, tag = strings.TrimSpace(image), strings.TrimSpace(tag)
	if image == "" || tag == "" {
		return "", "", &plugin.Error{Message: "image and tag must not be empty", Hint: "For example: image = \"nginx\", tag = \"1.29\"."}
	}
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		hint := "It reads like ghcr.io/acme/web: a registry's host, and a path of small letters, digits and - _ . /"
		return "", "", &plugin.Error{Message: fmt.Sprintf("image = %q is not the name of an image: %s", image, plain(err)), Hint: hint}
	}
	if !reference.IsNameOnly(named) {
		return "", "", &plugin.Error{
			Message: fmt.Sprintf("image = %q has a tag or a digest in it", image),
			Hint:    fmt.Sprintf("Give the name alone, image = %q, and the tag as tag.", reference.FamiliarName(named)),
		}
	}
	if _, err := reference.WithTag(named, tag); err != nil {
		return "", "", &plugin.Error{
			Message: fmt.Sprintf("tag = %q is not a tag of an image", tag),
			Hint:    "A tag has letters, digits, _, - and . and at most 128 of them; it begins with none of - and . – gitrefpretty() makes one.",
		}
	}
	return image, tag, nil
}

func plain(err error) string { return strings.TrimPrefix(err.Error(), "invalid reference format: ") }

// Host is the registry of an image's name, as Docker's configuration and go-containerregistry name it: that of Docker Hub
// is HubHost.
func Host(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return ""
	}
	return normalHost(reference.Domain(named))
}
