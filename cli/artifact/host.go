// Package artifact has the commands about artifacts and builds.
package artifact

import (
	"github.com/waypoint-serverless/waypoint/cli/lifecycle"
	"github.com/waypoint-serverless/waypoint/cli/records"
)

// Host is what this package needs of the shell.
type Host interface {
	lifecycle.Host
	records.Host
}
