package auth

import (
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Action is something that a caller may be permitted to do, as methods declare it: "NOUN:VERB".
type Action string

// Actions that handlers ask for themselves; the others are named by the contract alone.
const (
	ProjectRead Action = "project:read"
	RecordRead  Action = "record:read"
	JobRead     Action = "job:read"
	JobCancel   Action = "job:cancel"
	RunnerRead  Action = "runner:read"
	TokenWrite  Action = "token:write"
	// ConfigReveal is to read values, sensitive ones too; ConfigRead shows the names.
	ConfigReveal Action = "config:reveal"
	// ConfigRevealRunner is to read the values of configuration for runners.
	ConfigRevealRunner Action = "config:reveal-runner"
	// RunnerAct is to act as a runner: its own with a runner token, a CLI's with a user's.
	RunnerAct Action = "runner:act"
	// DeploymentAct is to act as an entrypoint, for one deployment.
	DeploymentAct Action = "deployment:act"
)

// leastRole is the least role that holds an action; a higher role holds it too. What is missing here is permitted to no user.
var leastRole = map[Action]waypointv1.Role{
	ProjectRead:           waypointv1.Role_ROLE_VIEWER,
	RecordRead:            waypointv1.Role_ROLE_VIEWER,
	JobRead:               waypointv1.Role_ROLE_VIEWER,
	RunnerRead:            waypointv1.Role_ROLE_VIEWER,
	"log:read":            waypointv1.Role_ROLE_VIEWER,
	"config:read":         waypointv1.Role_ROLE_VIEWER,
	"project:write":       waypointv1.Role_ROLE_DEPLOYER,
	"project:destroy":     waypointv1.Role_ROLE_ADMIN,
	"job:create":          waypointv1.Role_ROLE_DEPLOYER,
	JobCancel:             waypointv1.Role_ROLE_DEPLOYER,
	"config:write":        waypointv1.Role_ROLE_DEPLOYER,
	ConfigReveal:          waypointv1.Role_ROLE_DEPLOYER,
	RunnerAct:             waypointv1.Role_ROLE_DEPLOYER,
	"token:read":          waypointv1.Role_ROLE_ADMIN,
	TokenWrite:            waypointv1.Role_ROLE_ADMIN,
	ConfigRevealRunner:    waypointv1.Role_ROLE_ADMIN,
	"config:write-global": waypointv1.Role_ROLE_ADMIN, // global variables reach every project
}

// ofRunner are the actions of a runner token on the projects that it is bound to: it reads what earlier operations left,
// as a viewer does, and acts as a runner. What it may write is decided per job, by its lease.
func ofRunner(a Action) bool {
	return a == RunnerAct || leastRole[a] == waypointv1.Role_ROLE_VIEWER
}

// Known reports whether somebody can be permitted an action.
func (a Action) Known() bool {
	_, ok := leastRole[a]
	return ok || a == DeploymentAct
}
