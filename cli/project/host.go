// Package project has the commands about projects: list, inspect and destroy.
package project

import (
	"time"

	"github.com/waypoint-serverless/waypoint/cli/completion"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/records"
)

// Host is the part of the shell that this package uses.
type Host interface {
	completion.Host
	records.Host
	operation.Host
	Ago(t time.Time) string
	MustConfirm(question string, approved bool, json bool) error
	PrintJSON(v any) error
	NamedValues(pairs [][2]string)
}
