package exec

import (
	"runtime"
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/plugintest"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

func TestContract(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are for a Unix shell")
	}
	plugintest.Run(t, plugintest.Plugin{
		Definition: Definition(),
		Configure: func(_ testing.TB, _ schema.Kind, config any, _ *plugin.Call) {
			*config.(*Config) = Config{Command: []string{"sh", "-c", "echo deployed"}, Rerunnable: true, URL: "http://exec.test"}
		},
		Slow: func(_ testing.TB, _ schema.Kind, config any, _ *plugin.Call) bool {
			config.(*Config).Command = []string{"sleep", "600"}
			return true
		},
	})
}
