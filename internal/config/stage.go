package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
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

	use   *useDecl
	file  *File
	scope *scope
}

// Hook is a command that runs on the runner before or after a stage.
type Hook struct {
	// When is "before" or "after".
	When    string
	Command []string
	// Shown is Command as it may be shown: sensitive arguments are "(sensitive)".
	Shown []string
	// OnFailure is "fail" or "continue".
	OnFailure string
}

// Stage evaluates the head of a stage and picks its body: the workspace's if there is one, else that of the
// longest label selector that matches, else the unscoped one. nil without an error: the app has no such stage.
func (a *App) Stage(kind StageKind, in StageInput) (st *Stage, diags hcl.Diagnostics) {
	f := a.project.file
	defer f.guard(&diags)
	decl := a.decl.stages[kind]
	if decl == nil {
		return nil, nil
	}
	labels, body, diags := a.pick(decl)
	if body.use == nil {
		return nil, f.finish(diags)
	}
	s, more := a.stageScope(kind, in, labels)
	diags = append(diags, more...)
	st = &Stage{Kind: kind, Plugin: body.use.plugin, Labels: labels, Range: body.use.rng, use: body.use, file: f, scope: s}
	for _, h := range body.hooks {
		hook, more := s.hook(h)
		diags = append(diags, more...)
		st.Hooks = append(st.Hooks, hook)
	}
	return st, f.finish(diags)
}

// pick merges the labels and chooses the body by them.
func (a *App) pick(decl *stageDecl) (map[string]string, stageBody, hcl.Diagnostics) {
	ws := a.project.scope.in.Workspace
	stageLabels, diags := a.scope.evalLabels(decl.labels)
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
	chosen := decl.choose(ws, labels)
	if chosen == nil {
		return labels, decl.base, diags
	}
	// In Waypoint a scoped body's own labels were lost. Whoever writes them there wants them.
	own, more := a.scope.evalLabels(chosen.labels)
	return merge(own), chosen.stageBody, append(diags, more...)
}

// choose finds the scoped body that holds; nil: the unscoped one does.
func (st *stageDecl) choose(workspace string, labels map[string]string) *scopedBody {
	var selectors []string
	for i, sc := range st.scoped {
		if sc.workspace != "" && sc.workspace == workspace {
			return &st.scoped[i]
		}
		if sc.selector != "" {
			selectors = append(selectors, sc.selector)
		}
	}
	functions.SelectorOrder(selectors)
	for _, selector := range selectors {
		if ok, err := functions.MatchSelector(labels, selector); err != nil || !ok {
			continue // a malformed selector was reported when the file was read
		}
		for i, sc := range st.scoped {
			if sc.selector == selector {
				return &st.scoped[i]
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
			diags = append(diags, errorAt(a.decl.stages[kind].rng, fmt.Sprintf("Unusable %s", name), "%s.", upperFirst(err.Error())))
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

func (s *scope) hook(h hookDecl) (Hook, hcl.Diagnostics) {
	out := Hook{OnFailure: "fail"}
	diags := s.evalString(h.when, "when", &out.When)
	if h.when != nil && !diags.HasErrors() && out.When != "before" && out.When != "after" {
		diags = append(diags, s.wrongValue(h.when, "when", errors.New(`"before" or "after" is required`)))
	}
	more := s.evalString(h.onFailure, "on_failure", &out.OnFailure)
	if h.onFailure != nil && !more.HasErrors() {
		switch out.OnFailure {
		case "":
			out.OnFailure = "fail"
		case "fail", "continue":
		default:
			more = append(more, s.wrongValue(h.onFailure, "on_failure", errors.New(`"fail" or "continue" is required`)))
		}
	}
	diags = append(diags, more...)
	if h.command == nil {
		return out, diags
	}
	v, more := s.eval(h.command)
	diags = append(diags, more...)
	if more.HasErrors() {
		return out, diags
	}
	if s.in.Preview && !v.IsWhollyKnown() {
		return out, diags // its command is known when it runs
	}
	var err error
	if out.Command, err = asStrings(v); err != nil || len(out.Command) == 0 {
		if !errors.Is(err, errNotKnown) {
			err = errors.New(`a list of a program and its arguments such as ["make", "test"] is required`)
		}
		diags = append(diags, s.wrongValue(h.command, "command", err))
		return out, diags
	}
	out.Shown = shown(v, out.Command)
	return out, diags
}

// shown is a list of texts with the sensitive ones hidden.
func shown(v cty.Value, texts []string) []string {
	out := slices.Clone(texts)
	bare, _ := v.Unmark()
	all := bare.Type().IsSetType() // their marks are the whole set's
	for i, it := 0, bare.ElementIterator(); it.Next() && i < len(out); i++ {
		if _, elem := it.Element(); all && functions.IsSensitive(v) || functions.IsSensitive(elem) || v.HasMark(functions.Sensitive()) {
			out[i] = "(sensitive)"
		}
	}
	return out
}

// Decode evaluates the body of `use` into target, a pointer to a struct with hcl tags, or nil for a plugin that takes
// no configuration. Tags are `hcl:"name"` (required attribute), `hcl:"name,optional"`, `hcl:"name,block"`,
// `hcl:"name,label"` and `hcl:",remain"`. Fields that the body does not set keep their value.
func (s *Stage) Decode(target any) (diags hcl.Diagnostics) {
	defer s.file.guard(&diags)
	return s.file.finish(s.scope.decodeUse(s.use, target))
}
