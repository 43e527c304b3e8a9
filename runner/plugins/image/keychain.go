package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/command"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// helperTimeout bounds one run of a credential helper: some ask a cloud.
const helperTimeout = 30 * time.Second

// Keychain knows the credentials of registries: those of a component's settings first, then Docker's configuration and
// its credential helpers. It reads the environment that the component was given, so that what is configured for runners
// counts. What it reads is sensitive for the job from then on.
type Keychain struct {
	environ  []string
	secrets  *redact.Secrets
	own      Credentials
	ownHost  string
	hasOwn   bool
	settings dockerConfig
}

// dockerConfig is what we read of Docker's config.json.
type dockerConfig struct {
	Auths       map[string]dockerAuth `json:"auths"`
	CredsStore  string                `json:"credsStore"`
	CredHelpers map[string]string     `json:"credHelpers"`
	Proxies     map[string]proxies    `json:"proxies"`
}

type dockerAuth struct {
	Auth, Username, Password     string
	IdentityToken, RegistryToken string
}

// NewKeychain reads the settings and Docker's configuration. Settings that name no host are for host, and for no other
// registry: they are sent nowhere that they are not meant for.
func NewKeychain(env *plugin.Call, host string, s Settings) (*Keychain, error) {
	k := &Keychain{environ: environOf(env), secrets: env.Secrets}
	var err error
	if k.own, k.ownHost, k.hasOwn, err = s.Credentials(); err != nil {
		return nil, err
	}
	k.own.hide(k.secrets.Add)
	if k.ownHost == "" {
		k.ownHost = normalHost(host)
	}
	if k.settings, err = readDockerConfig(k.environ); err != nil {
		return nil, err
	}
	for _, a := range k.settings.Auths { // other registries' passwords have no business in what people read either
		k.secrets.AddText(a.Auth)
		a.credentials().hide(k.secrets.AddText)
	}
	return k, nil
}

// environOf is the environment that a component was given; without one it is the process's.
func environOf(env *plugin.Call) []string {
	if env.Environ == nil {
		return os.Environ()
	}
	return env.Environ
}

// readDockerConfig reads the configuration of Docker's command. Without one registries are asked anonymously, and answer
// themselves if that will not do.
func readDockerConfig(environ []string) (dockerConfig, error) {
	var out dockerConfig
	path := filepath.Join(configDir(environ), "config.json")
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return out, nil
	case err != nil:
		return out, &plugin.Error{Message: "Docker's configuration cannot be read", Cause: err}
	}
	if err := json.Unmarshal(content, &out); err != nil {
		return out, &plugin.Error{
			Message: path + " is not valid: " + err.Error(), Hint: "Correct the file, or log in again with `docker login`.",
		}
	}
	return out, nil
}

// credentials are those of an entry, as far as it can be read.
func (a dockerAuth) credentials() Credentials {
	c := Credentials{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}
	if a.Auth != "" {
		if user, password, err := splitBasic(a.Auth); err == nil {
			c.Username, c.Password = user, password
		}
	}
	return c
}

// For gives the credentials for a registry's host; the zero value if there are none.
func (k *Keychain) For(ctx context.Context, host string) (Credentials, error) {
	c, err := k.find(ctx, normalHost(host))
	c.hide(k.secrets.Add)
	return c, err
}

func (k *Keychain) find(ctx context.Context, host string) (Credentials, error) {
	if k.hasOwn && k.ownHost == host {
		return k.own, nil
	}
	keys := []string{host, "https://" + host, "http://" + host, "https://" + host + "/v1/", "https://" + host + "/v2/"}
	if host == HubHost {
		keys = []string{hubKey, HubHost, "docker.io", "registry-1.docker.io"}
	}
	for _, key := range keys {
		if helper := k.settings.CredHelpers[key]; helper != "" {
			return k.ask(ctx, helper, key)
		}
	}
	if k.settings.CredsStore != "" {
		c, err := k.ask(ctx, k.settings.CredsStore, keys[0])
		if err != nil || !c.Anonymous() {
			return c, err
		}
	}
	for key, a := range k.settings.Auths {
		if normalHost(key) != host {
			continue
		}
		if _, _, err := splitBasic(a.Auth); a.Auth != "" && err != nil {
			return Credentials{}, &plugin.Error{
				Message: fmt.Sprintf("the credentials of %s in Docker's configuration are broken", key), Hint: "Log in again: docker login " + host,
			}
		}
		c := a.credentials()
		c.server = key
		if !c.Anonymous() {
			return c, nil
		}
	}
	return Credentials{}, nil
}

// Redact takes the configured secrets out of a text.
func (k *Keychain) Redact(text string) string { return k.own.Redact(text) }

// ask runs a credential helper, by Docker's protocol: the server on its standard input, a JSON object back.
func (k *Keychain) ask(ctx context.Context, helper, server string) (Credentials, error) {
	name := "docker-credential-" + helper
	program := k.program(name)
	if program == "" {
		return Credentials{}, &plugin.Error{
			Message: fmt.Sprintf("Docker's configuration names the credential helper %s, which is not in the PATH", name),
			Hint:    "Install it on the runner's machine, or give the credentials in an auth block.",
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, helperTimeout, fmt.Errorf("it did not answer within %s", helperTimeout))
	defer cancel()
	var out, complaint bytes.Buffer
	running := command.Run(ctx, command.Spec{
		Args: []string{program, "get"}, Env: k.environ, Stdin: strings.NewReader(server), Stdout: &out, Stderr: &complaint,
		KeepBackground: true, // an agent that keeps the key ring open
	})
	var answer struct{ Username, Secret string }
	reading := json.Unmarshal(out.Bytes(), &answer)
	k.secrets.Add(answer.Secret) // also that of one that failed afterwards: its words are shown
	if running != nil {
		said := strings.TrimSpace(out.String() + " " + complaint.String())
		if strings.Contains(said, "credentials not found") {
			return Credentials{}, nil
		}
		if said = k.secrets.Hide(said); len(said) > 300 {
			said = said[:300] + "…"
		}
		return Credentials{}, &plugin.Error{
			Message: fmt.Sprintf("the credential helper %s has nothing for %s: %s", name, server, said),
			Hint:    "Run `" + name + " get` by hand, or give the credentials in an auth block.", Cause: running,
		}
	}
	if reading != nil {
		return Credentials{}, &plugin.Error{Message: fmt.Sprintf("the credential helper %s gave no JSON object for %s", name, server)}
	}
	if answer.Username == "<token>" { // the protocol's word for an identity token
		return Credentials{IdentityToken: answer.Secret, server: server}, nil
	}
	return Credentials{Username: answer.Username, Password: answer.Secret, server: server}, nil
}

// program looks for a program in the PATH of the environment.
func (k *Keychain) program(name string) string {
	for _, dir := range filepath.SplitList(get(k.environ, "PATH")) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

func configDir(environ []string) string {
	if dir := get(environ, "DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home := get(environ, "HOME")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	return filepath.Join(home, ".docker")
}

// get returns the value of an environment variable; the last one counts.
func get(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if key, value, _ := strings.Cut(environ[i], "="); strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}
