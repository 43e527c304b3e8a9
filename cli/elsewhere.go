package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/shell"
)

// fate is what became of a command of Waypoint that this CLI does not have.
type fate int

const (
	planned fate = iota // it will come
	dropped             // it will not
)

// elsewhere are all of Waypoint's commands that are not here, with what to use instead. Whoever builds one of them
// takes its line out; a test holds the table to the list of Waypoint's commands.
func elsewhere() []struct {
	path    string
	fate    fate
	instead string
} {
	return []struct {
		path    string
		fate    fate
		instead string
	}{
		{"auth-method", planned, "Until then, make tokens with `waypoint token create`."},
		{"config source-delete", planned, "Until then, set values with `waypoint config set`."},
		{"config source-get", planned, "Until then, set values with `waypoint config set`."},
		{"config source-set", planned, "Until then, set values with `waypoint config set`."},
		{"config sync", planned, "`waypoint up` and `waypoint deploy` also send the config stanzas of waypoint.hcl."},
		{"exec", planned, "Until then, use your platform's own command to open a shell in the app."},
		{"hostname", dropped, "The hosted URL service is gone. Use the URL of your platform, or the stable port of the `process` and `docker` plugins."},
		{"k8s", dropped, "The server is serverless and needs no bootstrap in Kubernetes. Use `waypoint install` and `waypoint token create`."},
		{"pipeline", planned, "Until then, run `waypoint build`, `waypoint deploy` and `waypoint release` in order."},
		{"plugin", dropped, "Plugins are part of the runner's binary, not separate processes."},
		{"project apply", planned, "Until then, put `runner { enabled = true … }` into waypoint.hcl and run `waypoint init`."},
		{"runner adopt", dropped, "A runner proves itself with a token: `waypoint token create NAME -kind runner`."},
		{"runner forget", dropped, "A runner that is offline is removed automatically. Revoke its token with `waypoint token revoke`."},
		{"runner install", planned, "Until then, run `waypoint runner agent` on the machine where the runner should run."},
		{"runner profile", planned, "Until then, jobs run on standing runners; pick them with labels."},
		{"runner reject", dropped, "A runner proves itself with a token; revoke it with `waypoint token revoke`."},
		{"runner uninstall", planned, "Until then, stop the `waypoint runner agent` process."},
		{"server bootstrap", dropped, "`waypoint install` makes the first token itself."},
		{"server config-set", dropped, "The server has no such settings."},
		{"server cookie", dropped, "There is no cookie: each runner has a token of its own, `waypoint token create NAME -kind runner`."},
		{"server restore", planned, "Until then, copy the local server's data directory while it is stopped."},
		{"server snapshot", planned, "Until then, copy the local server's data directory while it is stopped."},
		{"task", planned, "On-demand runners come with runner profiles. `waypoint job inspect` shows the state of a job."},
		{"template", dropped, "It was for HashiCorp's hosted service only."},
		{"token exchange", dropped, "There are no invites: give people a token of their own, `waypoint token create NAME`."},
		{"token invite", dropped, "There are no invites: give people a token of their own, `waypoint token create NAME`."},
		{"trigger", planned, "Until then, let your CI run `waypoint up` with WAYPOINT_SERVER_ADDR and WAYPOINT_SERVER_TOKEN."},
		{"ui", planned, "Until then, `waypoint status` and the list commands show the same data."},
		{"user", planned, "Until then, give people a token of their own: `waypoint token create NAME`."},
	}
}

// addElsewhere adds a hidden command for each, which says so and fails, whatever its arguments are.
func addElsewhere(root *cobra.Command) {
	for _, e := range elsewhere() {
		parent, name := root, e.path
		if group, sub, ok := strings.Cut(e.path, " "); ok {
			parent, name = shell.Child(root, group), sub
		}
		answer := e.fate.sentence(e.path)
		instead := e.instead
		parent.AddCommand(&cobra.Command{
			Use: name, Short: answer, Hidden: true, DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return problem.New("NOT_AVAILABLE", "%s", answer).WithHint("%s", instead)
			},
		})
	}
}

func (f fate) sentence(path string) string {
	if f == planned {
		return "`waypoint " + path + "` is planned, but not in this version"
	}
	return "`waypoint " + path + "` is not part of this Waypoint"
}
