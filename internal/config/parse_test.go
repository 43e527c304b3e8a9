package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/internal/config"
)

func TestFindLooksUpward(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := config.FindIn(deep); !errors.Is(err, config.ErrNoFile) {
		t.Error(err)
	}
	want := filepath.Join(root, "waypoint.hcl.json")
	for _, name := range []string{"waypoint.hcl.json", "a/waypoint.hcl"} {
		want = filepath.Join(root, filepath.FromSlash(name))
		if err := os.WriteFile(want, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := config.Find(deep); err != nil || got != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	// A directory of that name is passed over.
	if err := os.Mkdir(filepath.Join(deep, "waypoint.hcl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := config.Find(deep); err != nil || got != want {
		t.Error(got, err)
	}
}

func TestLoadSaysWhyAFileCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{filepath.Join(dir, "none.hcl"): "There is no such file", dir: "directory"} {
		f, diags := config.Load(path)
		if got := render(f, diags); !diags.HasErrors() || !strings.Contains(got, want) {
			t.Error(got)
		}
	}
}

func TestByteOrderMarkAndCarriageReturns(t *testing.T) {
	src, err := os.ReadFile("testdata/valid/03-workspace-index.hcl")
	if err != nil {
		t.Fatal(err)
	}
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
	for name, text := range map[string][]byte{
		"mark": append([]byte("\xef\xbb\xbf"), src...),
		"crlf": bytes.ReplaceAll(src, []byte("\n"), []byte("\r\n")),
	} {
		t.Run(name, func(t *testing.T) {
			f, diags := config.Parse(text, "waypoint.hcl")
			if diags.HasErrors() {
				t.Fatal(render(f, diags))
			}
			if _, diags := evaluateAll(t, f, testInput(t, "prod")); diags.HasErrors() {
				t.Fatal(render(f, diags))
			}
		})
	}
}

func TestAbsurdNestingIsRefused(t *testing.T) {
	const n = 400_000
	for name, text := range map[string]string{
		"brackets":       "project = " + strings.Repeat("[", n),
		"blocks":         strings.Repeat("a {\n", n),
		"negations":      "project = " + strings.Repeat("!", n) + "true",
		"sums":           "project = 1" + strings.Repeat("+1", n),
		"conditionals":   "project = " + strings.Repeat("true ? 1 : ", n) + "1",
		"interpolations": "project = \"" + strings.Repeat("${\"", n),
		"directives":     "project = \"" + strings.Repeat("%{ if true }", n) + "\"",
		"indexes":        "project = path" + strings.Repeat("[path.x]", n),
	} {
		t.Run(name, func(t *testing.T) {
			for _, file := range []string{"waypoint.hcl", "waypoint.hcl.json"} {
				if _, diags := config.Parse([]byte(text), file); !diags.HasErrors() {
					t.Errorf("%s is accepted", file)
				}
			}
		})
	}
}

// TestDamagedFilesNeverPanic cuts, doubles and swaps pieces of all test files.
func TestDamagedFilesNeverPanic(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*valid/*.hcl*")
	for _, path := range paths {
		if strings.HasSuffix(path, ".golden") {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		check := func(text []byte) {
			f, diags := config.Parse(text, filepath.Base(path))
			refusePanic(t, diags)
			render(f, diags)
			if _, err := config.Format(text, filepath.Base(path)); err != nil {
				refusePanic(t, err)
			}
			if !diags.HasErrors() {
				p, diags := f.Project(config.Input{})
				refusePanic(t, diags)
				_, diags = p.Pipelines()
				refusePanic(t, diags)
			}
		}
		step := max(len(src)/8, 1)
		for i := 0; i < len(src); i += step {
			end := min(i+step, len(src))
			check(src[:i])
			check(append(bytes.Clone(src[:i]), src[end:]...))
			check(append(bytes.Clone(src[:end]), src[i:]...))
			for _, b := range []byte("{}\"$=\n\x00") {
				damaged := bytes.Clone(src)
				damaged[i] = b
				check(damaged)
			}
		}
	}
}

func TestRenderJSON(t *testing.T) {
	f, diags := config.Parse([]byte("project = \"p\"\napp \"web\" {\n  biuld {}\n  deploy {\n    use \"x\" { a = vra.x }\n  }\n  \n}\n"), "waypoint.hcl")
	var b bytes.Buffer
	if err := config.RenderJSON(&b, f, diags); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/render.json.golden", b.String())
	b.Reset()
	if err := config.RenderJSON(&b, f, nil); err != nil || !strings.Contains(b.String(), `"diagnostics": []`) {
		t.Error(b.String(), err)
	}
}

func TestRenderKeepsControlCharactersFromTheTerminal(t *testing.T) {
	f, diags := config.Parse([]byte("project = \"\x1b]0;x\x07\"\nfoo\x1b[31m = 1\n"), "waypoint.hcl")
	if got := render(f, diags); strings.Contains(got, "\x1b") || strings.Contains(got, "\x07") {
		t.Errorf("%q", got)
	}
}

func TestRenderColour(t *testing.T) {
	diags := hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "Careful", Detail: "It is thin."}}
	var b bytes.Buffer
	config.Render(&b, nil, diags, true)
	if want := "\x1b[1;33mWarning:\x1b[0m \x1b[1mCareful\x1b[0m\n\n  It is thin.\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}

func TestProjectNameNeedsNothingElse(t *testing.T) {
	f, diags := config.Parse([]byte("project = \"shop-${workspace.name}\"\nvariable \"unset\" {}\nlabels = { a = var.unset }\n"), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	if name, diags := f.ProjectName(config.Input{Workspace: "prod"}); name != "shop-prod" || diags.HasErrors() {
		t.Error(name, render(f, diags))
	}
}
