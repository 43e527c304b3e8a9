// Package lifecycle has the commands that queue operations: up, build, deploy, release, destroy.
package lifecycle

import (
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/records"
)

// Host is the part of the shell that this package uses.
type Host interface {
	operation.Host
	records.Host
	MustConfirm(question string, approved bool, json bool) error
	Workspace() string
}
