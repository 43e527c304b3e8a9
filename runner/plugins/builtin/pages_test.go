package builtin_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema/reference"
)

func TestEveryFieldIsDescribed(t *testing.T) {
	said := func(component string, fields []schema.Field) {
		schema.Walk(fields, func(path string, f schema.Field) {
			switch {
			case f.Doc == "":
				t.Errorf("%s: %s has no description: write a comment above it, and run make docs", component, path)
			case !strings.HasSuffix(f.Doc, "."):
				t.Errorf("%s: %s: the description is no sentence: %s", component, path, f.Doc)
			case strings.Contains(f.Doc, "Default:"):
				t.Errorf("%s: %s: the default belongs in the tag default:\"…\"", component, path)
			}
		})
	}
	for _, f := range forms() {
		said(f.name, f.fields)
	}
	for _, d := range builtIn().Definitions() {
		for _, c := range d.Components() {
			if c.Output != nil {
				said(d.Name+" "+string(c.Kind)+" output", schema.Describe(c.Output()))
			}
			if d.Summary == "" || d.Example == "" || c.Summary == "" {
				t.Errorf("%s, %s: there is no summary, or no example", d.Name, c.Kind)
			}
		}
	}
}

// The fields are looked for in their order, each with its indentation.
func TestEveryFieldIsInTheTerminalsReference(t *testing.T) {
	for _, d := range builtIn().Definitions() {
		for _, c := range reference.Of(d, "").Components {
			rest := reference.Of(d, c.Kind).Text(80, false)
			find := func(name, indent string) {
				_, after, ok := strings.Cut(rest, "\n\n"+indent+name)
				if !ok || !strings.HasPrefix(after, " ") && !strings.HasPrefix(after, "\n") {
					t.Errorf("%s, %s: %s is not there, or not in its place", d.Name, c.Kind, name)
					return
				}
				rest = after
			}
			for _, fields := range [][]schema.Field{c.Settings, c.SourceSettings} {
				schema.Walk(fields, func(path string, f schema.Field) {
					find(f.Name, strings.Repeat("    ", 1+strings.Count(path, ".")))
				})
			}
			for _, o := range c.Outputs {
				find(o.Name, "    ")
			}
		}
	}
}

func TestEveryFieldIsInTheReferencePage(t *testing.T) {
	for _, d := range builtIn().Definitions() {
		content, err := os.ReadFile(filepath.Join("../../../docs/reference/plugins", d.Name+".md"))
		if err != nil {
			t.Fatal(err)
		}
		page := namesInTables(string(content))
		for _, c := range reference.Of(d, "").Components {
			in := func(section string) func(string, schema.Field) {
				return func(path string, _ schema.Field) {
					if !page[string(c.Kind)+"/"+section+"/"+path] {
						t.Errorf("%s, %s, %s: %s is not on the page", d.Name, c.Kind, section, path)
					}
				}
			}
			schema.Walk(c.Settings, in("Settings"))
			schema.Walk(c.SourceSettings, in("Settings of the source"))
			for _, o := range c.Outputs {
				in("Outputs")(o.Name, schema.Field{})
			}
		}
	}
}

// namesInTables are the names in the tables of a page, each as "component/section/path".
func namesInTables(page string) map[string]bool {
	names := map[string]bool{}
	component, section, block := "", "", ""
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		switch level, title, _ := strings.Cut(line, " "); level {
		case "##":
			component, section, block = title, "", ""
		case "###":
			section, block = title, ""
		case "####":
			block = strings.NewReplacer("`", "", " { … }", ".", " { ", ".", " }", "").Replace(title)
		case "|":
			if name, ok := strings.CutPrefix(title, "`"); ok {
				name, _, _ = strings.Cut(strings.TrimRight(name, " "), "`")
				name, _, _ = strings.Cut(name, " ")
				names[component+"/"+section+"/"+block+name] = true
			}
		}
	}
	return names
}

func TestEveryFieldIsInTheReferencesJSON(t *testing.T) {
	for _, d := range builtIn().Definitions() {
		content, err := json.Marshal(reference.Of(d, ""))
		if err != nil {
			t.Fatal(err)
		}
		var got reference.Plugin
		if err := json.Unmarshal(content, &got); err != nil {
			t.Fatal(err)
		}
		for i, c := range d.Components() {
			want := map[string]schema.Field{}
			schema.Walk(got.Components[i].Settings, func(path string, f schema.Field) { want[path] = f })
			for path, f := range flat(c.Config) {
				if g, ok := want[path]; !ok || g.Required != f.Required || g.Doc != f.Doc {
					t.Errorf("%s, %s: %s is not in the JSON as it is: %v", d.Name, c.Kind, path, g)
				}
			}
		}
	}
}

// A plugin's testdata has a whole file, all.hcl, with the bodies of use and the objects of dynamic(…), and plain bodies of
// what is written elsewhere: task.hcl for a task launcher, source.hcl for what is set for a config source.
func TestEveryFieldIsInATestFile(t *testing.T) {
	for _, d := range builtIn().Definitions() {
		dir := filepath.Join("..", strings.ReplaceAll(d.Name, "-", ""), "testdata")
		written := writtenIn(t, dir, d.Name)
		for _, c := range d.Components() {
			for path := range flat(c.Config) {
				if !written[string(c.Kind)+" "+path] {
					t.Errorf("%s, %s: %s is in no file of %s", d.Name, c.Kind, path, dir)
				}
			}
			for path := range flat(c.Source) {
				if !written["source "+path] {
					t.Errorf("%s, source: %s is in no file of %s", d.Name, path, dir)
				}
			}
		}
	}
}

// writtenIn checks the test files of a plugin and says which fields are in them, "kind path".
func writtenIn(t *testing.T, dir, plugin string) map[string]bool {
	t.Helper()
	written := map[string]bool{}
	whole := filepath.Join(dir, "all.hcl")
	file, diags := config.Load(whole)
	if !diags.HasErrors() {
		diags = checkFile(t, file)
	}
	if diags.HasErrors() {
		t.Errorf("%s: %v", whole, diags)
	}
	kinds := map[string]schema.Kind{"build": schema.Builder, "registry": schema.Registry, "deploy": schema.Platform, "release": schema.Releaser}
	var walk func(body *hclsyntax.Body, kind schema.Kind)
	walk = func(body *hclsyntax.Body, kind schema.Kind) {
		for _, b := range body.Blocks {
			switch inner, stage := kinds[b.Type]; {
			case b.Type == "use" && b.Labels[0] == plugin:
				note(written, string(kind)+" ", b.Body)
			case stage:
				walk(b.Body, inner)
			default:
				walk(b.Body, kind)
			}
		}
	}
	body := parseBody(t, whole)
	walk(body, "")
	_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && call.Name == "dynamic" && len(call.Args) == 2 {
			for _, item := range call.Args[1].(*hclsyntax.ObjectConsExpr).Items {
				written[string(schema.ConfigSourcer)+" "+hcl.ExprAsKeyword(item.KeyExpr)] = true
			}
		}
		return nil
	})
	for name, kind := range map[string]string{"task.hcl": string(schema.TaskLauncher), "source.hcl": "source"} {
		path := filepath.Join(dir, name)
		content, err := os.ReadFile(path)
		if err != nil {
			continue // the plugin has none; whoever needs it finds its fields missing
		}
		for _, f := range forms() {
			if f.name == plugin+" "+kind {
				f.try(t, []trial{{body: string(content)}})
			}
		}
		note(written, kind+" ", parseBody(t, path))
	}
	return written
}

func note(written map[string]bool, prefix string, body *hclsyntax.Body) {
	for name := range body.Attributes {
		written[prefix+name] = true
	}
	for _, b := range body.Blocks {
		written[prefix+b.Type] = true
		note(written, prefix+b.Type+".", b.Body)
	}
}

func parseBody(t *testing.T, path string) *hclsyntax.Body {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, diags := hclsyntax.ParseConfig(src, path, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return file.Body.(*hclsyntax.Body)
}

func TestExamplesOfPluginsAreValid(t *testing.T) {
	for _, d := range builtIn().Definitions() {
		file, diags := config.Parse([]byte(d.Example), d.Name+"/example.hcl")
		if !diags.HasErrors() {
			_, more := file.Project(config.Input{Workspace: "default", ProjectDir: t.TempDir(), TempDir: t.TempDir(), Preview: true})
			diags = append(append(diags, more...), checkFile(t, file)...)
		}
		if len(diags) > 0 {
			t.Errorf("%s: %v", d.Name, diags)
		}
		used := false
		for _, u := range file.Uses() {
			used = used || u.Plugin == d.Name
		}
		for _, u := range file.SourceUses() {
			used = used || u.Source == d.Name
		}
		if !used {
			t.Errorf("%s: the example does not use it", d.Name)
		}
		if out, _ := config.Format([]byte(d.Example), "example.hcl"); string(out) != d.Example {
			t.Errorf("%s: the example is not in canonical layout", d.Name)
		}
	}
}
