package files

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/plugintest"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

func TestContract(t *testing.T) {
	plugintest.Run(t, plugintest.Plugin{
		Definition: Definition(),
		Configure: func(t testing.TB, kind schema.Kind, config any, call *plugin.Call) {
			if err := os.WriteFile(filepath.Join(call.Dir, "page.html"), []byte("hello"), 0o644); err != nil {
				t.Fatal(err)
			}
			if kind == schema.Registry {
				config.(*RegistryConfig).Path = filepath.Join(call.StateDir, "copy")
			}
		},
	})
}
