package config

import (
	"fmt"
	"maps"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// StageKind is one of the four stages of an app.
type StageKind string

// The stages, in the order in which `up` runs them.
const (
	Build    StageKind = "build"
	Registry StageKind = "registry"
	Deploy   StageKind = "deploy"
	Release  StageKind = "release"
)

// StageInput is what a stage's expressions can see of earlier stages.
type StageInput struct {
	// Artifact is artifact.*: the build's output in registry, the pushed artifact in deploy and release.
	Artifact map[string]any
	// EntrypointEnv is entrypoint.env, in deploy and release. The values whose names
	// contain TOKEN are sensitive.
	EntrypointEnv map[string]string
	// Deploy is deploy.*, in release.
	Deploy map[string]any
	// TempDir is where templatefile and its like write. It must outlive the operation. Empty: such a call is an error.
	TempDir string
}

// Stage is one stage of an app as it holds in the workspace, with its labels and hooks evaluated.
type Stage struct {
	Kind   StageKind
	Plugin string
	Hooks  []Hook
	// Labels are merged: system < project < app < stage < overrides.
	Labels map[string]string
	// Range is that of `use "plugin"`.
	Range hcl.Range

	use   *node
	file  *File
	scope *scope
}

// Stage evaluates the head of a stage and picks its body: the workspace's if there is one, else that of the
// longest label selector that matches, else the unscoped one. nil without an error: the app has no such stage.
func (a *App) Stage(kind StageKind, in StageInput) (st *Stage, diags hcl.Diagnostics) {
	f := a.project.file
	defer f.guard(&diags)
	n := stageOf(a.node, kind)
	if n == nil {
		return nil, nil
	}
	labels, body, diags := a.pick(n)
	use := body.child("use")
	if use == nil || isNoPlugin(kind, use) {
		return nil, f.finish(diags)
	}
	s, more := a.stageScope(kind, in, labels)
	diags = append(diags, more...)
	st = &Stage{Kind: kind, Plugin: use.label, Labels: labels, Range: use.rng, use: use, file: f, scope: s}
	for _, h := range body.children("hook") {
		hook, more := s.hook(h)
		diags = append(diags, more...)
		st.Hooks = append(st.Hooks, hook)
	}
	return st, f.finish(diags)
}

// pick merges the labels and chooses the body by them.
func (a *App) pick(n *node) (map[string]string, *node, hcl.Diagnostics) {
	ws := a.project.scope.in.Workspace
	stageLabels, diags := a.scope.evalLabels(n.expr("labels"))
	overrides := a.project.scope.in.LabelOverrides
	merge := func(more ...map[string]string) map[string]string {
		all := map[string]string{"waypoint/workspace": ws}
		for _, m := range append([]map[string]string{a.project.Labels, a.Labels, stageLabels}, more...) {
			maps.Copy(all, m)
		}
		maps.Copy(all, overrides)
		return all
	}
	labels := merge()
	chosen := chooseScoped(n, ws, labels)
	if chosen == nil {
		return labels, n, diags
	}
	// In Waypoint a scoped body's own labels were lost. Whoever writes them there wants them.
	own, more := a.scope.evalLabels(chosen.expr("labels"))
	return merge(own), chosen, append(diags, more...)
}

// chooseScoped finds the scoped body of a stage that holds; nil: the unscoped one does.
func chooseScoped(n *node, workspace string, labels map[string]string) *node {
	scoped := n.children("workspace", "label")
	var selectors []string
	for _, sc := range scoped {
		if sc.stanza.block == "label" {
			selectors = append(selectors, sc.label)
		} else if sc.label != "" && sc.label == workspace {
			return sc
		}
	}
	functions.SelectorOrder(selectors)
	for _, selector := range selectors {
		if ok, err := functions.MatchSelector(labels, selector); err != nil || !ok {
			continue // a malformed selector was reported when the file was read
		}
		for _, sc := range scoped {
			if sc.stanza.block == "label" && sc.label == selector {
				return sc
			}
		}
	}
	return nil
}

// stageScope has the names of the stage's phase.
func (a *App) stageScope(kind StageKind, in StageInput, labels map[string]string) (*scope, hcl.Diagnostics) {
	p := stagePhase(kind)
	var diags hcl.Diagnostics
	vars := map[string]cty.Value{"labels": stringMapValue(labels)}
	preview := a.project.scope.in.Preview
	object := func(name string, m map[string]any) {
		if preview {
			vars[name] = cty.DynamicVal
			return
		}
		v, err := goValue(m)
		if err != nil {
			diags = append(diags, errorAt(stageOf(a.node, kind).rng, fmt.Sprintf("Unusable %s", name), "%s.", upperFirst(err.Error())))
			v = cty.DynamicVal
		}
		vars[name] = v
	}
	if p.sees("artifact") {
		object("artifact", in.Artifact)
	}
	if p.sees("deploy") {
		object("deploy", in.Deploy)
	}
	switch {
	case p.sees("entrypoint") && preview:
		vars["entrypoint"] = cty.DynamicVal
	case p.sees("entrypoint"):
		env := make(map[string]cty.Value, len(in.EntrypointEnv))
		for name, value := range in.EntrypointEnv {
			// Only the token is secret. Hiding the rest, which are addresses and ids, would make messages unreadable.
			env[name] = cty.StringVal(value)
			if strings.Contains(name, "TOKEN") {
				a.project.file.secrets.addText(value)
				env[name] = env[name].Mark(functions.Sensitive())
			}
		}
		m := cty.MapValEmpty(cty.String)
		if len(env) > 0 {
			m = cty.MapVal(env)
		}
		vars["entrypoint"] = cty.ObjectVal(map[string]cty.Value{"env": m})
	}
	s := a.scope.child(p, vars)
	s.labels = labels
	tempDir := in.TempDir
	if tempDir == "" {
		tempDir = s.in.TempDir
	}
	s.addFileFunctions(tempDir)
	return s, diags
}

// Decode evaluates the body of `use` into target, a pointer to a struct with hcl tags, or nil for a plugin that takes
// no configuration. Tags are `hcl:"name"` (required attribute), `hcl:"name,optional"`, `hcl:"name,block"`,
// `hcl:"name,label"` and `hcl:",remain"`. Fields that the body does not set keep their value.
func (s *Stage) Decode(target any) (diags hcl.Diagnostics) {
	defer s.file.guard(&diags)
	return s.file.finish(s.scope.decodeUse(s.use, target))
}
