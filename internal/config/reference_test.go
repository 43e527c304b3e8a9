package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/internal/config"
)

// A referenceRow is a rule of the language that most people meet. Its test has its name; docs/reference/language.md shows
// it with its first example.
type referenceRow struct {
	// section and name say what it is about: "Stanzas", "app".
	section, name string
	// mark is C for a rule that every user meets, U for one that many do.
	mark string
	// rule is what holds, in Markdown.
	rule  string
	cases []referenceCase
}

// A referenceCase is a file and what it means: want are lines of meaning that must be there, refused is part of what is
// said of a file that is wrong.
type referenceCase struct {
	hcl       string
	json      bool
	workspace string
	given     []config.VarInput
	want      []string
	unwanted  []string
	refused   string
}

func (r referenceRow) test() string { return strings.ReplaceAll(r.section+"/"+r.name, " ", "_") }

func TestReference(t *testing.T) {
	for _, row := range referenceRows() {
		if len(row.cases) == 0 {
			t.Errorf("%s has no case", row.test())
		}
		t.Run(row.test(), func(t *testing.T) {
			t.Parallel()
			for i, c := range row.cases {
				checkReference(t, fmt.Sprintf("case %d", i+1), c)
			}
		})
	}
}

func checkReference(t *testing.T, name string, c referenceCase) {
	t.Helper()
	filename := "waypoint.hcl"
	if c.json {
		filename += ".json"
	}
	got, problems := meaning(t, filename, c)
	if c.refused != "" {
		if !strings.Contains(problems, c.refused) {
			t.Errorf("%s: %q is not said:\n%s", name, c.refused, problems)
		}
		return
	}
	if problems != "" {
		t.Errorf("%s is refused:\n%s", name, problems)
		return
	}
	for _, line := range c.want {
		if !slices.Contains(got, line) {
			t.Errorf("%s: this is missing:\n%s\nin\n%s", name, line, strings.Join(got, "\n"))
		}
	}
	for _, line := range c.unwanted {
		if slices.Contains(got, line) {
			t.Errorf("%s: this should not be there:\n%s", name, line)
		}
	}
}

// A reading collects what a file says, a line for each thing, and what is wrong with it.
type reading struct {
	file  *config.File
	lines []string
	diags hcl.Diagnostics
}

func (r *reading) add(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// meaning is all that a file says.
func meaning(t *testing.T, filename string, c referenceCase) (lines []string, problems string) {
	t.Helper()
	r := &reading{}
	if r.file, r.diags = config.Parse([]byte(c.hcl), filename); len(r.diags) == 0 {
		workspace := c.workspace
		if workspace == "" {
			workspace = "default"
		}
		in := testInput(t, workspace)
		in.GitDir = gitDir(t)
		r.variables(&in, c.given)
		if len(r.diags) == 0 {
			r.project(in)
		}
	}
	if len(r.diags) > 0 {
		problems = render(r.file, r.diags)
	}
	return r.lines, problems
}

func (r *reading) variables(in *config.Input, given []config.VarInput) {
	vars, used, diags := r.file.ResolveVars(given, *in)
	in.Vars, r.diags = vars, append(r.diags, diags...)
	for _, v := range used {
		value := v.Value
		if v.Sensitive {
			value = "(sensitive)"
		}
		r.add("variable %s = %s, %s, from %s", v.Name, value, v.Type, v.Source)
	}
}

func (r *reading) project(in config.Input) {
	p, diags := r.file.Project(in)
	if r.diags = append(r.diags, diags...); len(diags) > 0 {
		return
	}
	r.add("project %s", p.Name)
	r.labels("", p.Labels)
	if enabled := p.Runner().Enabled; enabled != nil {
		r.add("runner enabled = %t", *enabled)
	}
	r.runner("", p.Runner())
	entries, diags := p.ConfigEntries()
	r.config("", entries, diags)
	for _, a := range p.Apps {
		r.app(in, a)
	}
	for _, d := range r.file.Plugins() {
		r.add("plugin %s", d.Name)
	}
	pipelines, diags := p.Pipelines()
	r.diags = append(r.diags, diags...)
	for _, p := range pipelines {
		r.steps(p.Name, p.Steps)
	}
}

func (r *reading) labels(of string, labels map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		r.add("%slabel %s = %s", of, k, labels[k])
	}
}

func (r *reading) runner(of string, runner config.Runner) {
	profile, source, poll := runner.Profile, runner.DataSource, runner.Poll
	if profile != "" {
		r.add("%srunner profile = %s", of, profile)
	}
	if source != nil {
		r.add("%ssource %s %s", of, source.Type, strings.Join(nonEmpty(source.URL, source.Ref, source.Path), " "))
		if source.Username != "" || source.Key != "" {
			r.add("%ssource credentials: %s", of, strings.Join(nonEmpty(source.Username, source.Password, source.Key, source.KeyPassword), " "))
		}
		if source.IgnoreChangesOutsidePath || source.RecurseSubmodules > 0 {
			r.add("%ssource ignores changes outside = %t, submodules to depth %d", of, source.IgnoreChangesOutsidePath, source.RecurseSubmodules)
		}
	}
	if poll != nil {
		r.add("%spoll enabled = %t, every %s", of, poll.Enabled, poll.Interval)
	}
}

func nonEmpty(list ...string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

func (r *reading) config(of string, entries []config.ConfigEntry, diags hcl.Diagnostics) {
	r.diags = append(r.diags, diags...)
	for _, e := range entries {
		value := e.Value
		switch {
		case e.Dynamic != nil:
			value = fmt.Sprintf("from %s %v", e.Dynamic.From, e.Dynamic.Config)
		case e.Template != "":
			value = "later " + e.Template
		case e.Sensitive:
			value = "(sensitive)"
		}
		at := ""
		for _, where := range []struct{ name, value string }{{"workspace", e.Workspace}, {"label", e.LabelSelector}} {
			if where.value != "" {
				at += fmt.Sprintf(" in %s %s", where.name, where.value)
			}
		}
		if e.Runner {
			at += " for runners"
		}
		r.add("%sconfig %s %s = %s%s", of, e.Kind, e.Name, value, at)
	}
}

func (r *reading) app(in config.Input, a *config.App) {
	of := a.Name + " "
	path, err := filepath.Rel(in.ProjectDir, a.Path)
	if err != nil {
		path = a.Path
	}
	r.add("app %s in %s", a.Name, filepath.ToSlash(path))
	r.labels(of, a.Labels)
	r.runner(of, a.Runner())
	if auto := a.AutoHostname(); auto != nil {
		r.add("%sauto_hostname = %t", of, *auto)
	}
	signal, diags := a.FileChangeSignal()
	if r.diags = append(r.diags, diags...); signal != "" {
		r.add("%sfile_change_signal = %s", of, signal)
	}
	entries, diags := a.ConfigEntries()
	r.config(of, entries, diags)
	for _, kind := range []config.StageKind{config.Build, config.Registry, config.Deploy, config.Release} {
		input := stageInput()
		input.TempDir = in.TempDir
		st, diags := a.Stage(kind, input)
		if r.diags = append(r.diags, diags...); st != nil {
			r.stage(of+string(kind), st)
		}
	}
}

func (r *reading) stage(of string, st *config.Stage) {
	body := map[string]any{}
	r.diags = append(r.diags, st.Decode(&body)...)
	text, err := json.Marshal(body)
	if err != nil {
		text = []byte(err.Error())
	}
	r.add("%s uses %s %s", of, st.Plugin, text)
	for _, k := range slices.Sorted(maps.Keys(body)) {
		text, _ := json.Marshal(body[k])
		r.add("%s %s = %s", of, k, text)
	}
	r.labels(of+" ", st.Labels)
	for _, h := range st.Hooks {
		r.add("%s hook %s: %s, then %s", of, h.When, strings.Join(h.Command, " "), h.OnFailure)
	}
}

func (r *reading) steps(of string, steps []*config.PipelineStep) {
	for _, s := range steps {
		r.add("pipeline %s step %s uses %s after %v", of, s.Name, s.Plugin, s.DependsOn)
		if s.ImageURL != "" || s.Workspace != "" {
			r.add("pipeline %s step %s in image %q, workspace %q", of, s.Name, s.ImageURL, s.Workspace)
		}
		if s.Pipeline != nil {
			r.steps(of+"/"+s.Pipeline.Name, s.Pipeline.Steps)
			continue
		}
		body := map[string]any{}
		r.diags = append(r.diags, s.Decode(&body)...)
		text, _ := json.Marshal(body)
		r.add("pipeline %s step %s %s", of, s.Name, text)
	}
}

// referencePage is the generated page of the documentation.
const referencePage = "../../docs/reference/language.md"

// TestReferencePage holds the page to the table; -update writes it.
func TestReferencePage(t *testing.T) {
	want := referenceText()
	if *update {
		if err := os.MkdirAll(filepath.Dir(referencePage), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(referencePage, want, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(referencePage)
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("%s is not what the rules say (%v): go test ./internal/config -run TestReferencePage -update", referencePage, err)
	}
}

func referenceText() []byte {
	var b bytes.Buffer
	b.WriteString("# The language of waypoint.hcl\n\n<!-- Generated by `go test ./internal/config -run TestReferencePage -update`. -->\n\n" +
		"Each rule that most files meet, with the test that holds it (`go test ./internal/config -run \"TestReference/NAME\"`) and a file that " +
		"shows it. **C** marks what every user meets, **U** what many do.\n")
	section := ""
	for _, row := range referenceRows() {
		if row.section != section {
			section = row.section
			fmt.Fprintf(&b, "\n## %s\n\n| rule | mark | what holds | test |\n|---|---|---|---|\n", section)
			for _, other := range referenceRows() {
				if other.section == section {
					fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | `TestReference/%s` |\n", other.name, anchor(other), other.mark, other.rule, other.test())
				}
			}
		}
		fmt.Fprintf(&b, "\n<a id=%q></a>\n\n### %s\n\n", anchor(row), row.name)
		row.show(&b)
	}
	return b.Bytes()
}

// show writes the first example that is right, and the first that is refused.
func (r referenceRow) show(b *bytes.Buffer) {
	right := slices.IndexFunc(r.cases, func(c referenceCase) bool { return c.refused == "" })
	if right >= 0 {
		c := r.cases[right]
		fmt.Fprintf(b, "```hcl\n%s\n```\n", strings.TrimSpace(c.hcl))
		if len(c.want) > 0 {
			fmt.Fprintf(b, "\nmeans:\n\n```text\n%s\n```\n", strings.Join(c.want, "\n"))
		}
	}
	if wrong := slices.IndexFunc(r.cases, func(c referenceCase) bool { return c.refused != "" }); wrong >= 0 {
		c := r.cases[wrong]
		fmt.Fprintf(b, "\n```hcl\n%s\n```\n\nis refused: %s\n", strings.TrimSpace(c.hcl), c.refused)
	}
}

func anchor(r referenceRow) string {
	return strings.ToLower(strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, r.section+"-"+r.name))
}
