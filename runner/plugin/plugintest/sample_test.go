package plugintest_test

import (
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugin/plugintest"
)

func TestTheSampleKeepsTheContract(t *testing.T) {
	plugintest.Run(t, plugintest.SamplePlugin(plugintest.Sample()))
}
