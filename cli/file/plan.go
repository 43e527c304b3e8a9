package file

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/config/functions"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
)

type planOptions struct {
	operation.Flags
}

// NewPlan makes the command plan.
func NewPlan(sh Host) *cobra.Command {
	o := &planOptions{}
	cmd := &cobra.Command{
		Use: "plan", Short: "Show what `up` would do", Args: shell.ArgCount(0, 0),
		Long: `Evaluates waypoint.hcl as "waypoint up" would: each stage of each app with the plugin, its settings, labels and hooks,
and the input variables with where each value comes from. A value that is known only during the run, such as an artifact's name, is marked
with the stage that sets it. If a server answers, each app is compared with the deployment that serves in the workspace: whether
up creates or replaces one, and which input variables have other values than it was deployed with. It starts no server and runs
nothing; input variables that are stored on a server are not included.`,
		Example: "  waypoint plan\n  waypoint plan -workspace production -var port=80 --json",
		RunE:    func(*cobra.Command, []string) error { return runPlan(sh, o) },
	}
	fs := cmd.Flags()
	fs.StringArrayVar(&o.Labels, "label", nil, "label of the job and of what it makes, k=v (repeatable)")
	fs.StringArrayVar(&o.Vars, "var", nil, "value of an input variable, name=value (repeatable)")
	fs.StringArrayVar(&o.VarFiles, "var-file", nil, "file with values of input variables (repeatable)")
	fs.BoolVar(&o.JSON, "json", false, "print the plan as JSON")
	return cmd
}

// A plan is what `up` would do.
type plan struct {
	Project   string         `json:"project"`
	Workspace string         `json:"workspace"`
	Variables []planVariable `json:"variables"`
	Apps      []planApp      `json:"apps"`
}

type planVariable struct {
	Name      string `json:"name"`
	Value     string `json:"value,omitempty"`
	Type      string `json:"type"`
	Source    string `json:"source"`
	Origin    string `json:"origin,omitempty"`
	Sensitive bool   `json:"sensitive,omitempty"`
}

type planApp struct {
	Name   string      `json:"name"`
	Stages []planStage `json:"stages"`
	// Config names what the app gets from config stanzas; values stay out of it.
	Config []planConfig `json:"config"`
	// Change is what it does to what serves; absent if no server answered.
	Change *planChange `json:"change,omitempty"`
}

type planConfig struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	From string `json:"from,omitempty"`
}

type planStage struct {
	Stage  string            `json:"stage"`
	Plugin string            `json:"plugin"`
	Labels map[string]string `json:"labels"`
	Hooks  []planHook        `json:"hooks"`
	Config planBody          `json:"config"`
}

type planHook struct {
	When      string   `json:"when"`
	Command   []string `json:"command"`
	OnFailure string   `json:"on_failure"`
}

type planBody struct {
	Attributes []planAttr  `json:"attributes"`
	Blocks     []planBlock `json:"blocks"`
}

type planAttr struct {
	Name      string          `json:"name"`
	Value     json.RawMessage `json:"value,omitempty"`
	Known     string          `json:"known,omitempty"`
	Rendered  string          `json:"rendered_from,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"`
	text      string
}

type planBlock struct {
	Type   string   `json:"type"`
	Labels []string `json:"labels"`
	planBody
}

func runPlan(sh Host, o *planOptions) error {
	if err := scope.CheckWorkspace(sh); err != nil {
		return err
	}
	path, err := config.Find(sh.Env().Dir)
	if err != nil {
		return notFound(err)
	}
	var p *plan
	file, diags := config.Load(path)
	in := scope.Input(sh, filepath.Dir(path))
	if in.LabelOverrides, err = render.KeyValues("label", o.Labels); err != nil {
		return err
	}
	if diags = file.Relax(diags, in); !diags.HasErrors() {
		var more hcl.Diagnostics
		if p, more, err = makePlan(sh, o, file, in); err != nil {
			return err
		}
		diags = append(append(diags, more...), CheckPlugins(file, sh.Deps().Catalog())...)
		diags = file.Relax(diags, in)
	}
	diags = config.Distinct(diags) // settings are evaluated to be shown, and to be checked
	if diags.HasErrors() && o.JSON {
		if err := config.RenderJSON(sh.Env().Out, file, diags); err != nil {
			return fmt.Errorf("printing the findings: %w", err)
		}
		return problem.ErrSilent
	}
	if err := problem.InFile(file, diags); err != nil {
		return err
	}
	if len(diags) > 0 {
		config.Render(sh.Env().Err, file, diags, sh.ErrSetting().Color())
	}
	compared := compare(sh.Context(), sh, p)
	if o.JSON {
		return sh.PrintJSON(p)
	}
	showPlanned(sh, p)
	if !compared {
		sh.Progressf("Not compared with what runs: no server answers.\n")
	}
	return nil
}

func makePlan(sh Host, o *planOptions, file *config.File, in config.Input) (*plan, hcl.Diagnostics, error) {
	in.Preview = true
	given, diags := o.Values(sh, &scope.Scope{File: file})
	auto, err := config.FindAutoFiles(in.ProjectDir)
	if err != nil {
		return nil, nil, err
	}
	for _, path := range auto {
		more, d := config.LoadVarFile(path, config.SourceAutoFile)
		given, diags = append(given, more...), append(diags, d...)
	}
	values, used, more := file.ResolveVars(given, in)
	if diags = append(diags, more...); diags.HasErrors() {
		return nil, diags, nil
	}
	in.Vars = values
	project, more := file.Project(in)
	if diags = append(diags, more...); diags.HasErrors() {
		return nil, diags, nil
	}
	p := &plan{Project: project.Name, Workspace: sh.Workspace(), Variables: []planVariable{}, Apps: []planApp{}}
	for _, v := range used {
		p.Variables = append(p.Variables, planVariable{v.Name, v.Value, v.Type, v.Source.String(), v.Origin, v.Sensitive})
	}
	shared, more := project.ConfigEntries()
	diags = append(diags, more...)
	found := false
	for _, a := range project.Apps {
		if sh.Flags().App != "" && a.Name != sh.Flags().App {
			continue
		}
		found = true
		app, more := planOf(a, shared, sh.Workspace(), sh.Deps().Catalog())
		p.Apps, diags = append(p.Apps, app), append(diags, more...)
	}
	if !found {
		_, err = scope.PickApps(sh.Flags().App, file.AppNames(), nil)
	}
	return p, diags, err
}

func planOf(a *config.App, shared []config.ConfigEntry, workspace string, plugins *catalog.Catalog) (planApp, hcl.Diagnostics) {
	out := planApp{Name: a.Name, Stages: []planStage{}, Config: []planConfig{}}
	var diags hcl.Diagnostics
	var labels map[string]string
	for _, kind := range []config.StageKind{config.Build, config.Registry, config.Deploy, config.Release} {
		st, more := a.Stage(kind, config.StageInput{})
		if diags = append(diags, more...); st == nil {
			continue
		}
		if kind == config.Deploy {
			labels = st.Labels
		}
		body, more := st.Preview()
		diags = append(diags, more...)
		if component, ok := plugins.Schema(componentKind(kind), st.Plugin); ok {
			diags = append(diags, st.Check(fresh(component.Config))...)
		}
		stage := planStage{Stage: string(kind), Plugin: st.Plugin, Labels: st.Labels, Hooks: []planHook{}, Config: bodyOf(body)}
		for _, h := range st.Hooks {
			stage.Hooks = append(stage.Hooks, planHook{h.When, append([]string{}, h.Shown...), h.OnFailure})
		}
		out.Stages = append(out.Stages, stage)
	}
	own, more := a.ConfigEntries()
	out.Config = planConfigOf(append(append([]config.ConfigEntry{}, shared...), own...), workspace, labels)
	return out, append(diags, more...)
}

// planConfigOf lists what the app gets in the workspace, each name once. labels are those of its deployment.
func planConfigOf(entries []config.ConfigEntry, workspace string, labels map[string]string) []planConfig {
	out := []planConfig{}
	for _, e := range entries {
		if e.Runner || e.Workspace != "" && e.Workspace != workspace {
			continue
		}
		if e.LabelSelector != "" {
			if ok, err := functions.MatchSelector(labels, e.LabelSelector); err != nil || !ok {
				continue
			}
		}
		c := planConfig{Name: e.Name, Kind: string(e.Kind)}
		if e.Dynamic != nil {
			c.From = e.Dynamic.From
		}
		same := func(other planConfig) bool { return other.Name == c.Name && other.Kind == c.Kind }
		if i := slices.IndexFunc(out, same); i >= 0 {
			out[i] = c // the narrower scope comes later
			continue
		}
		out = append(out, c)
	}
	return out
}

func bodyOf(p config.Preview) planBody {
	out := planBody{Attributes: []planAttr{}, Blocks: []planBlock{}}
	for _, a := range p.Attrs {
		attr := planAttr{Name: a.Name, Value: a.JSON, Known: a.Later, Rendered: a.Rendered, Sensitive: a.Sensitive, text: a.Value}
		switch {
		case a.Sensitive:
			attr.text = "(sensitive)"
		case a.Later != "":
			attr.text = "(known " + a.Later + ")"
		case a.Rendered != "":
			attr.text = "(rendered from " + a.Rendered + ")"
		}
		out.Attributes = append(out.Attributes, attr)
	}
	for _, b := range p.Blocks {
		out.Blocks = append(out.Blocks, planBlock{Type: b.Type, Labels: append([]string{}, b.Labels...), planBody: bodyOf(b.Preview)})
	}
	return out
}

func showPlanned(sh Host, p *plan) {
	color := sh.OutSetting().Color()
	head := func(text string) { sh.Printf("%s\n", terminal.Paint(text, terminal.Header, color)) }
	head(fmt.Sprintf("Project %s, workspace %s", p.Project, p.Workspace))
	for _, a := range p.Apps {
		head("\nApp " + a.Name)
		if a.Change != nil {
			for _, line := range a.Change.lines(p.Workspace, a.platform(), sh.Ago(a.Change.deployed)) {
				sh.Printf("  %s\n", line)
			}
		}
		for _, s := range a.Stages {
			sh.Printf("  %-8s %s\n", s.Stage, s.Plugin)
			showPlannedBody(sh, s.Config, "           ")
			for _, h := range s.Hooks {
				command := strings.Join(h.Command, " ")
				if len(h.Command) == 0 {
					command = "(known when it runs)"
				}
				sh.Printf("           hook %s: %s\n", h.When, command)
			}
		}
		if len(a.Config) > 0 {
			names := make([]string, len(a.Config))
			for n, c := range a.Config {
				if names[n] = c.Name; c.From != "" {
					names[n] += " (from " + c.From + ")"
				}
			}
			sh.Printf("  config   %s\n", strings.Join(names, ", "))
		}
	}
	if len(p.Variables) == 0 {
		return
	}
	sh.Printf("\n")
	t := terminal.Table{Columns: []terminal.Column{{Title: "VARIABLE"}, {Title: "VALUE"}, {Title: "TYPE", Rank: 1}, {Title: "SOURCE"}}}
	for _, v := range p.Variables {
		value := v.Value
		if v.Sensitive {
			value = "(sensitive)"
		}
		source := v.Source
		if v.Origin != "" {
			source += " " + v.Origin
		}
		t.Rows = append(t.Rows, []string{v.Name, strings.ReplaceAll(value, "\n", " "), v.Type, source})
	}
	sh.Table(t)
}

// platform is the plugin that deploys the app.
func (a *planApp) platform() string {
	for _, s := range a.Stages {
		if s.Stage == string(config.Deploy) {
			return s.Plugin
		}
	}
	return ""
}

func showPlannedBody(sh Host, b planBody, indent string) {
	for _, a := range b.Attributes {
		sh.Printf("%s%s = %s\n", indent, a.Name, strings.ReplaceAll(strings.TrimRight(a.text, "\n"), "\n", "\n"+indent))
	}
	for _, block := range b.Blocks {
		sh.Printf("%s%s {\n", indent, strings.Join(append([]string{block.Type}, block.Labels...), " "))
		showPlannedBody(sh, block.planBody, indent+"  ")
		sh.Printf("%s}\n", indent)
	}
}
