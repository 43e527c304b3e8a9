package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Pipeline is an evaluated pipeline. Its steps' plugins stay unevaluated until PipelineStep.Decode.
type Pipeline struct {
	Name  string
	Steps []*PipelineStep
	Range hcl.Range
}

// PipelineStep is one step: it uses a plugin, or is a pipeline of its own.
type PipelineStep struct {
	Name string
	// Plugin is empty if Pipeline is set.
	Plugin   string
	Pipeline *Pipeline
	// DependsOn names steps of the same pipeline. A step that says nothing depends on the one before it.
	DependsOn []string
	ImageURL  string
	Workspace string
	Labels    map[string]string
	Range     hcl.Range

	use   *node
	scope *scope
}

// Decode evaluates the body of the step's use into target, as Stage.Decode does.
func (s *PipelineStep) Decode(target any) (diags hcl.Diagnostics) {
	if s.use == nil {
		return nil
	}
	return s.scope.decodeUse(s.use, target)
}

// pipelineStanza is a pipeline; depth counts those around it.
func pipelineStanza(depth int) *stanza {
	s := &stanza{
		block: "pipeline", name: "pipeline", label: "name",
		home:    "at the top level of the file, or in a pipeline's step",
		holds:   inPipeline(depth),
		ignored: "Pipelines are checked, but they cannot be run yet.",
		enter:   func(_ *File, n *node) hcl.Diagnostics { return checkName("pipeline", n.label, n.labelRange) },
	}
	if depth == 0 {
		s.phase = &phase{name: "pipeline", roots: projectPhase().roots}
		s.mark, s.rule = "U", "A `pipeline` has steps. They are checked; running them comes with a later version."
	}
	return s
}

// deepPipelineStanza is one inside a pipeline that is inside a step.
func deepPipelineStanza() *stanza {
	return &stanza{
		block: "pipeline", name: "pipeline", label: "name", narrows: true,
		choose: func(n *node) (*stanza, *hcl.Diagnostic) {
			return nil, errorAt(n.rng, "Pipeline nested too deeply",
				"A pipeline inside a step cannot hold another one. Write it at the top level and refer to it with use \"pipeline\" { name = … }.")
		},
	}
}

func stepStanza(depth int) *stanza {
	return &stanza{
		block: "step", name: "step", label: "name", home: "in pipeline",
		attrs: []attribute{
			attribute{name: "depends_on"}.at("a pipeline's step"), attribute{name: "image_url"}.at("a pipeline's step"),
			{name: "workspace"}, {name: "labels"},
		},
		holds: inStep(depth),
		mark:  "U", rule: "A step uses `build`, `deploy`, `release`, `up`, `exec` or `pipeline`, or is a pipeline itself; it follows the step " +
			"before it, or those that `depends_on` names.",
		leave: checkStep,
	}
}

func checkStep(_ *File, n *node) (diags hcl.Diagnostics) {
	use, pipeline := n.child("use"), n.child("pipeline")
	switch {
	case use == nil && pipeline == nil && !n.broken:
		diags = append(diags, errorAt(n.rng, "Empty step", "A step needs a block use \"PLUGIN\" { … } or a pipeline."))
	case use != nil && pipeline != nil:
		diags = append(diags, errorAt(n.rng, "Ambiguous step", "A step has a use block or a pipeline, not both."))
	}
	if first := n.twin(); first != nil {
		diags = append(diags, errorAt(n.rng, fmt.Sprintf("Second step %q", n.label),
			"A step's name must be unique in its pipeline; the first is at %s.", shortRange(first.rng)))
	}
	return diags
}

// checkPipelines checks names over the whole project, and the order of steps.
func (f *File) checkPipelines() hcl.Diagnostics {
	var diags hcl.Diagnostics
	first := map[string]*node{}
	var check func(p *node)
	check = func(p *node) {
		switch other := first[p.label]; {
		case other == nil:
			first[p.label] = p
		case p.parent == f.root && other.parent == f.root:
			diags = append(diags, errorAt(p.rng, fmt.Sprintf("Second pipeline %q", p.label),
				"A pipeline's name must be unique in its project; the first is at %s.", shortRange(other.rng)))
		default: // as in Waypoint, where one of them is inside a step
			diags = append(diags, warningAt(p.rng, fmt.Sprintf("Second pipeline %q", p.label),
				"The later one replaces the earlier, which is at %s.", shortRange(other.rng)))
		}
		diags = append(diags, checkOrder(p)...)
		for _, step := range p.children("step") {
			if inner := step.child("pipeline"); inner != nil {
				check(inner)
			}
		}
	}
	for _, p := range f.root.children("pipeline") {
		check(p)
	}
	return diags
}

// dependencies are the steps that step i waits for. Steps that are not constant are left to evaluation.
func dependencies(steps []*node, i int, ctx *hcl.EvalContext) ([]string, hcl.Diagnostics) {
	e := steps[i].expr("depends_on")
	if e == nil {
		if i == 0 {
			return nil, nil
		}
		return []string{steps[i-1].label}, nil
	}
	v, diags := e.Value(ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	list, err := asStrings(v)
	if err != nil {
		return nil, hcl.Diagnostics{errorAt(e.Range(), "Invalid depends_on", "A list of step names is required: %s.", err)}
	}
	return list, nil
}

func checkOrder(p *node) hcl.Diagnostics {
	var diags hcl.Diagnostics
	edges := map[string][]string{}
	var names []string
	steps := p.children("step")
	for _, s := range steps {
		names = append(names, s.label)
	}
	for i, s := range steps {
		e := s.expr("depends_on")
		if e != nil && len(e.Variables()) > 0 {
			continue
		}
		deps, more := dependencies(steps, i, nil)
		diags = append(diags, more...)
		for _, dep := range deps {
			if !slices.Contains(names, dep) {
				detail := fmt.Sprintf("The pipeline %q has no step %q; it has %s.", p.label, dep, words(names))
				if near := nearest(dep, names); near != "" {
					detail += fmt.Sprintf(" Did you mean %q?", near)
				}
				diags = append(diags, errorAt(e.Range(), fmt.Sprintf("Unknown step %q", dep), "%s", detail))
			}
		}
		edges[s.label] = deps
	}
	if loop := findLoop(names, edges); loop != nil {
		i := slices.Index(names, loop[0])
		diags = append(diags, errorAt(steps[i].rng, "Circular dependency of steps", "The cycle is %s.", arrows(loop)))
	}
	return diags
}

// Pipelines evaluates the project's pipelines.
func (p *Project) Pipelines() (list []*Pipeline, diags hcl.Diagnostics) {
	defer p.file.guard(&diags)
	for _, n := range p.file.root.children("pipeline") {
		pl, more := p.pipeline(n)
		diags = append(diags, more...)
		list = append(list, pl)
	}
	return list, p.file.finish(diags)
}

func (p *Project) pipeline(n *node) (*Pipeline, hcl.Diagnostics) {
	out := &Pipeline{Name: n.label, Range: n.rng}
	var diags hcl.Diagnostics
	steps := n.children("step")
	for i, s := range steps {
		step := &PipelineStep{Name: s.label, Range: s.rng, use: s.child("use"), scope: p.scope}
		if step.use != nil {
			step.Plugin = step.use.label
		}
		var more hcl.Diagnostics
		step.DependsOn, more = dependencies(steps, i, p.scope.ctx)
		diags = append(diags, p.scope.explain(more)...)
		diags = append(diags, p.scope.evalString(s.expr("image_url"), "image_url", &step.ImageURL)...)
		diags = append(diags, p.scope.evalString(s.expr("workspace"), "workspace", &step.Workspace)...)
		step.Labels, more = p.scope.evalLabels(s.expr("labels"))
		diags = append(diags, more...)
		if inner := s.child("pipeline"); inner != nil {
			step.Pipeline, more = p.pipeline(inner)
			diags = append(diags, more...)
		}
		out.Steps = append(out.Steps, step)
	}
	return out, diags
}

// findLoop returns the names of a loop, first name repeated at the end; nil without one.
func findLoop(names []string, edges map[string][]string) []string {
	const (
		unseen = iota
		open
		done
	)
	state := map[string]int{}
	var path, loop []string
	var visit func(string) bool
	visit = func(n string) bool {
		switch state[n] {
		case done:
			return false
		case open:
			loop = append(slices.Clone(path[slices.Index(path, n):]), n)
			return true
		}
		state[n] = open
		path = append(path, n)
		for _, next := range edges[n] {
			if visit(next) {
				return true
			}
		}
		path = path[:len(path)-1]
		state[n] = done
		return false
	}
	for _, n := range names {
		if visit(n) {
			return loop
		}
	}
	return nil
}
