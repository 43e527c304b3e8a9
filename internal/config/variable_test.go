package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/internal/config"
)

const minimalApp = `
app "web" {
  build {
    use "null" {}
  }
  deploy {
    use "null" {}
  }
}
`

// parse parses a file that must have no errors, with a project and an app added.
func parse(t *testing.T, body string) *config.File {
	t.Helper()
	f, diags := config.Parse([]byte("project = \"p\"\n"+body+minimalApp), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	return f
}

func TestTheSourceOfHighestPrecedenceWins(t *testing.T) {
	f := parse(t, `variable "v" { default = "0" }`)
	all := []config.VarSource{
		config.SourceDynamic, config.SourceServer, config.SourceRunnerEnv, config.SourceAutoFile,
		config.SourceEnv, config.SourceFile, config.SourceFlag,
	}
	check := func(given []config.VarInput, want string, source config.VarSource) {
		t.Helper()
		values, used, diags := f.ResolveVars(given, config.Input{})
		if diags.HasErrors() {
			t.Fatal(render(f, diags))
		}
		if got := values["v"].AsString(); got != want || used[0].Source != source {
			t.Errorf("got %q from %s, want %q from %s", got, used[0].Source, want, source)
		}
	}
	check(nil, "0", config.SourceDefault)
	var given []config.VarInput
	for _, s := range all {
		// The order in which they are given does not matter across sources.
		given = append([]config.VarInput{{Name: "v", Value: s.String(), Source: s}}, given...)
		check(given, s.String(), s)
	}
	given = append(given, config.VarInput{Name: "v", Value: "last flag", Source: config.SourceFlag})
	check(given, "last flag", config.SourceFlag)
}

func TestGivenTextIsReadByType(t *testing.T) {
	tests := map[string]struct {
		typ, text string
		want      string // as VarUsed shows it
		fails     string
	}{
		"string stays text":             {"string", `["a"]`, `["a"]`, ""},
		"number":                        {"number", " 42 ", "42", ""},
		"number with a fraction":        {"number", "1.5", "1.5", ""},
		"number that is none":           {"number", "abc", "", "a number is required"},
		"bool":                          {"bool", "true", "true", ""},
		"bool that is none":             {"bool", "yes!", "", "a bool is required"},
		"list":                          {"list(string)", `["a", "b"]`, `["a", "b"]`, ""},
		"list of converted":             {"list(string)", `[1]`, `["1"]`, ""},
		"list that does not parse":      {"list(string)", `[1`, "", "not an HCL expression"},
		"list from a name":              {"list(string)", `a`, "", "not a constant"},
		"map":                           {"map(number)", `{ a = "1" }`, "{\n  a = 1\n}", ""},
		"object":                        {"object({ a = bool })", `{ a = "true" }`, "{\n  a = true\n}", ""},
		"object without its attribute":  {"object({ a = bool })", `{}`, "", `"a" is required`},
		"any takes an expression":       {"any", `[1, 2]`, `[1, 2]`, ""},
		"any takes text":                {"any", `hello there`, `hello there`, ""},
		"null":                          {"list(string)", "null", "null", ""},
		"a function cannot be called":   {"list(string)", "split(\",\", \"a\")", "", "not a constant"},
		"quotes in a string are a part": {"string", `"a"`, `"a"`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := parse(t, "variable \"v\" {\n type = "+tt.typ+"\n}\n")
			_, used, diags := f.ResolveVars([]config.VarInput{{Name: "v", Value: tt.text, Source: config.SourceFlag, Origin: "-var"}}, config.Input{})
			if tt.fails != "" {
				if got := render(f, diags); !strings.Contains(strings.Join(strings.Fields(got), " "), tt.fails) {
					t.Errorf("got %s", got)
				}
				return
			}
			if diags.HasErrors() {
				t.Fatal(render(f, diags))
			}
			if used[0].Value != tt.want {
				t.Errorf("got %q, want %q", used[0].Value, tt.want)
			}
		})
	}
}

func TestVariableErrors(t *testing.T) {
	f := parse(t, `
variable "image_tag" {
  description = "the tag to deploy"
  env         = ["IMAGE_TAG"]
}
variable "token" {
  type      = number
  sensitive = true
  default   = 1
}`)
	t.Run("missing says how to set it", func(t *testing.T) {
		_, _, diags := f.ResolveVars(nil, config.Input{})
		got := render(f, diags)
		for _, want := range []string{`Variable "image_tag" has no value`, "-var image_tag=…", "WP_VAR_image_tag", "IMAGE_TAG in the runner's environment", "the tag to deploy"} {
			if !strings.Contains(strings.Join(strings.Fields(got), " "), want) {
				t.Errorf("%q is not in:\n%s", want, got)
			}
		}
	})
	set := config.VarInput{Name: "image_tag", Value: "x", Source: config.SourceFlag}
	t.Run("undeclared suggests the nearest", func(t *testing.T) {
		_, _, diags := f.ResolveVars([]config.VarInput{set, {Name: "image_tga", Value: "x", Source: config.SourceFlag, Origin: "-var"}}, config.Input{})
		if got := render(f, diags); !strings.Contains(got, `Did you mean "image_tag"?`) || !strings.Contains(got, "set by -var") {
			t.Error(got)
		}
	})
	t.Run("undeclared in the environment is ignored", func(t *testing.T) {
		given := []config.VarInput{set, {Name: "other", Value: "x", Source: config.SourceEnv}}
		if _, _, diags := f.ResolveVars(given, config.Input{}); len(diags) > 0 {
			t.Error(render(f, diags))
		}
	})
	t.Run("a sensitive value is not shown", func(t *testing.T) {
		given := []config.VarInput{set, {Name: "token", Value: "abcdefgh", Source: config.SourceFlag}}
		_, _, diags := f.ResolveVars(given, config.Input{})
		if got := render(f, diags); !diags.HasErrors() || strings.Contains(got, "abcdefgh") {
			t.Error(got)
		}
	})
}

func TestVarsFromEnv(t *testing.T) {
	f := parse(t, `
variable "a" { env = ["FIRST", "SECOND"] }
variable "b" {}`)
	environ := []string{"SECOND=2", "WP_VAR_b=b=c", "WP_VAR_undeclared=x", "FIRST=1"}
	got := f.VarsFromEnv(environ, config.SourceRunnerEnv)
	if len(got) != 2 || got[0].Value != "1" || got[0].Origin != "FIRST" || got[1].Value != "b=c" {
		t.Errorf("runner: %+v", got)
	}
	if got := f.VarsFromEnv(environ, config.SourceEnv); len(got) != 1 || got[0].Name != "b" {
		t.Errorf("caller: %+v", got)
	}
	if got := f.VarsFromEnv(append(environ, "WP_VAR_a=wp"), config.SourceRunnerEnv); got[0].Value != "wp" {
		t.Errorf("WP_VAR_ goes first: %+v", got)
	}
}

func TestAutoFilesAreAllReadInLexicalOrder(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"b.auto.wpvars":      "x = \"from b\"\n",
		"a.auto.wpvars":      "x = \"from a\"\ny = [1, \"2\"]\n",
		"a.auto.wpvars.json": `{"z": {"k": 1.5}}`,
		"other.wpvars":       "x = \"not automatic\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := config.FindAutoFiles(dir)
	if err != nil || len(paths) != 3 {
		t.Fatal(paths, err)
	}
	var given []config.VarInput
	for _, p := range paths {
		inputs, diags := config.LoadVarFile(p, config.SourceAutoFile)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		given = append(given, inputs...)
	}
	f := parse(t, `
variable "x" {}
variable "y" { type = list(string) }
variable "z" { type = any }`)
	values, used, diags := f.ResolveVars(given, config.Input{})
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	if values["x"].AsString() != "from b" || !values["y"].RawEquals(cty.ListVal([]cty.Value{cty.StringVal("1"), cty.StringVal("2")})) {
		t.Errorf("got %#v", values)
	}
	if filepath.Base(used[0].Origin) != "b.auto.wpvars" || used[0].Source != config.SourceAutoFile {
		t.Errorf("got %+v", used[0])
	}
}

func TestVarFileMistakes(t *testing.T) {
	for name, tt := range map[string]struct{ file, src, want string }{
		"an unquoted value":   {"v.wpvars", "a = hello\n", "Text must be in quotes"},
		"a block":             {"v.wpvars", "variable \"a\" {}\n", "variables are declared in waypoint.hcl"},
		"a syntax error":      {"v.wpvars", "a = [\n", "v.wpvars:"},
		"json that is a list": {"v.json", "[1]", "v.json:1:1"},
		"a value twice":       {"v.wpvars", "a = 1\na = 2\n", "v.wpvars:2:1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := config.ParseVarFile([]byte(tt.src), tt.file, config.SourceFile)
			got := strings.Join(strings.Fields(render(nil, diags)), " ")
			if !diags.HasErrors() || !strings.Contains(got, tt.want) {
				t.Errorf("got %s", got)
			}
		})
	}
	if _, diags := config.LoadVarFile(filepath.Join(t.TempDir(), "none.wpvars"), config.SourceFile); !diags.HasErrors() {
		t.Error("a missing file is accepted")
	}
}

func TestParseVarFlag(t *testing.T) {
	if v, err := config.ParseVarFlag("a=b=c"); err != nil || v.Name != "a" || v.Value != "b=c" {
		t.Error(v, err)
	}
	for _, bad := range []string{"a", "=x", ""} {
		if _, err := config.ParseVarFlag(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestDefaultsKnowTheWorkspace(t *testing.T) {
	f := parse(t, `variable "n" { default = { default = 1, prod = 3 }[workspace.name] }`)
	for ws, want := range map[string]string{"": "1", "prod": "3"} {
		_, used, diags := f.ResolveVars(nil, config.Input{Workspace: ws})
		if diags.HasErrors() || used[0].Value != want {
			t.Error(used, diags)
		}
	}
	if _, _, diags := f.ResolveVars(nil, config.Input{Workspace: "staging"}); !diags.HasErrors() {
		t.Error("a workspace without a value is accepted")
	}
}

func TestDynamicDefaultsAreForTheRunner(t *testing.T) {
	f := parse(t, `variable "s" { default = dynamic("vault", { path = "p", n = 1 }) }`)
	d, diags := f.DynamicDefault("s", config.Input{})
	if diags.HasErrors() || d == nil || d.From != "vault" || d.Config["n"] != "1" {
		t.Fatal(d, diags)
	}
	if _, _, diags := f.ResolveVars(nil, config.Input{}); !diags.HasErrors() {
		t.Error("a dynamic default that nobody fetched is accepted")
	}
	values, _, diags := f.ResolveVars([]config.VarInput{{Name: "s", Value: "fetched", Source: config.SourceDynamic}}, config.Input{})
	if diags.HasErrors() || values["s"].AsString() != "fetched" {
		t.Error(values, diags)
	}
}
