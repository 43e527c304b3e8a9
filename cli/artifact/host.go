// Package artifact has the commands about artifacts and builds.
package artifact

import (
	"github.com/waypoint-serverless/waypoint/cli/lifecycle"
	"github.com/waypoint-serverless/waypoint/cli/records"
)

// Host is the part of the shell that this package uses.
type Host interface {
	lifecycle.Host
	records.Host
}
