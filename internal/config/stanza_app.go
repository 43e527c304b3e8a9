package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func appStanza() *stanza {
	p := appPhase()
	return &stanza{
		block: "app", name: "app", label: "name", home: "at the top level of the file", reserved: true,
		attrs: []attribute{carriedBy("path", "App.Path").at("app, or data_source"), carriedBy("labels", "App.Labels")},
		holds: inApp(),
		mark:  "C", rule: "An `app` has a name, and may have a `path` below the file's directory, and `labels`. There may be several.",
		phase: &p,
		enter: func(_ *File, n *node) (diags hcl.Diagnostics) {
			if first := n.twin(); first != nil {
				diags = append(diags, errorAt(n.rng, fmt.Sprintf("Second app %q", n.label),
					"An app's name must be unique in its project; the first is at %s.", shortRange(first.rng)))
			}
			return append(diags, checkName("app", n.label, n.labelRange)...)
		},
		evaluate: evaluateApp,
		register: func(_ *Project, a *App, _ *node, req *waypointv1.UpsertProjectRequest) {
			signal, _ := a.FileChangeSignal() // a deploy reports its mistakes
			req.Apps = append(req.Apps, &waypointv1.App{
				Project: a.project.Name, Name: a.Name, Labels: a.Labels, FileChangeSignal: signal,
			})
		},
	}
}

// App is one app of a project.
type App struct {
	Name string
	// Path is the app's absolute directory, path.app.
	Path string
	// Labels are the app's own, not merged with the project's.
	Labels map[string]string
	// HasRegistry and HasRelease report whether the stanza is there with a plugin. A stage that names plugins only
	// for other workspaces can still be absent (Stage returns nil).
	HasRegistry, HasRelease bool

	project *Project
	node    *node
	scope   *scope
}

// App finds an app by name; nil if there is none.
func (p *Project) App(name string) *App {
	for _, a := range p.Apps {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// AppNames lists the apps in the order of the file. Unlike a project's, they need no evaluation.
func (f *File) AppNames() []string {
	apps := f.root.children("app")
	names := make([]string, len(apps))
	for i, a := range apps {
		names[i] = a.label
	}
	return names
}

// evaluateApp adds an app to its project.
func evaluateApp(p *Project, _ *App, n *node) (any, hcl.Diagnostics) {
	a := &App{Name: n.label, Path: p.scope.in.ProjectDir, project: p, node: n}
	head := p.scope.child(appPhase(), map[string]cty.Value{
		"app": cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(a.Name)}),
	})
	var rel string
	diags := head.evalString(n.expr("path"), "path", &rel)
	if rel != "" {
		dir := rel
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(p.scope.in.ProjectDir, dir)
		}
		if escapes(p.scope.in.ProjectDir, dir) {
			diags = append(diags, errorAt(n.expr("path").Range(), "Invalid value for path",
				"An app's path must be inside the project's directory %s.", p.scope.in.ProjectDir))
		} else {
			a.Path = filepath.Clean(dir)
		}
	}
	a.scope = head.child(appPhase(), map[string]cty.Value{
		"path": cty.ObjectVal(map[string]cty.Value{
			"pwd":     cty.StringVal(p.scope.in.Pwd),
			"project": cty.StringVal(p.scope.in.ProjectDir),
			"app":     cty.StringVal(a.Path),
		}),
	})
	var more hcl.Diagnostics
	a.Labels, more = a.scope.evalLabels(n.expr("labels"))
	diags = append(diags, more...)
	a.HasRegistry = hasPlugin(stageOf(n, Registry))
	a.HasRelease = hasPlugin(stageOf(n, Release))
	p.Apps = append(p.Apps, a)
	return a, append(diags, p.evaluateIn(a, n)...)
}

// escapes reports whether dir is outside of root.
func escapes(root, dir string) bool {
	rel, err := filepath.Rel(root, dir)
	return err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
