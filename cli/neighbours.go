package cli

import (
	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/problem"
)

// neighbours are words that people type who know other tools, with the command that does it here. A guess by letters
// would suggest `up` for `ps`.
func neighbours() map[string]string {
	return map[string]string{
		"apply":   "`waypoint up` builds, deploys and releases; `waypoint init` registers the project alone.",
		"down":    "`waypoint destroy` removes what runs in this workspace.",
		"env":     "`waypoint config get` shows the environment of the app, `waypoint config set NAME=VALUE` changes it.",
		"list":    "`waypoint project list` shows the projects, `waypoint deployment list` the deployments of this one.",
		"ls":      "`waypoint project list` shows the projects, `waypoint deployment list` the deployments of this one.",
		"ps":      "`waypoint status` shows what runs, and its health.",
		"remove":  "`waypoint destroy` removes what runs in this workspace.",
		"restart": "`waypoint deploy` starts the latest artifact again; `waypoint config set` restarts the app with the new configuration.",
		"rm":      "`waypoint destroy` removes what runs in this workspace.",
		"run":     "`waypoint up` builds, deploys and releases the app.",
		"scale":   "Set the number of instances in the deploy stanza of waypoint.hcl; `waypoint docs PLUGIN` has the platform's field.",
		"secrets": "`waypoint config set NAME=VALUE` sets a value that only the app receives; `waypoint variable set -sensitive` one of waypoint.hcl.",
		"ssh":     "A shell in the app is planned. Until then, use your platform's own command to open one.",
		"start":   "`waypoint up` builds, deploys and releases the app; `waypoint release` starts one again that is deployed.",
		"stop":    "`waypoint destroy` removes what runs in this workspace; `waypoint job cancel` stops an operation.",
	}
}

// addNeighbours adds a hidden command for each word, which says what to use and fails, whatever its arguments are.
func addNeighbours(root *cobra.Command) {
	for word, instead := range neighbours() {
		root.AddCommand(&cobra.Command{
			Use: word, Short: "Another command does this here", Hidden: true, DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return problem.New("NOT_AVAILABLE", "there is no command `waypoint %s`", word).WithHint("%s", instead)
			},
		})
	}
}
