package docker

import (
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// Labels of everything that we make in an engine or put into an image: by them it is found again, after a crash as
// well, and removed. They say nothing that changes from one run to the next but the deployment's: an image that is
// built again from the same source stays the same.
const (
	labelProject    = "waypoint.project"
	labelApp        = "waypoint.app"
	labelWorkspace  = "waypoint.workspace"
	labelBase       = "waypoint.base"       // of an image with the entrypoint: the engine's id of the one without
	labelDeployment = "waypoint.deployment" // a deployment's id: containers, volumes, networks of one deployment
	labelFence      = "waypoint.fence"      // the lane's fence of the attempt that made a container
	labelHome       = "waypoint.home"       // the installation that made it (homeOf)
	labelListener   = "waypoint.door"       // the address at which the local server was opened for a container
	labelManaged    = "waypoint.managed"    // "true" on networks, which belong to no app
	labelUse        = "use"                 // "waypoint" on networks: by it HashiCorp Waypoint finds its own
)

// ownLabels are the labels of what belongs to the app in its workspace.
func ownLabels(env *plugin.Call) map[string]string {
	return map[string]string{labelProject: env.Project, labelApp: env.App, labelWorkspace: env.Workspace}
}

// ownFilter finds what ownLabels mark; more are further labels, "name=value".
func ownFilter(env *plugin.Call, more ...string) client.Filters {
	f := client.Filters{}
	for name, value := range ownLabels(env) {
		f.Add("label", name+"="+value)
	}
	return f.Add("label", more...)
}
