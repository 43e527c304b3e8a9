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

	use   *useDecl
	scope *scope
}

// StepPlugins are what a step's use may name.
func StepPlugins() []string { return []string{"build", "deploy", "release", "up", "exec", "pipeline"} }

// Decode evaluates the body of the step's use into target, as Stage.Decode does.
func (s *PipelineStep) Decode(target any) (diags hcl.Diagnostics) {
	if s.use == nil {
		return nil
	}
	return s.scope.decodeUse(s.use, target)
}

func readPipeline(b *hcl.Block, depth int) (*pipelineDecl, hcl.Diagnostics) {
	p := &pipelineDecl{name: b.Labels[0], rng: b.DefRange}
	content, diags := pipelineStanza().read(b.Body, b.DefRange)
	diags = append(diags, checkName("pipeline", p.name, b.LabelRanges[0])...)
	for _, inner := range content.Blocks {
		step, more := readStep(inner, depth)
		diags = append(diags, more...)
		if i := slices.IndexFunc(p.steps, func(s stepDecl) bool { return s.name == step.name }); i >= 0 {
			diags = append(diags, errorAt(inner.DefRange, fmt.Sprintf("Second step %q", step.name),
				"A step's name must be unique in its pipeline; the first is at %s.", shortRange(p.steps[i].rng)))
		}
		p.steps = append(p.steps, step)
	}
	return p, diags
}

func readStep(b *hcl.Block, depth int) (stepDecl, hcl.Diagnostics) {
	content, diags := stepStanza().read(b.Body, b.DefRange)
	s := stepDecl{
		name: b.Labels[0], rng: b.DefRange,
		dependsOn: expr(content, "depends_on"), imageURL: expr(content, "image_url"),
		workspace: expr(content, "workspace"), labels: expr(content, "labels"),
	}
	for _, inner := range content.Blocks {
		switch inner.Type {
		case "use":
			s.use = readUse(inner)
			if !slices.Contains(StepPlugins(), s.use.plugin) {
				detail := fmt.Sprintf("A step can use %s.", words(StepPlugins()))
				if near := nearest(s.use.plugin, StepPlugins()); near != "" {
					detail += fmt.Sprintf(" Did you mean %q?", near)
				}
				diags = append(diags, errorAt(inner.DefRange, fmt.Sprintf("Unknown step plugin %q", s.use.plugin), "%s", detail))
			}
		case "pipeline":
			if depth > 0 {
				diags = append(diags, errorAt(inner.DefRange, "Pipeline nested too deeply",
					"A pipeline inside a step cannot hold another one. Write it at the top level and refer to it with use \"pipeline\" { name = … }."))
				continue
			}
			var more hcl.Diagnostics
			s.pipeline, more = readPipeline(inner, depth+1)
			diags = append(diags, more...)
		}
	}
	switch {
	case s.use == nil && s.pipeline == nil && !diags.HasErrors():
		diags = append(diags, errorAt(b.DefRange, "Empty step", "A step needs a block use \"PLUGIN\" { … } or a pipeline."))
	case s.use != nil && s.pipeline != nil:
		diags = append(diags, errorAt(b.DefRange, "Ambiguous step", "A step has a use block or a pipeline, not both."))
	}
	return s, diags
}

// checkPipelines checks names over the whole project, and the order of steps.
func (f *File) checkPipelines() hcl.Diagnostics {
	var diags hcl.Diagnostics
	first := map[string]hcl.Range{}
	var check func(p *pipelineDecl)
	check = func(p *pipelineDecl) {
		if at, twice := first[p.name]; twice {
			diags = append(diags, errorAt(p.rng, fmt.Sprintf("Second pipeline %q", p.name),
				"A pipeline's name must be unique in its project; the first is at %s.", shortRange(at)))
		} else {
			first[p.name] = p.rng
		}
		diags = append(diags, p.checkOrder()...)
		for _, s := range p.steps {
			if s.pipeline != nil {
				check(s.pipeline)
			}
		}
	}
	for _, p := range f.pipelines {
		check(p)
	}
	return diags
}

// dependencies are the steps that step i waits for. Steps that are not constant are left to evaluation.
func (p *pipelineDecl) dependencies(i int, ctx *hcl.EvalContext) ([]string, hcl.Diagnostics) {
	s := p.steps[i]
	if s.dependsOn == nil {
		if i == 0 {
			return nil, nil
		}
		return []string{p.steps[i-1].name}, nil
	}
	v, diags := s.dependsOn.Value(ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	list, err := asStrings(v)
	if err != nil {
		return nil, hcl.Diagnostics{errorAt(s.dependsOn.Range(), "Invalid depends_on", "A list of step names is required: %s.", err)}
	}
	return list, nil
}

func (p *pipelineDecl) checkOrder() hcl.Diagnostics {
	var diags hcl.Diagnostics
	edges := map[string][]string{}
	var names []string
	for _, s := range p.steps {
		names = append(names, s.name)
	}
	for i, s := range p.steps {
		if s.dependsOn != nil && len(s.dependsOn.Variables()) > 0 {
			continue
		}
		deps, more := p.dependencies(i, nil)
		diags = append(diags, more...)
		for _, dep := range deps {
			if !slices.Contains(names, dep) {
				detail := fmt.Sprintf("The pipeline %q has no step %q; it has %s.", p.name, dep, words(names))
				if near := nearest(dep, names); near != "" {
					detail += fmt.Sprintf(" Did you mean %q?", near)
				}
				diags = append(diags, errorAt(s.dependsOn.Range(), fmt.Sprintf("Unknown step %q", dep), "%s", detail))
			}
		}
		edges[s.name] = deps
	}
	if loop := findLoop(names, edges); loop != nil {
		i := slices.Index(names, loop[0])
		diags = append(diags, errorAt(p.steps[i].rng, "Circular dependency of steps", "The cycle is %s.", arrows(loop)))
	}
	return diags
}

// Pipelines evaluates the project's pipelines.
func (p *Project) Pipelines() (list []*Pipeline, diags hcl.Diagnostics) {
	defer p.file.guard(&diags)
	for _, decl := range p.file.pipelines {
		pl, more := p.pipeline(decl)
		diags = append(diags, more...)
		list = append(list, pl)
	}
	return list, p.file.finish(diags)
}

func (p *Project) pipeline(decl *pipelineDecl) (*Pipeline, hcl.Diagnostics) {
	out := &Pipeline{Name: decl.name, Range: decl.rng}
	var diags hcl.Diagnostics
	for i, s := range decl.steps {
		step := &PipelineStep{Name: s.name, Range: s.rng, use: s.use, scope: p.scope}
		if s.use != nil {
			step.Plugin = s.use.plugin
		}
		var more hcl.Diagnostics
		step.DependsOn, more = decl.dependencies(i, p.scope.ctx)
		diags = append(diags, p.scope.explain(more)...)
		diags = append(diags, p.scope.evalString(s.imageURL, "image_url", &step.ImageURL)...)
		diags = append(diags, p.scope.evalString(s.workspace, "workspace", &step.Workspace)...)
		step.Labels, more = p.scope.evalLabels(s.labels)
		diags = append(diags, more...)
		if s.pipeline != nil {
			step.Pipeline, more = p.pipeline(s.pipeline)
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
