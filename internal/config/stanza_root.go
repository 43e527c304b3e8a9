package config

import (
	"github.com/hashicorp/hcl/v2"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// rootStanza is the whole file.
func rootStanza() *stanza {
	p := projectPhase()
	return &stanza{
		name: "the top level",
		attrs: []attribute{
			carriedBy("project", "Project.Name").at("the top level of the file"),
			carriedBy("labels", "Project.Labels").at("the top level, app, a stage, or a pipeline's step"),
		},
		holds: inFile(),
		mark:  "C", rule: "The file has the attribute `project`, and may have `labels`.",
		phase:    &p,
		enter:    checkNamesItself,
		leave:    func(f *File, _ *node) hcl.Diagnostics { return f.checkPipelines() },
		evaluate: evaluateRoot,
		register: func(p *Project, _ *App, _ *node, req *waypointv1.UpsertProjectRequest) {
			req.Project = &waypointv1.Project{Name: p.Name, Labels: p.Labels}
		},
	}
}

// checkNamesItself asks for the project's name.
func checkNamesItself(_ *File, n *node) hcl.Diagnostics {
	if n.expr("project") != nil {
		return nil
	}
	return hcl.Diagnostics{errorAt(n.rng, `Missing attribute "project"`,
		`The file does not name its project. Add project = "NAME" at the top level.`)}
}

func evaluateRoot(p *Project, _ *App, n *node) (any, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	if e := n.expr("project"); e != nil {
		more := p.scope.evalString(e, "project", &p.Name)
		if diags = append(diags, more...); !more.HasErrors() {
			diags = append(diags, checkName("project", p.Name, e.Range())...)
		}
	}
	var more hcl.Diagnostics
	p.Labels, more = p.scope.evalLabels(n.expr("labels"))
	return nil, append(append(diags, more...), p.evaluateIn(nil, n)...)
}
