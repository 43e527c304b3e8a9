package config_test

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/internal/config"
)

func project(t *testing.T, f *config.File, in config.Input) *config.Project {
	t.Helper()
	p, diags := f.Project(in)
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	return p
}

const scopedFile = `
project = "p"
labels = { tier = "web", who = "project" }
app "web" {
  labels = { env = "dev", who = "app" }
  build {
    use "base" {}
    hook {
      when    = "before"
      command = ["base"]
    }
    labels = { who = "stage", stage = "build" }
    label "env == \"dev\"" {
      use "short" {}
    }
    label "env == \"dev\" and tier == \"web\"" {
      use "long" {}
    }
    workspace "prod" {
      use "prod" {}
      labels = { scoped = "yes" }
    }
  }
  deploy {
    use "null" {}
  }
}
`

func TestTheScopedBodyIsPicked(t *testing.T) {
	f, diags := config.Parse([]byte(scopedFile), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	tests := map[string]struct {
		in     config.Input
		plugin string
		hooks  int
	}{
		"a workspace block before all labels":    {config.Input{Workspace: "prod"}, "prod", 0},
		"the longest selector that matches":      {config.Input{}, "long", 0},
		"a shorter one if the longest does not":  {config.Input{LabelOverrides: map[string]string{"tier": "db"}}, "short", 0},
		"the unscoped body if nothing matches":   {config.Input{LabelOverrides: map[string]string{"env": "x"}}, "base", 1},
		"another workspace's block is left out":  {config.Input{Workspace: "staging"}, "long", 0},
		"a workspace block replaces hooks, too ": {config.Input{Workspace: "prod"}, "prod", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			stage, diags := project(t, f, tt.in).Apps[0].Stage(config.Build, config.StageInput{})
			if diags.HasErrors() {
				t.Fatal(render(f, diags))
			}
			if stage.Plugin != tt.plugin || len(stage.Hooks) != tt.hooks {
				t.Errorf("got %s with %d hooks", stage.Plugin, len(stage.Hooks))
			}
		})
	}
}

func TestLabelsAreMerged(t *testing.T) {
	f, _ := config.Parse([]byte(scopedFile), "waypoint.hcl")
	in := config.Input{Workspace: "prod", LabelOverrides: map[string]string{"tier": "flag"}}
	stage, _ := project(t, f, in).Apps[0].Stage(config.Build, config.StageInput{})
	want := map[string]string{
		"waypoint/workspace": "prod", "tier": "flag", "env": "dev", "who": "stage", "stage": "build", "scoped": "yes",
	}
	if !maps.Equal(stage.Labels, want) {
		t.Errorf("got %v", stage.Labels)
	}
}

func TestAnAbsentStageIsNil(t *testing.T) {
	f := parse(t, "")
	app := project(t, f, config.Input{}).Apps[0]
	for _, kind := range []config.StageKind{config.Registry, config.Release} {
		if stage, diags := app.Stage(kind, config.StageInput{}); stage != nil || len(diags) > 0 {
			t.Error(kind, stage, diags)
		}
	}
	if app.HasRegistry || app.HasRelease {
		t.Error("the app claims to have what it has not")
	}
}

func TestStagesAreEvaluatedLazily(t *testing.T) {
	f, diags := config.Parse([]byte(`
project = "p"
app "web" {
  build {
    use "null" {}
  }
  deploy {
    use "null" { x = file("not there") }
  }
}`), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	app := project(t, f, config.Input{}).Apps[0]
	var body map[string]any
	build, _ := app.Stage(config.Build, config.StageInput{})
	if diags := build.Decode(&body); diags.HasErrors() {
		t.Error(render(f, diags))
	}
	deploy, _ := app.Stage(config.Deploy, config.StageInput{})
	if diags := deploy.Decode(&body); !diags.HasErrors() {
		t.Error("a missing file is no error in the stage that reads it")
	}
}

func TestAppPaths(t *testing.T) {
	dir := t.TempDir()
	for given, want := range map[string]string{"": ".", "./web": "web", "a/../b": "b", ".": "."} {
		f, _ := config.Parse([]byte("project = \"p\"\napp \"web\" {\npath = \""+given+"\"\nbuild {\nuse \"n\" {}\n}\ndeploy {\nuse \"n\" {}\n}\n}\n"), "waypoint.hcl")
		if got := project(t, f, config.Input{ProjectDir: dir}).Apps[0].Path; got != filepath.Join(dir, want) {
			t.Errorf("%q: got %s", given, got)
		}
	}
}

func TestTheProjectsRunnerIsEvaluated(t *testing.T) {
	f := parse(t, `
variable "pw" { default = "x" }
runner {
  enabled = true
  profile = "k8s-${workspace.name}"
  data_source "git" {
    url                = "https://example.com/r.git"
    ref                = workspace.name
    path               = "sub/dir"
    username           = "u"
    password           = var.pw
    recurse_submodules = 2
  }
  poll {
    enabled  = true
    interval = "90s"
  }
}`)
	p := project(t, f, config.Input{Workspace: "prod"})
	want := config.DataSource{Type: "git", URL: "https://example.com/r.git", Ref: "prod", Path: "sub/dir", Username: "u", Password: "x", RecurseSubmodules: 2}
	if *p.Runner().DataSource != want || p.Runner().Profile != "k8s-prod" || !*p.Runner().Enabled || p.Runner().Poll.Interval.String() != "1m30s" {
		t.Errorf("got %+v %+v", p, p.Runner().DataSource)
	}
}

func TestTemplateFileWritesBelowTheTempDirAndSeesEverything(t *testing.T) {
	dir, temp := t.TempDir(), t.TempDir()
	text := "${greeting} ${app.name} ${var.v} ${artifact.image} ${labels.a}\n%{ for k, v in entrypoint.env ~}\n${k}=${v}\n%{ endfor ~}\n$${LITERAL}"
	if err := os.WriteFile(filepath.Join(dir, "t.tpl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, diags := config.Parse([]byte(`
project = "p"
labels = { a = "b" }
variable "v" { default = "vv" }
app "web" {
  build {
    use "null" {}
  }
  deploy {
    use "null" {
      path = templatefile("t.tpl", { greeting = "hi" })
    }
  }
}`), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	app := project(t, f, config.Input{ProjectDir: dir}).Apps[0]
	in := stageInput()
	in.TempDir = temp
	stage, _ := app.Stage(config.Deploy, in)
	var body map[string]any
	if diags := stage.Decode(&body); diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	path := body["path"].(string)
	if !strings.HasPrefix(path, temp) || filepath.Base(path) != "t.tpl" {
		t.Errorf("written to %s", path)
	}
	got, err := os.ReadFile(path)
	want := "hi web vv example/web b\nWAYPOINT_ENTRYPOINT_TOKEN=wp_entry_abcdef\nWAYPOINT_SERVER_ADDR=https://example.com\n${LITERAL}"
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	in.TempDir = ""
	stage, _ = app.Stage(config.Deploy, in)
	if diags := stage.Decode(&body); !diags.HasErrors() || strings.Contains(render(f, diags), "Internal") {
		t.Error("a template is written without a directory for it")
	}
}

func TestUnknownValuesAreErrorsOnlyWhereTheyAreUsed(t *testing.T) {
	f, diags := config.Parse([]byte(`
project = "p"
variable "unset" {}
app "web" {
  build {
    use "null" {}
  }
  deploy {
    use "null" { x = "${var.unset}-1" }
  }
}`), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	app := project(t, f, config.Input{}).Apps[0]
	stage, diags := app.Stage(config.Deploy, config.StageInput{})
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	var body map[string]any
	if got := render(f, stage.Decode(&body)); !strings.Contains(got, "The variable unset has no default") {
		t.Error(got)
	}
}

func TestConfigEntries(t *testing.T) {
	src, _ := os.ReadFile("testdata/valid/09-config.hcl")
	f, _ := config.Parse(src, "waypoint.hcl")
	in := testInput(t, "prod")
	p := project(t, f, in)
	all, diags := p.ConfigEntries()
	if diags.HasErrors() || len(all) != 2 || all[0].App != "" {
		t.Fatalf("%+v %s", all, render(f, diags))
	}
	entries, diags := p.Apps[0].ConfigEntries()
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	find := func(name, workspace string) config.ConfigEntry {
		i := slices.IndexFunc(entries, func(e config.ConfigEntry) bool { return e.Name == name && e.Workspace == workspace })
		if i < 0 {
			t.Fatalf("there is no %s", name)
		}
		return entries[i]
	}
	if e := find("GREETING", ""); e.Value != "hello, web" {
		t.Errorf("a reference to static values: %+v", e)
	}
	if e := find("SHARED", ""); e.Value != "yes" {
		t.Errorf("a reference to the project's: %+v", e)
	}
	if e := find("user", ""); e.Dynamic == nil || e.Dynamic.From != "vault" || e.Kind != config.ConfigInternal {
		t.Errorf("dynamic: %+v", e)
	}
	if e := find("KUBE", ""); e.Dynamic == nil || e.Dynamic.Config["secret"] != "true" {
		t.Errorf("configdynamic: %+v", e)
	}
	e := find("DATABASE_URL", "")
	if want := `${"postgres://${config.internal.user}:${"s3cr3t-value"}@db/${"web"}"}`; e.Template != want || !e.Sensitive {
		t.Errorf("deferred: %+v", e)
	}
	if e := find("FROM_SERVER", ""); e.Template != "${config.env.SET_ELSEWHERE}" {
		t.Errorf("a name that only the server may know: %+v", e)
	}
	if e := find("NAME", "prod"); e.Value != "web-prod" || e.LabelSelector != "" {
		t.Errorf("scoped: %+v", e)
	}
	if e := find("LABELLED", "prod"); e.LabelSelector == "" {
		t.Errorf("scoped twice: %+v", e)
	}
	if e := find("AWS_REGION", ""); !e.Runner {
		t.Errorf("runner: %+v", e)
	}
	if e := find("app.ini", ""); e.Kind != config.ConfigFile || !strings.Contains(e.Template, "A,B") && !strings.Contains(e.Template, "for n in") {
		t.Errorf("file: %+v", e)
	}
	if signal, _ := p.Apps[0].FileChangeSignal(); signal != "SIGHUP" {
		t.Error(signal)
	}
	// Each entry follows those it refers to.
	name := slices.IndexFunc(entries, func(e config.ConfigEntry) bool { return e.Name == "NAME" })
	greeting := slices.IndexFunc(entries, func(e config.ConfigEntry) bool { return e.Name == "GREETING" })
	if name > greeting {
		t.Error("GREETING comes before NAME")
	}
}

func TestPipelines(t *testing.T) {
	src, _ := os.ReadFile("testdata/valid/10-pipelines.hcl")
	f, _ := config.Parse(src, "waypoint.hcl")
	list, diags := project(t, f, config.Input{}).Pipelines()
	if diags.HasErrors() || len(list) != 1 || len(list[0].Steps) != 4 {
		t.Fatal(list, render(f, diags))
	}
	steps := list[0].Steps
	if !slices.Equal(steps[2].DependsOn, []string{"test"}) || steps[2].Workspace != "production" || steps[2].Pipeline.Steps[1].Plugin != "release" {
		t.Errorf("%+v", steps[2])
	}
	var exec struct {
		Command string   `hcl:"command"`
		Args    []string `hcl:"args,optional"`
	}
	if diags := steps[1].Decode(&exec); diags.HasErrors() || exec.Command != "go" || len(exec.Args) != 2 {
		t.Error(exec, render(f, diags))
	}
}

// What has no value here, because the server or the runner may have one, does not keep a preview from showing the rest.
func TestAPreviewGoesOnWithoutAValue(t *testing.T) {
	const text = `
project = "p"
variable "missing" { type = string }
labels = { known = "yes", later = var.missing }
runner {
  profile = var.missing
  data_source "git" {
    url      = "https://example.com"
    password = var.missing
  }
  poll {
    enabled  = true
    interval = var.missing
  }
}
config {
  env = merge({ A = "a" }, { B = var.missing })
}
app "web" {
  config {
    env  = { C = "c-${var.missing}", D = config.env.C }
    file = var.missing == "x" ? { "f" = "text" } : {}
  }
  url { auto_hostname = var.missing == "x" }
  build {
    labels = { stage = var.missing }
    use "null" {}
    hook {
      when    = "before"
      command = ["echo", var.missing]
    }
  }
  deploy {
    use "null" { value = var.missing }
  }
}
`
	f, diags := config.Parse([]byte(text), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	in := testInput(t, "default")
	in.Preview = true
	vars, _, diags := f.ResolveVars(nil, in)
	if diags.HasErrors() || len(diags) != 1 {
		t.Errorf("one warning is expected:\n%s", render(f, diags))
	}
	in.Vars = vars
	p, diags := f.Project(in)
	for _, app := range p.Apps {
		_, more := app.ConfigEntries()
		diags = append(diags, more...)
	}
	_, more := p.ConfigEntries()
	diags = append(append(diags, more...), previewAll(f, in)...)
	if len(diags) > 0 || p.Labels["known"] != "yes" || p.Labels["later"] != "" {
		t.Errorf("%v\n%s", p.Labels, render(f, diags))
	}
}

// One rule for templates and copies: what is executable stays so, a link stays a link.
func TestTemplatesKeepModesAndLinks(t *testing.T) {
	dir, temp := t.TempDir(), t.TempDir()
	shut := filepath.Join(dir, "tpl", "shut")
	if err := os.MkdirAll(shut, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"tpl/run.sh": 0o755, "tpl/shut/conf": 0o444, "one.sh": 0o775} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho ${app.name}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("shut", filepath.Join(dir, "tpl", "linked")); err != nil {
		t.Skipf("symbolic links cannot be made here: %v", err)
	}
	f, diags := config.Parse([]byte(`
project = "p"
app "web" {
  build {
    use "null" {}
  }
  deploy {
    use "null" {
      dir  = templatedir("tpl")
      file = templatefile("one.sh")
    }
  }
}`), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	in := stageInput()
	in.TempDir = temp
	stage, _ := project(t, f, config.Input{ProjectDir: dir}).Apps[0].Stage(config.Deploy, in)
	var body map[string]any
	if diags := stage.Decode(&body); diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	out := body["dir"].(string)
	for path, want := range map[string]os.FileMode{
		filepath.Join(out, "run.sh"): 0o755, filepath.Join(out, "shut", "conf"): 0o644, body["file"].(string): 0o775,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "#!/bin/sh\necho web\n" {
			t.Errorf("%s holds %q, %v", path, text, err)
		}
		// What it holds may be secret: a directory above it is this user's alone.
		private := false
		for at := filepath.Dir(path); at != temp; at = filepath.Dir(at) {
			info, err := os.Stat(at)
			private = private || err == nil && info.Mode().Perm()&0o077 == 0
		}
		if !private {
			t.Errorf("%s can be reached by others", path)
		}
	}
	if target, err := os.Readlink(filepath.Join(out, "linked")); err != nil || target != "shut" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
}

func TestAPasswordInAURLIsToldWithoutShowingIt(t *testing.T) {
	for url, summary := range map[string]string{
		"https://ci:s3cret-word@example.com/r.git":  "Password in a URL",
		"https://ci:s3cret-word%@example.com/r.git": "Invalid value for url",
		"ci:s3cret-word@example.com:r.git":          "Invalid value for url",
	} {
		f := parse(t, "runner {\n  data_source \"git\" {\n    url = \""+url+"\"\n  }\n}")
		_, diags := f.Project(config.Input{})
		var text strings.Builder
		config.Render(&text, f, diags, false)
		if !strings.Contains(text.String(), summary) || strings.Contains(text.String(), "s3cret") {
			t.Errorf("%s: got\n%s", url, text.String())
		}
	}
}
