package null_test

import (
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/plugintest"
	"github.com/waypoint-serverless/waypoint/runner/plugins/null"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

func TestContract(t *testing.T) {
	plugintest.Run(t, plugintest.Plugin{
		Definition: null.Definition(),
		Configure: func(_ testing.TB, _ schema.Kind, config any, _ *plugin.Call) {
			*config.(*null.Config) = null.Config{Values: map[string]string{"url": "http://null.test"}, Lines: 3}
		},
	})
}
