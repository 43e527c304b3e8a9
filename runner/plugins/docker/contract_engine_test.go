//go:build docker

package docker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/plugintest"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// The plugin on a real engine: an image FROM scratch with the tests' server in it, tagged by the registry and run.
func TestDockerContract(t *testing.T) {
	e := theEngine(t)
	d := Definition(Options{})
	d.Releaser = nil // it leads to a container of one of its own deployments, as the tests of the network have it
	plugintest.Run(t, plugintest.Plugin{
		Definition: d,
		Call: func(t testing.TB) (*plugin.Call, *plugintest.Screen) {
			call, screen := plugintest.NewCall(t)
			call.Project = strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
			call.LaneFence = 7
			call.Entrypoint = filepath.Join(bins(t.(*testing.T)), "waypoint-entrypoint")
			call.Environ = []string{"DOCKER_CONFIG=" + t.TempDir(), "DOCKER_HOST=" + os.Getenv("DOCKER_HOST"), "PATH=" + os.Getenv("PATH")}
			t.Cleanup(func() {
				last := *call
				last.LaneFence, last.UI = 1<<60, silence{}
				ctx := context.Background()
				if err := errors.Join((&platform{}).DestroyWorkspace(ctx, &last), (&builder{}).DestroyWorkspace(ctx, &last)); err != nil {
					t.Error(err)
				}
				_, _ = e.ImageRemove(ctx, "contract/app:1", client.ImageRemoveOptions{Force: true, PruneChildren: true})
			})
			return call, screen
		},
		Configure: func(t testing.TB, _ schema.Kind, config any, call *plugin.Call) {
			binary, err := server()
			if err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(binary)
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string]string{"server": string(content), "Dockerfile": plainImage} {
				if err := os.WriteFile(filepath.Join(call.Dir, name), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if c, ok := config.(*RegistryConfig); ok {
				c.Image, c.Tag, c.Local = "contract/app", "1", true
			}
		},
		Slow: func(_ testing.TB, kind schema.Kind, config any, _ *plugin.Call) bool {
			if c, ok := config.(*PlatformConfig); ok {
				c.ServicePort = 9 // nobody listens there, and it is waited for
			}
			return kind == schema.Platform
		},
		Artifact: func(t testing.TB, call *plugin.Call) *plugin.Artifact {
			result, err := (&builder{}).Build(t.Context(), call)
			if err != nil {
				t.Fatal(err)
			}
			state, err := result.MarshalState("docker")
			if err != nil {
				t.Fatal(err)
			}
			return &plugin.Artifact{ID: "A", Sequence: 1, Plugin: "docker", State: state, Template: result.Template}
		},
		Remains: func(t testing.TB, call *plugin.Call, id string) bool {
			left, err := e.ContainerList(context.WithoutCancel(t.Context()), client.ContainerListOptions{
				All: true, Filters: client.Filters{}.Add("label", labelDeployment+"="+id),
			})
			if err != nil {
				t.Fatal(err)
			}
			return len(left.Items) > 0
		},
	})
}
