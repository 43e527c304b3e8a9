// Package deployment has the commands about deployments: deploy, list, destroy.
package deployment

import (
	"github.com/waypoint-serverless/waypoint/cli/lifecycle"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/records"
)

// Host is the part of the shell that this package uses.
type Host interface {
	lifecycle.Host
	operation.Host
	records.Host
	MustConfirm(question string, approved bool, json bool) error
	Workspace() string
}
