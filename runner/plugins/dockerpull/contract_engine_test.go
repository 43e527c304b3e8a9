//go:build docker

package dockerpull

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/plugintest"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// The plugin on a real engine: an image of a registry behind a password, and one of a registry that does not answer.
func TestDockerPullContract(t *testing.T) {
	engine, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	host, _ := store(t)
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/manifests/") {
			<-r.Context().Done()
		}
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(func() {
		silent.CloseClientConnections() // the engine may still ask
		silent.Close()
	})
	entrypoint, err := filepath.Abs("../../../bin/waypoint-entrypoint")
	if err != nil {
		t.Fatal(err)
	}
	plugintest.Run(t, plugintest.Plugin{
		Definition: Definition(),
		Call: func(t testing.TB) (*plugin.Call, *plugintest.Screen) {
			call, screen := plugintest.NewCall(t)
			call.Project = strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
			call.Entrypoint = entrypoint
			call.Environ = []string{"DOCKER_CONFIG=" + t.TempDir(), "DOCKER_HOST=" + os.Getenv("DOCKER_HOST"), "PATH=" + os.Getenv("PATH")}
			t.Cleanup(func() {
				last := *call
				last.LaneFence = 1 << 60
				if err := (&builder{}).DestroyWorkspace(context.Background(), &last); err != nil {
					t.Error(err)
				}
				_, _ = engine.ImageRemove(context.Background(), host+"/acme/app:1", client.ImageRemoveOptions{Force: true})
			})
			return call, screen
		},
		Configure: func(_ testing.TB, _ schema.Kind, config any, _ *plugin.Call) {
			*config.(*Config) = Config{Image: host + "/acme/app", Tag: "1", Auth: &image.Auth{Username: user, Password: password}}
		},
		Slow: func(_ testing.TB, _ schema.Kind, config any, _ *plugin.Call) bool {
			config.(*Config).Image = strings.TrimPrefix(silent.URL, "http://") + "/acme/app"
			return true
		},
	})
}
