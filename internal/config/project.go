package config

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Input is what evaluation depends on beside the file.
type Input struct {
	// Context ends evaluations in the middle; nil: nothing does.
	Context context.Context
	// Pwd is path.pwd: the directory in which the user, or the runner, works. Empty: ProjectDir.
	Pwd string
	// ProjectDir is path.project: the absolute directory of waypoint.hcl. Functions resolve relative
	// paths against it. Empty: the directory of the file's name.
	ProjectDir string
	// Workspace is workspace.name. Empty: "default".
	Workspace string
	// Vars are var.*, as ResolveVars returns them. A declared variable that is missing here has its default;
	// without one it is unknown, and an error only where it is used.
	Vars map[string]cty.Value
	// LabelOverrides are the job's -label flags; they win over all labels in the file.
	LabelOverrides map[string]string
	// GitDir is where the git functions start to look for a repository. Empty: ProjectDir.
	GitDir string
	// GitFetched reports that the repository was fetched: git ignores the machine's configuration in it.
	GitFetched bool
	// TempDir is where templatefile and its like write when they are called outside a stage, say in config. It must
	// outlive the operation. Empty: such a call is an error.
	TempDir string
	// Preview: nothing will be run, so what only an operation finds out is unknown instead of an error: artifact.*,
	// deploy.*, entrypoint.*, and dynamic defaults.
	Preview bool
	// Now and Rand feed timestamp() and uuid(). nil: the clock and crypto/rand.
	Now  func() time.Time
	Rand io.Reader
}

// Project is the evaluated head of a file. Its apps' stages stay unevaluated until Stage is called.
type Project struct {
	Name   string
	Labels map[string]string
	Apps   []*App

	file  *File
	scope *scope
	// values are what the stanzas evaluate to, by their nodes (stanza.evaluate).
	values map[*node]any
	// configValues are what apps may refer to; found once, at the first app that asks.
	configValues func() configValues
}

// Project evaluates the project's name, labels, runner stanza, and the names, paths and labels of its apps.
// It returns what it could evaluate also when there are errors.
func (f *File) Project(in Input) (p *Project, diags hcl.Diagnostics) {
	p = &Project{file: f, values: map[*node]any{}}
	p.configValues = sync.OnceValue(p.computeConfigValues)
	defer f.guard(&diags)
	in, err := f.normalized(in)
	if err != nil {
		return p, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Cannot evaluate " + f.Name, Detail: upperFirst(err.Error()) + "."}}
	}
	root := f.rootScope(in, projectPhase())
	vars, diags := f.varObject(root, in)
	p.scope = root.child(projectPhase(), map[string]cty.Value{"var": vars})
	if f.root != nil {
		_, more := f.root.stanza.evaluate(p, nil, f.root)
		diags = append(diags, more...)
	}
	return p, f.finish(diags)
}

// evaluateIn evaluates the stanzas that stand in a node and are evaluated with the project. a is nil outside an app.
func (p *Project) evaluateIn(a *App, n *node) (diags hcl.Diagnostics) {
	for _, inner := range n.nodes {
		if inner.stanza.evaluate == nil {
			continue
		}
		v, more := inner.stanza.evaluate(p, a, inner)
		diags = append(diags, more...)
		p.values[inner] = v
	}
	return diags
}

// valueOf is what a node evaluated to; the zero value for a block that is not there.
func valueOf[T any](p *Project, n *node) T {
	v, _ := p.values[n].(T)
	return v
}

// Registration is what the server keeps of the project and its apps, with the names of the fields that the file gives.
func (p *Project) Registration() *waypointv1.UpsertProjectRequest {
	req := &waypointv1.UpsertProjectRequest{Project: &waypointv1.Project{Name: p.Name}}
	var walk func(a *App, n *node)
	walk = func(a *App, n *node) {
		if inner := valueOf[*App](p, n); inner != nil {
			a = inner
		}
		if n.stanza.register != nil {
			n.stanza.register(p, a, n, req)
		}
		for _, inner := range n.nodes {
			walk(a, inner)
		}
	}
	if p.file.root != nil {
		walk(nil, p.file.root)
	}
	return req
}

// ProjectName evaluates the project's name and nothing else: what a command needs to know that only asks the server.
func (f *File) ProjectName(in Input) (name string, diags hcl.Diagnostics) {
	defer f.guard(&diags)
	in, err := f.normalized(in)
	e := f.root.expr("project")
	if err != nil || e == nil {
		return "", hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "The project has no name", Detail: fmt.Sprintf("%s does not name its project.", f.Name)}}
	}
	root := f.rootScope(in, projectPhase())
	vars, _ := f.varObject(root, in) // a bad default is an error here only if the name needs it
	scope := root.child(projectPhase(), map[string]cty.Value{"var": vars})
	diags = scope.evalString(e, "project", &name)
	return name, f.finish(diags)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
