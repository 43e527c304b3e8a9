package process

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/plugintest"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// The builder and the platform, with processes that are this test binary. The releaser's deployments are processes that
// listen, so its own tests hold it to the contract (release_test.go), and TestTheStablePortKeepsTheContract to the rest.
func TestContract(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d := Definition(Options{})
	d.Releaser = nil
	plugintest.Run(t, plugintest.Plugin{
		Definition: d,
		Call: func(t testing.TB) (*plugin.Call, *plugintest.Screen) {
			call, screen := plugintest.NewCall(t)
			call.Entrypoint = entrypointPath
			call.Environ = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
			return call, screen
		},
		Configure: func(t testing.TB, kind schema.Kind, config any, call *plugin.Call) {
			if err := os.WriteFile(filepath.Join(call.Dir, "page.html"), []byte("hello"), 0o644); err != nil {
				t.Fatal(err)
			}
			if kind == schema.Platform {
				*config.(*DeployConfig) = DeployConfig{
					Command: []string{self, "app", "v1"}, StopTimeout: "2s",
					HealthCheck: &HealthCheck{Path: "/healthz", Timeout: patience.String(), Interval: "20ms"},
				}
			}
		},
		Slow: func(_ testing.TB, kind schema.Kind, config any, _ *plugin.Call) bool {
			switch c := config.(type) {
			case *BuildConfig:
				c.Command = []string{"sleep", "600"}
			case *DeployConfig:
				c.Env = map[string]string{"SICK": "yes"} // it never becomes healthy
			}
			return kind != schema.Releaser
		},
		Remains: func(_ testing.TB, call *plugin.Call, id string) bool {
			_, err := os.Stat(home{dir: filepath.Join(call.StateDir, "process")}.deploymentDir(id))
			return err == nil
		},
	})
}

// The stable port leads to a process: a release is repeated, keeps its state small and free of secrets, and is destroyed twice.
func TestTheStablePortKeepsTheContract(t *testing.T) {
	b := newBench(t)
	d := b.deploy("v1", nil)
	r := b.platform("v1", nil).DefaultReleaser()
	var last *plugin.Release
	for range 2 {
		got, err := r.Release(t.Context(), b.env, d)
		if err != nil {
			t.Fatal(err)
		}
		state, err := got.MarshalState("process")
		if err != nil || !json.Valid(state) {
			t.Errorf("%s, %v", state, err)
		}
		last = &plugin.Release{ID: "R", State: state, URL: got.URL, DeploymentID: d.ID}
	}
	asker, destroyer := r.(plugin.ReleaseStatusReporter), r.(plugin.ReleaseDestroyer)
	if st, err := asker.ReleaseStatus(t.Context(), b.env, last); err != nil || st.Health != plugin.Ready {
		t.Errorf("%+v, %v", st, err)
	}
	for range 2 {
		if err := destroyer.DestroyRelease(t.Context(), b.env, last); err != nil {
			t.Error(err)
		}
	}
	if st, err := asker.ReleaseStatus(t.Context(), b.env, last); err != nil || st.Health == plugin.Ready {
		t.Errorf("after it was destroyed: %+v, %v", st, err)
	}
	began := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Release(ctx, b.env, d); err == nil || time.Since(began) > plugintest.Bound {
		t.Errorf("with a context that has ended: %v after %s", err, time.Since(began))
	}
}
