package image

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// Auth is how a registry is authenticated to.
type Auth struct {
	// Host name of the registry that this is for. It is that of the image's name if it is left out; for the base image
	// of a build, that of Docker Hub.
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

// Names of Docker Hub: HubHost is where its images are, hubKey is how Docker's configuration names it.
const (
	HubHost = "index.docker.io"
	hubKey  = "https://index.docker.io/v1/"
)

// Credentials of one registry. The zero value is nobody's. They are never printed: see Redact.
type Credentials struct {
	Username, Password string
	// IdentityToken and RegistryToken are as in Auth.
	IdentityToken, RegistryToken string
	// email and server are passed on to the engine.
	email, server string
}

// Anonymous reports that there are none.
func (c Credentials) Anonymous() bool {
	return c.Username == "" && c.Password == "" && c.IdentityToken == "" && c.RegistryToken == ""
}

// Header is what the Docker engine takes as X-Registry-Auth.
func (c Credentials) Header() string {
	content, err := json.Marshal(map[string]string{
		"username": c.Username, "password": c.Password, "email": c.email, "serveraddress": c.server,
		"identitytoken": c.IdentityToken, "registrytoken": c.RegistryToken,
	})
	if err != nil {
		return "" // strings always marshal
	}
	return base64.URLEncoding.EncodeToString(content)
}

// Authenticator is for go-containerregistry.
func (c Credentials) Authenticator() authn.Authenticator {
	if c.Anonymous() {
		return authn.Anonymous
	}
	return authn.FromConfig(authn.AuthConfig{
		Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken,
	})
}

// Redact takes the secrets out of a text that somebody else wrote: an engine's or a registry's error.
func (c Credentials) Redact(text string) string {
	for _, secret := range []string{c.Password, c.IdentityToken, c.RegistryToken} {
		if secret == "" {
			continue
		}
		// The longest first: the shorter ones may be a part of it.
		for _, form := range []string{basic(c.Username, secret), base64.StdEncoding.EncodeToString([]byte(secret)), secret} {
			text = strings.ReplaceAll(text, form, "(hidden)")
		}
	}
	return text
}

// hide tells the secrets to whoever takes them out of what the job shows.
func (c Credentials) hide(add func(...string)) {
	for _, secret := range []string{c.Password, c.IdentityToken, c.RegistryToken} {
		if secret != "" {
			add(secret)
		}
	}
}

func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// Settings are the attributes by which a component is told credentials; any may be empty.
type Settings struct {
	Auth                        *Auth
	Encoded, Username, Password string
}

// Credentials reads the settings. there is false if they say nothing; host is the registry that they are for, empty for
// that of the image.
func (s Settings) Credentials() (c Credentials, host string, there bool, err error) {
	if s.Username != "" || s.Password != "" {
		c.Username, c.Password = s.Username, s.Password
		if s.Username == "" {
			return c, "", false, &plugin.Error{Message: "there is a password for the registry and no username", Hint: "Set username beside it."}
		}
		there = true
	}
	if s.Encoded != "" {
		if c, err = decode(s.Encoded); err != nil {
			return c, "", false, err
		}
		there = true
	}
	if a := s.Auth; a != nil {
		c = Credentials{
			Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken,
			email: a.Email, server: a.ServerAddress,
		}
		if a.Auth != "" && c.Password == "" {
			if c.Username, c.Password, err = splitBasic(a.Auth); err != nil {
				return c, "", false, err
			}
		}
		if c.Anonymous() {
			return c, "", false, &plugin.Error{
				Message: "the auth block names no credentials",
				Hint:    "Set username and password, or auth, identityToken or registryToken; or leave the block out to use Docker's configuration.",
			}
		}
		if host = a.Hostname; host == "" {
			host = a.ServerAddress
		}
		there = true
		if host != "" {
			host = normalHost(host)
		}
	}
	return c, host, there, nil
}

// decode reads what Docker's X-Registry-Auth header holds; both alphabets of base64 are about.
func decode(encoded string) (Credentials, error) {
	refuse := func() (Credentials, error) {
		return Credentials{}, &plugin.Error{ // what it holds is not repeated: it is a secret
			Message: "encoded_auth is not a JSON object in base64",
			Hint:    `For example: encoded_auth = base64encode(jsonencode({ username = var.user, password = var.password })).`,
		}
	}
	clean := strings.NewReplacer("-", "+", "_", "/", "\n", "", "=", "").Replace(strings.TrimSpace(encoded))
	content, err := base64.RawStdEncoding.DecodeString(clean)
	if err != nil {
		return refuse()
	}
	var a struct {
		Username, Password, Email, Auth, ServerAddress, IdentityToken, RegistryToken string
	}
	if err := json.Unmarshal(content, &a); err != nil {
		return refuse()
	}
	c := Credentials{
		Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken,
		email: a.Email, server: a.ServerAddress,
	}
	if a.Auth != "" && c.Password == "" {
		if c.Username, c.Password, err = splitBasic(a.Auth); err != nil {
			return c, err
		}
	}
	if c.Anonymous() {
		return refuse()
	}
	return c, nil
}

func splitBasic(encoded string) (user, password string, err error) {
	content, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	user, password, ok := strings.Cut(strings.TrimRight(string(content), "\x00"), ":")
	if err != nil || !ok {
		return "", "", &plugin.Error{Message: `auth is not "user:password" in base64`, Hint: "username and password are easier to write."}
	}
	return user, password, nil
}

// normalHost is a registry's host without scheme and path; Docker Hub has one name of its many.
func normalHost(address string) string {
	address = strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://")
	host, _, _ := strings.Cut(address, "/")
	switch host {
	case "docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com":
		return HubHost
	}
	return host
}
