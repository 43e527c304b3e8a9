package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/plugintest"
	"github.com/waypoint-serverless/waypoint/runner/pluginpipe"
	execplugin "github.com/waypoint-serverless/waypoint/runner/plugins/exec"
	"github.com/waypoint-serverless/waypoint/runner/plugins/files"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// build makes the real binary, without the state of the repository, so that its version is this test's.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "waypoint-plugins")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building waypoint-plugins: %v\n%s", err, out)
	}
	return path
}

func TestTheServedPluginsKeepTheContractOverAPipe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are for a Unix shell")
	}
	process := pluginpipe.NewProcess(pluginpipe.Options{Command: []string{build(t)}})
	t.Cleanup(process.Close)
	t.Run("files", func(t *testing.T) {
		d := files.Definition()
		d.OutOfProcess = []schema.Kind{schema.Builder, schema.Registry}
		plugintest.Run(t, plugintest.Plugin{
			Definition: pluginpipe.Remote(d, process),
			Configure: func(t testing.TB, kind schema.Kind, config any, call *plugin.Call) {
				if err := os.WriteFile(filepath.Join(call.Dir, "page.html"), []byte("hello"), 0o644); err != nil {
					t.Fatal(err)
				}
				if kind == schema.Registry {
					config.(*files.RegistryConfig).Path = filepath.Join(call.StateDir, "copy")
				}
			},
		})
	})
	t.Run("exec", func(t *testing.T) {
		d := execplugin.Definition()
		d.OutOfProcess = []schema.Kind{schema.Platform}
		plugintest.Run(t, plugintest.Plugin{
			Definition: pluginpipe.Remote(d, process),
			Configure: func(_ testing.TB, _ schema.Kind, config any, _ *plugin.Call) {
				*config.(*execplugin.Config) = execplugin.Config{Command: []string{"sh", "-c", "echo deployed"}, Rerunnable: true, URL: "http://exec.test"}
			},
			Slow: func(_ testing.TB, _ schema.Kind, config any, _ *plugin.Call) bool {
				config.(*execplugin.Config).Command = []string{"sleep", "600"}
				return true
			},
		})
	})
}

func TestAskedForItsVersionItAnswers(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), build(t), "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "waypoint-plugins, part of Waypoint ") {
		t.Errorf("%q, %v", out, err)
	}
}
