// Package image has what all plugins that make or store container images have in common: how a registry is
// authenticated to, and what later stages see of an image.
package image

// Auth is how a registry is authenticated to.
type Auth struct {
	// Host name of the registry that this is for. Needed where it cannot be read from the image's name.
	Hostname string `hcl:"hostname,optional"`
	// User name.
	Username string `hcl:"username,optional"`
	// Password, or an access token. Give it as a sensitive input variable.
	Password string `hcl:"password,optional"`
	// Email address of the account; few registries ask for it.
	Email string `hcl:"email,optional"`
	// User name and password in one, "user:password" in base64, as in Docker's config.json.
	Auth string `hcl:"auth,optional"`
	// URL of the registry's authentication server.
	ServerAddress string `hcl:"serverAddress,optional"`
	// Token that gets access tokens for the registry, from an earlier login.
	IdentityToken string `hcl:"identityToken,optional"`
	// Bearer token that is sent to the registry as it is.
	RegistryToken string `hcl:"registryToken,optional"`
}

// Output is what later stages see of an image.
type Output struct {
	// Name of the image without its tag, for example "ghcr.io/acme/web".
	Image string `hcl:"image"`
	// Tag of the image.
	Tag string `hcl:"tag"`
	// Name and tag as one reference, "image:tag".
	Name string `hcl:"name"`
	// Architecture that the image is for, "amd64" or "arm64"; empty if it is not known.
	Architecture string `hcl:"architecture"`
	// Where the image is: "registry", or "docker" for the engine of the machine that built it.
	Location string `hcl:"location"`
}
