package docker

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
)

// The texts are those of engines (20.10 to 28) and registries. Those that the engine here gives are tested on it
// (`make test-docker`); these are the ones that it cannot be brought to, such as a full disk.
func TestWhatRegistriesAnswerIsOneSentence(t *testing.T) {
	account := image.Credentials{Username: "acme-bot", Password: "s3cret-of-acme"}
	cases := map[string]struct {
		err         error
		credentials image.Credentials
		want, hint  string
	}{
		"an unknown certificate, by the engine": {
			err:  errors.New(`Error response from daemon: Get "https://registry.acme.example/v2/": x509: certificate signed by unknown authority`),
			want: "the certificate of registry.acme.example is not one that this machine trusts: certificate signed by unknown authority", hint: "/etc/docker/certs.d/registry.acme.example/ca.crt",
		},
		"an unknown certificate, by newer ones": {
			err:  errors.New(`Error response from daemon: failed to resolve reference: failed to do request: Head "https://registry.acme.example/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`),
			want: "is not one that this machine trusts", hint: "insecure = true",
		},
		"plain HTTP": {
			err:  errors.New(`Get "https://registry.acme.example/v2/": http: server gave HTTP response to HTTPS client`),
			want: "registry.acme.example does not speak TLS", hint: "insecure = true",
		},
		"denied by Docker Hub": {
			err:  errors.New("denied: requested access to the resource is denied"),
			want: "refused the request: there are no credentials for it", hint: "docker login",
		},
		"refused, with credentials": {
			err: errors.New("unauthorized: incorrect username or password s3cret-of-acme"), credentials: account,
			want: `refused the credentials of the user "acme-bot"`, hint: "may read and write",
		},
		"refused by status": {
			err: &transport.Error{StatusCode: http.StatusForbidden}, credentials: account,
			want: "refused the credentials", hint: "may read and write",
		},
		"no such tag":   {err: errors.New("manifest for registry.acme.example/web:2 not found: manifest unknown: manifest unknown"), want: "has no such image", hint: "the tag"},
		"not reachable": {err: errors.New("dial tcp: lookup registry.acme.example: no such host"), want: "cannot be reached", hint: "proxies"},
		"no such platform": {
			err: errors.New("no matching manifest for linux/s390x in the manifest list entries"), want: "not there for this platform", hint: "platform",
		},
		"something else, with the password in it": {err: errors.New("teapot s3cret-of-acme"), credentials: account, want: "teapot (hidden)"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := explainRegistry("pushing web:1", "registry.acme.example", c.err, c.credentials)
			var known *plugin.Error
			if !errors.As(err, &known) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "pushing web:1: ") || !strings.Contains(known.Hint, c.hint) {
				t.Errorf("got %v; %+v", err, known)
			}
			if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the secret, or more than a line, is in %q", err)
			}
		})
	}
}

func TestAFullDiskIsExplained(t *testing.T) {
	e := &engine{host: "unix:///var/run/docker.sock"}
	full := errors.New("Error response from daemon: Error processing tar file(exit status 1): write /app: no space left on device")
	for name, err := range map[string]error{
		"building":    e.explainBuild(&buildPlan{shown: "Dockerfile"}, &buildFailed{message: full.Error()}, &image.Keychain{}),
		"pulling":     e.explainRegistry("pulling web:1", "ghcr.io", full, image.Credentials{}),
		"naming":      e.explain("naming the image", full),
		"the request": e.explainBuild(&buildPlan{shown: "Dockerfile"}, full, &image.Keychain{}),
	} {
		var known *plugin.Error
		if !errors.As(err, &known) || !strings.Contains(err.Error(), "the disk of the Docker engine at unix:///var/run/docker.sock is full") || !strings.Contains(known.Hint, "docker system prune") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNamesAreFitForImages(t *testing.T) {
	for name, want := range map[string]string{"web": "web", "My_Shop": "my-shop", "--a..b--": "a-b", "äöü": "x", "A9": "a9"} {
		if got := pathPart(name); got != want {
			t.Errorf("%q became %q, want %q", name, got, want)
		}
		if _, _, err := image.Reference("waypoint.local/"+pathPart(name)+"/x", tagPart(name)); err != nil {
			t.Error(err)
		}
	}
}

func TestBaseImagesOfADockerfileAreFound(t *testing.T) {
	got := baseHosts([]byte("# FROM no.example/x\nARG BASE=arg.example/x\nFROM --platform=linux/amd64 ghcr.io/acme/base:1 AS build\nfrom localhost:5000/x\nFROM $BASE\nFROM build\nFROM alpine\n"))
	if want := []string{image.HubHost, "ghcr.io", "localhost:5000"}; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %q, want %q", got, want)
	}
}
