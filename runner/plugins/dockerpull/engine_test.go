//go:build docker

package dockerpull

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/moby/client"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/output"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
)

const (
	user     = "acme-bot"
	password = "pa55-w0rd-of-the-registry"
)

// store is a registry behind a password with one image in it; the image's digest is returned.
func store(t *testing.T) (host, digest string) {
	t.Helper()
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, given, _ := r.BasicAuth(); name != user || given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			http.Error(w, "who is there?", http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	host = strings.TrimPrefix(server.URL, "http://")
	img, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", "amd64", v1.Config{Cmd: []string{"/app"}}
	if img, err = mutate.ConfigFile(img, file); err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(host + "/acme/app:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img, remote.WithAuth(&authn.Basic{Username: user, Password: password})); err != nil {
		t.Fatal(err)
	}
	hash, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return host, hash.String()
}

func TestDockerPullBuilderFields(t *testing.T) {
	host, digest := store(t)
	engine, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	header, _ := json.Marshal(map[string]string{"username": user, "password": password})
	auth := &image.Auth{Username: user, Password: password}
	cases := map[string]struct {
		config     Config
		without    bool // an engine
		entrypoint []string
		fails      string
	}{
		"auth":                                {config: Config{Auth: auth}, entrypoint: []string{"/waypoint-entrypoint"}},
		"encoded_auth":                        {config: Config{EncodedAuth: base64.StdEncoding.EncodeToString(header)}, entrypoint: []string{"/waypoint-entrypoint"}},
		"disable_entrypoint":                  {config: Config{Auth: auth, DisableEntrypoint: true}},
		"no credentials":                      {fails: "there are no credentials for it"},
		"without an engine":                   {config: Config{Auth: auth}, without: true},
		"without an engine and an entrypoint": {config: Config{Auth: auth, DisableEntrypoint: true}, without: true},
		"without an engine and credentials":   {without: true, fails: "there are no credentials for it"},
		"a tag that is not there":             {config: Config{Auth: auth, Tag: "2"}, fails: "has no such image"},
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			ui := output.New(t.Context(), output.Options{Append: func(_ context.Context, n int64, _ []*waypointv1.OutputEvent) (int64, error) { return n + 1, nil }})
			defer func() { _ = ui.Close(context.Background()) }()
			bin, err := filepath.Abs("../../../bin/waypoint-entrypoint")
			if err != nil {
				t.Fatal(err)
			}
			env := &plugin.Call{
				Host: plugin.Host{UI: ui},
				Env: plugin.Env{
					Project: "pull-fields", App: "web", Workspace: "default", Entrypoint: bin, Dir: t.TempDir(), TempDir: t.TempDir(),
					Environ: []string{"DOCKER_CONFIG=" + t.TempDir(), "DOCKER_HOST=" + os.Getenv("DOCKER_HOST")},
				},
			}
			if c.without {
				env.Environ = append(env.Environ, "DOCKER_HOST=unix:///nowhere/docker.sock")
			}
			b := Definition().Builder()
			config := b.Config().(*Config)
			*config = c.config
			config.Image = host + "/acme/app"
			if config.Tag == "" {
				config.Tag = "1"
			}
			r, err := b.Build(t.Context(), env)
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the password is in %v", err)
			}
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := r.State.(image.Image)
			if state, _ := json.Marshal(r); strings.Contains(string(state), password) {
				t.Errorf("the password is in %s", state)
			}
			if c.without {
				if got.Digest != digest || got.Inject == c.config.DisableEntrypoint || got.Location != image.InRegistry || !r.Portable || got.Architecture != "amd64" {
					t.Errorf("got %+v", got)
				}
				return
			}
			about, err := engine.ImageInspect(t.Context(), got.Name())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				for _, name := range []string{about.ID, host + "/acme/app:1"} {
					_, _ = engine.ImageRemove(context.Background(), name, client.ImageRemoveOptions{Force: true})
				}
			})
			if !slices.Equal(about.Config.Entrypoint, c.entrypoint) || about.ID != got.ID || got.Location != image.InEngine {
				t.Errorf("got %+v, the engine says %s runs %q", got, about.ID, about.Config.Entrypoint)
			}
		})
	}
}
