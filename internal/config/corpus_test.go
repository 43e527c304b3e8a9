package config_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/internal/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// loadTestdata parses a file by its short name, so that golden files hold no machine's paths.
func loadTestdata(t *testing.T, path string) (*config.File, hcl.Diagnostics) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return config.Parse(src, filepath.Base(path))
}

func testInput(t *testing.T, workspace string) config.Input {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return config.Input{
		ProjectDir: dir, Workspace: workspace, TempDir: t.TempDir(),
		Now: func() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC) },
	}
}

func render(f *config.File, diags hcl.Diagnostics) string {
	var b bytes.Buffer
	config.Render(&b, f, diags, false)
	return b.String()
}

func stageInput() config.StageInput {
	return config.StageInput{
		Artifact:      map[string]any{"image": "example/web", "tag": "t1", "name": "example/web:t1"},
		EntrypointEnv: map[string]string{"WAYPOINT_SERVER_ADDR": "https://example.com", "WAYPOINT_ENTRYPOINT_TOKEN": "wp_entry_abcdef"},
		Deploy:        map[string]any{"id": "d1", "url": "http://127.0.0.1:1"},
	}
}

// evaluateAll evaluates everything that a file has.
func evaluateAll(t *testing.T, f *config.File, in config.Input) (config.Project, hcl.Diagnostics) {
	t.Helper()
	var given []config.VarInput
	for _, v := range f.Variables() {
		if !v.HasDefault || v.IsDynamic() {
			given = append(given, config.VarInput{Name: v.Name, Value: "given", Source: config.SourceFlag})
		}
	}
	vars, _, diags := f.ResolveVars(given, in)
	in.Vars = vars
	p, more := f.Project(in)
	diags = append(diags, more...)
	_, more = p.ConfigEntries()
	diags = append(diags, more...)
	_, more = p.Pipelines()
	diags = append(diags, more...)
	for _, app := range p.Apps {
		_, more = app.ConfigEntries()
		diags = append(diags, more...)
		for _, kind := range []config.StageKind{config.Build, config.Registry, config.Deploy, config.Release} {
			stage, more := app.Stage(kind, stageInput())
			diags = append(diags, more...)
			if stage != nil {
				var body map[string]any
				diags = append(diags, stage.Decode(&body)...)
			}
		}
	}
	return *p, diags
}

// previewAll evaluates every stage of every app before anything runs.
func previewAll(f *config.File, in config.Input) hcl.Diagnostics {
	in.Preview = true
	p, diags := f.Project(in)
	if diags.HasErrors() {
		return diags
	}
	for _, a := range p.Apps {
		for _, kind := range []config.StageKind{config.Build, config.Registry, config.Deploy, config.Release} {
			st, more := a.Stage(kind, config.StageInput{})
			diags = append(diags, more...)
			if st != nil {
				_, more = st.Preview()
				diags = append(diags, more...)
			}
		}
	}
	return diags
}

func TestValidFilesLoadAndEveryStageEvaluates(t *testing.T) {
	paths, _ := filepath.Glob("testdata/valid/*")
	if len(paths) < 15 {
		t.Fatalf("only %d files", len(paths))
	}
	for _, path := range paths {
		for _, workspace := range []string{"default", "prod"} {
			t.Run(filepath.Base(path)+"/"+workspace, func(t *testing.T) {
				f, diags := loadTestdata(t, path)
				if len(diags) > 0 {
					t.Fatal(render(f, diags))
				}
				if _, diags := evaluateAll(t, f, testInput(t, workspace)); len(diags) > 0 {
					t.Fatal(render(f, diags))
				}
				if diags := previewAll(f, testInput(t, workspace)); len(diags) > 0 {
					t.Fatal(render(f, diags))
				}
			})
		}
	}
}

// TestInvalidFilesAreExplained compares what people see with golden files: first what is wrong with the file as such,
// and if nothing is, what is wrong when it is evaluated.
func TestInvalidFilesAreExplained(t *testing.T) {
	paths, _ := filepath.Glob("testdata/invalid/*.hcl*")
	if len(paths) < 15 {
		t.Fatalf("only %d files", len(paths))
	}
	for _, path := range paths {
		if strings.HasSuffix(path, ".golden") {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, diags := loadTestdata(t, path)
			in := testInput(t, "staging")
			if !diags.HasErrors() {
				_, more := evaluateAll(t, f, in)
				diags = append(diags, more...)
			}
			if !diags.HasErrors() {
				t.Fatal("the file is accepted")
			}
			for _, d := range diags { // before lines are wrapped
				d.Detail = filepath.ToSlash(strings.ReplaceAll(d.Detail, in.ProjectDir, "PROJECT"))
				d.Detail = lookingFor.ReplaceAllString(d.Detail, "$1.") // encoding/json says it in some versions of Go
			}
			got := render(f, diags)
			if strings.Contains(got, "Internal error") {
				t.Errorf("a panic was caught")
			}
			golden(t, path+".golden", got)
		})
	}
}

// lookingFor is what encoding/json adds to a character that it did not expect.
var lookingFor = regexp.MustCompile(`(nvalid character '[^']*') looking for [^.]*\.`)

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(string(want), "\r\n", "\n"); got != want {
		t.Errorf("got:\n%s\nwant (%s; rewrite with -update):\n%s", got, path, want)
	}
}
