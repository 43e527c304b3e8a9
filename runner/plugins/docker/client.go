package docker

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"

	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// connectTimeout bounds the first answer of an engine.
const connectTimeout = 15 * time.Second

// engine is a Docker engine that has answered.
type engine struct {
	*client.Client
	// host is its address, for messages.
	host string
	// buildKit reports whether it can build with BuildKit; preferred says whether that is its own default.
	buildKit, preferred bool
}

// connect finds the engine as Docker's own command does, and waits until it answers: the configuration, then
// DOCKER_HOST and its kin, then the current context of Docker's configuration, then the machine's own engine. environ
// is what a component was given (plugin.Env.Environ; nil: the process's). The caller closes it.
func connect(ctx context.Context, environ []string, config *ClientConfig) (*engine, error) {
	at, err := locate(environ, config)
	if err != nil {
		return nil, err
	}
	options := []client.Opt{client.WithUserAgent("waypoint/" + version.Version())}
	if strings.HasPrefix(at.host, "ssh://") {
		return nil, &plugin.Error{
			Message: fmt.Sprintf("the Docker engine at %s is reached over SSH, which Waypoint does not do itself", at.host),
			Hint:    "Forward its socket (ssh -L /tmp/docker.sock:/var/run/docker.sock HOST) and set DOCKER_HOST=unix:///tmp/docker.sock.",
		}
	}
	if at.certs != "" && (strings.HasPrefix(at.host, "tcp://") || strings.HasPrefix(at.host, "https://")) {
		secured, err := at.tls()
		if err != nil {
			return nil, err
		}
		options = append(options, secured) // before the host, which sets up the transport that it finds
	}
	if at.host != "" {
		options = append(options, client.WithHost(at.host))
	}
	if at.apiVersion != "" {
		options = append(options, client.WithAPIVersion(at.apiVersion))
	}
	c, err := client.New(options...)
	if err != nil {
		return nil, &plugin.Error{Message: "the settings of the Docker engine are not right", Hint: at.hint(), Cause: err}
	}
	e := &engine{Client: c, host: c.DaemonHost()}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	ping, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: at.apiVersion == ""})
	if err != nil {
		_ = c.Close()
		return nil, e.explain("asking the Docker engine for its version", err)
	}
	if at.apiVersion != "" && versions.GreaterThan(c.ClientVersion(), ping.APIVersion) {
		_ = c.Close()
		return nil, &plugin.Error{
			Message: fmt.Sprintf("version %s of the API is required, but the Docker engine at %s speaks up to %s", c.ClientVersion(), e.host, ping.APIVersion),
			Hint:    "Leave api_version (or DOCKER_API_VERSION) unset, or update the engine.",
		}
	}
	// Every engine that this client can speak to (API 1.40) has BuildKit, but for those that run Windows containers.
	e.buildKit = ping.OSType != "windows"
	e.preferred = e.buildKit && ping.BuilderVersion == build.BuilderBuildKit
	return e, nil
}

// location is where an engine is.
type location struct {
	host, certs, apiVersion string
	// verify reports whether the engine's certificate is checked.
	verify bool
	// from says who set the host.
	from string
}

func locate(environ []string, config *ClientConfig) (location, error) {
	get := lookup(environ)
	at := location{certs: get("DOCKER_CERT_PATH"), apiVersion: get("DOCKER_API_VERSION"), from: "client_config"}
	at.verify = at.certs == "" || get("DOCKER_TLS_VERIFY") != ""
	if config != nil {
		at.host = config.Host
		if config.CertPath != "" {
			at.certs, at.verify = config.CertPath, true
		}
		if config.APIVersion != "" {
			at.apiVersion = config.APIVersion
		}
	}
	if at.host == "" {
		at.host, at.from = get("DOCKER_HOST"), "DOCKER_HOST"
	}
	if at.host == "" {
		return fromContext(at, get)
	}
	return at, nil
}

// fromContext reads the current context of Docker's command, by which Docker Desktop and its like name their sockets.
func fromContext(at location, get func(string) string) (location, error) {
	dir := configDir(get)
	name := get("DOCKER_CONTEXT")
	if name == "" {
		var config struct {
			CurrentContext string `json:"currentContext"`
		}
		if content, err := os.ReadFile(filepath.Join(dir, "config.json")); err == nil {
			_ = json.Unmarshal(content, &config) // a broken one is told where it is needed: at the credentials
		}
		name = config.CurrentContext
	}
	if name == "" || name == "default" {
		return at, nil
	}
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	content, err := os.ReadFile(filepath.Join(dir, "contexts", "meta", id, "meta.json"))
	if err == nil {
		err = json.Unmarshal(content, &meta)
	}
	if err != nil {
		return at, &plugin.Error{
			Message: fmt.Sprintf("the Docker context %q cannot be read", name),
			Hint:    "`docker context ls` lists those that are there; `docker context use default` goes back to the machine's engine.",
			Cause:   err,
		}
	}
	at.host, at.from = meta.Endpoints["docker"].Host, "the Docker context "+name
	certs := filepath.Join(dir, "contexts", "tls", id, "docker")
	if _, err := os.Stat(certs); err == nil {
		at.certs, at.verify = certs, !meta.Endpoints["docker"].SkipTLSVerify
	}
	return at, nil
}

// configDir is the directory of Docker's configuration.
func configDir(get func(string) string) string {
	if dir := get("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home := get("HOME")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	return filepath.Join(home, ".docker")
}

// tls makes the client's HTTP client with the certificates of at.certs. ca.pem alone, or the pair alone, is as good.
func (at location) tls() (client.Opt, error) {
	refuse := func(what string, cause error) error {
		return &plugin.Error{
			Message: fmt.Sprintf("%s in %s", what, at.certs),
			Hint:    "cert_path (or DOCKER_CERT_PATH) is the directory of the engine's TLS files: ca.pem, cert.pem and key.pem.",
			Cause:   cause,
		}
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		//nolint:gosec // Docker's own rule: a certificate path without DOCKER_TLS_VERIFY does not check the engine's.
		InsecureSkipVerify: !at.verify,
	}
	ca, err := os.ReadFile(filepath.Join(at.certs, "ca.pem"))
	if err == nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, refuse("ca.pem holds no certificate", nil)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, refuse("ca.pem cannot be read", err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(at.certs, "cert.pem"), filepath.Join(at.certs, "key.pem"))
	switch {
	case err == nil:
		config.Certificates = []tls.Certificate{pair}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, refuse("cert.pem and key.pem do not match", err)
	case config.RootCAs == nil:
		return nil, refuse("there is no ca.pem, cert.pem or key.pem", nil)
	}
	return client.WithHTTPClient(&http.Client{
		Transport: &http.Transport{TLSClientConfig: config, MaxIdleConns: 6, IdleConnTimeout: 30 * time.Second}, CheckRedirect: client.CheckRedirect,
	}), nil
}

func (at location) hint() string {
	return fmt.Sprintf("The address %q is from %s. It reads like unix:///var/run/docker.sock or tcp://HOST:2376.", at.host, at.from)
}

// lookup reads an environment of the form "NAME=value".
func lookup(environ []string) func(string) string {
	if environ == nil {
		return os.Getenv
	}
	return func(name string) string {
		for i := len(environ) - 1; i >= 0; i-- { // the last one counts, as for programs
			if key, value, _ := strings.Cut(environ[i], "="); key == name {
				return value
			}
		}
		return ""
	}
}
