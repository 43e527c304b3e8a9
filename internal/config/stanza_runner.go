package config

import (
	"github.com/hashicorp/hcl/v2"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func runnerStanza() *stanza {
	p := runnerPhase()
	return &stanza{
		block: "runner", name: "runner", home: "at the top level of the file, or in app or config", attrHome: "runner",
		attrs: []attribute{
			carriedBy("enabled", "Runner.Enabled").at("runner, or poll"),
			{
				name:    "profile",
				ignored: "Runner profiles are not supported yet: name the runner or its labels when you queue the operation.",
			},
		},
		holds: inRunner(),
		mark:  "U", rule: "`runner`, of the project or of an app: `enabled` and `data_source` of the project are read by `init`; " +
			"`profile`, `poll` and an app's own are checked, and not used yet.",
		phase:    &p,
		evaluate: evaluateRunner,
		register: registerRunner,
	}
}

// appRunnerStanza is the one in an app: only the project's is read.
func appRunnerStanza() *stanza {
	s := runnerStanza()
	s.ignored = "Only the project's runner stanza is read. Write this at the top level of the file."
	return s
}

// Runner is an evaluated runner stanza; its fields are nil or empty if not given.
type Runner struct {
	Enabled    *bool
	Profile    string
	DataSource *DataSource
	Poll       *Poll
}

// Runner is the project's own; empty without one.
func (p *Project) Runner() Runner { return valueOf[Runner](p, p.file.root.child("runner")) }

// Runner is the app's own; empty without one.
func (a *App) Runner() Runner { return valueOf[Runner](a.project, a.node.child("runner")) }

func evaluateRunner(p *Project, a *App, n *node) (any, hcl.Diagnostics) {
	var r Runner
	var diags hcl.Diagnostics
	in := p.runnerScope()
	r.Enabled, diags = in.evalBool(n.expr("enabled"), "enabled")
	diags = append(diags, in.evalString(n.expr("profile"), "profile", &r.Profile)...)
	diags = append(diags, p.evaluateIn(a, n)...)
	r.Poll = valueOf[*Poll](p, n.child("poll"))
	r.DataSource = valueOf[*DataSource](p, n.child("data_source"))
	return r, diags
}

// runnerScope has the names of a runner stanza, of an app too: what it says holds before there is an app.
func (p *Project) runnerScope() *scope { return p.scope.child(runnerPhase(), nil) }

func registerRunner(p *Project, a *App, _ *node, req *waypointv1.UpsertProjectRequest) {
	if enabled := p.Runner().Enabled; a == nil && enabled != nil {
		req.Project.RemoteEnabled = *enabled
		req.UpdateFields = append(req.UpdateFields, "remote_enabled")
	}
}
