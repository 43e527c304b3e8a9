package dockerref_test

import (
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugin/plugintest"
	"github.com/waypoint-serverless/waypoint/runner/plugins/dockerref"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

func TestContract(t *testing.T) {
	plugintest.Run(t, plugintest.Plugin{
		Definition: dockerref.Definition(),
		Configure: func(_ testing.TB, _ schema.Kind, config any, _ *plugin.Call) {
			*config.(*dockerref.Config) = dockerref.Config{Image: "ghcr.io/acme/web", Tag: "1"}
		},
	})
}
