package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/internal/config"
)

// TestSensitiveValuesAreNeverShown makes every kind of mistake with a secret that comes from each source, and looks for
// the secret, and for what functions made of it, in all that could be printed.
func TestSensitiveValuesAreNeverShown(t *testing.T) {
	const secret = "Zq9-secret-Xw"
	uses := []string{
		`parseint(var.s, 10)`, `file(var.s)`, `file("/nowhere/${var.s}")`, `tonumber(var.s)`, `jsondecode(var.s)`,
		`regex(var.s, "a")`, `var.s.field`, `{ x = 1 }[var.s]`, `1 + var.s`, `templatestring("$${${var.s}}")`,
		`templatestring("$${nope}$${x}", { x = var.s })`, `formatdate(var.s, timestamp())`, `timeadd(timestamp(), var.s)`,
		`base64decode(upper(var.s))`, `yamldecode("a: [${var.s}")`, `lookup({}, var.s)`, `lookup({}, strrev(var.s))`,
		`element([], length(var.s))`, `gitremoteurl(var.s)`, `jsonnetfile(var.s)`, `selectormatch({}, var.s)`,
		`cidrhost(var.s, 1)`, `templatefile(var.s)`, `fileset(".", "[${var.s}")`, `nonesuch.x[var.s]`,
		`[for k in var.s : k]`, `var.s ? 1 : 2`, `!var.s`, `csvdecode(var.s)`, `bcrypt(var.s, 99)`,
	}
	file := func(def string) []byte {
		var b strings.Builder
		b.WriteString("project = \"p\"\nvariable \"s\" {\n  sensitive = true\n" + def + "}\napp \"web\" {\n  build {\n    use \"null\" {\n")
		for i, u := range uses {
			b.WriteString("      a" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + " = " + u + "\n")
		}
		b.WriteString("    }\n  }\n  deploy {\n    use \"null\" {}\n  }\n}\n")
		return []byte(b.String())
	}
	dir := t.TempDir()
	varFile := filepath.Join(dir, "secret.wpvars")
	if err := os.WriteFile(varFile, []byte("s = \""+secret+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile, _ := config.LoadVarFile(varFile, config.SourceFile)
	sources := map[string]struct {
		def   string
		given []config.VarInput
	}{
		"default":               {"  default = \"" + secret + "\"\n", nil},
		"flag":                  {"", []config.VarInput{{Name: "s", Value: secret, Source: config.SourceFlag, Origin: "-var"}}},
		"file":                  {"", fromFile},
		"flag of wrong type":    {"  type = number\n", []config.VarInput{{Name: "s", Value: secret, Source: config.SourceFlag, Origin: "-var"}}},
		"file of wrong type":    {"  type = number\n", fromFile},
		"default of wrong type": {"  type = list(number)\n  default = [\"" + secret + "\"]\n", nil},
	}
	for name, tt := range sources {
		t.Run(name, func(t *testing.T) {
			f, diags := config.Parse(file(tt.def), filepath.Join(dir, "waypoint.hcl"))
			in := config.Input{ProjectDir: dir, TempDir: t.TempDir()}
			vars, used, more := f.ResolveVars(tt.given, in)
			diags = append(diags, more...)
			in.Vars = vars
			p, more := f.Project(in)
			diags = append(diags, more...)
			if len(p.Apps) == 1 {
				stage, more := p.Apps[0].Stage(config.Build, config.StageInput{})
				diags = append(diags, more...)
				if stage != nil {
					var body map[string]any
					diags = append(diags, stage.Decode(&body)...)
				}
			}
			if !diags.HasErrors() {
				t.Fatal("nothing failed")
			}
			shown := everythingShown(t, f, diags)
			for _, row := range used {
				shown += row.Value
			}
			reversed := []rune(secret)
			for i, j := 0, len(reversed)-1; i < j; i, j = i+1, j-1 {
				reversed[i], reversed[j] = reversed[j], reversed[i]
			}
			for _, s := range []string{secret, strings.ToUpper(secret), string(reversed)} {
				if i := strings.Index(shown, s); i >= 0 {
					t.Errorf("%q is shown: …%s…", s, shown[max(0, i-300):min(len(shown), i+100)])
				}
			}
			if strings.Contains(shown, "Internal error") {
				t.Errorf("a panic was caught: %s", shown)
			}
		})
	}
}

func everythingShown(t *testing.T, f *config.File, diags hcl.Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	config.Render(&b, f, diags, true)
	if err := config.RenderJSON(&b, f, diags); err != nil {
		t.Fatal(err)
	}
	for _, d := range diags {
		b.WriteString(d.Error())
	}
	return b.String()
}

func TestTheEntrypointsTokenIsNotShown(t *testing.T) {
	f, _ := config.Parse([]byte(`
project = "p"
app "web" {
  build {
    use "null" {}
  }
  deploy {
    use "null" { x = tonumber(join(",", values(entrypoint.env))) }
  }
}`), "waypoint.hcl")
	app := project(t, f, config.Input{}).Apps[0]
	stage, _ := app.Stage(config.Deploy, stageInput())
	var body map[string]any
	diags := stage.Decode(&body)
	if shown := everythingShown(t, f, diags); !diags.HasErrors() || strings.Contains(shown, "wp_entry_abcdef") {
		t.Error(shown)
	}
}

func TestSensitiveReachesThePlugin(t *testing.T) {
	f := parse(t, "")
	f, _ = config.Parse([]byte("project = \"p\"\nvariable \"s\" {\n  sensitive = true\n  default = \"tell\"\n}\napp \"web\" {\n  build {\n    use \"null\" { image = \"${var.s}!\" }\n  }\n  deploy {\n    use \"null\" {}\n  }\n}\n"), f.Name)
	stage, _ := project(t, f, config.Input{}).Apps[0].Stage(config.Build, config.StageInput{})
	var c struct {
		Image string `hcl:"image"`
	}
	if diags := stage.Decode(&c); diags.HasErrors() || c.Image != "tell!" {
		t.Error(c, diags)
	}
}

func TestABrokenFileOfValuesShowsNone(t *testing.T) {
	f := parse(t, "variable \"s\" { sensitive = true }\nvariable \"open\" {}\n")
	for text, shows := range map[string]bool{
		"s = hunter2x\n":               false,
		"s = [\"hunter2x\"\n":          false,
		"s = \"hunter2x\n":             false,
		"s = <<EOT\nhunter2x\n":        false,
		"undeclared = hunter2x\n":      false,
		"open = hunter2x\n":            true,
		"s = {\n  a = hunter2x\n}\n":   false,
		"s = {\n  s = \"hunter2x\n}\n": false,
	} {
		path := filepath.Join(t.TempDir(), "v.wpvars")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, diags := config.LoadVarFile(path, config.SourceFile)
		if !diags.HasErrors() {
			t.Errorf("%q is accepted", text)
		}
		if shown := everythingShown(t, f, diags); strings.Contains(shown, "hunter2x") != shows {
			t.Errorf("%q:\n%s", text, shown)
		}
		if shown := everythingShown(t, nil, diags); strings.Contains(shown, "hunter2x") {
			t.Errorf("%q without the file:\n%s", text, shown)
		}
	}
}
