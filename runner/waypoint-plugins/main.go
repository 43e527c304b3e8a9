// Command waypoint-plugins serves plugins to waypoint over its standard input and output. It holds those whose libraries
// are too large for the waypoint binary; waypoint starts it when a job needs one, and it ends with waypoint. Nothing
// listens, and nobody is meant to start it by hand.
package main

import (
	"fmt"
	"os"

	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/runner/pluginpipe"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/exec"
	"github.com/waypoint-serverless/waypoint/runner/plugins/files"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Println("waypoint-plugins, part of " + version.String())
		return
	}
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprintln(os.Stderr, "waypoint-plugins serves plugins to waypoint, which starts it; it has no commands of its own.")
		os.Exit(2)
	}
	os.Exit(pluginpipe.Main(served()))
}

// served are the plugins that this program serves. The two are small and also part of waypoint, which uses its own: they
// are here so that the conformance suite runs over the pipe.
func served() *catalog.Catalog {
	return catalog.NewCatalog(exec.Definition(), files.Definition())
}
