package builtin_test

import (
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugin/plugintest"
)

// The plugins that run are held to the whole contract in their own packages; the definitions of all are checked here.
func TestEveryDefinitionKeepsTheContract(t *testing.T) {
	for _, d := range builtIn().Definitions() {
		t.Run(d.Name, func(t *testing.T) { plugintest.CheckDefinition(t, d) })
	}
}
