package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/waypoint-serverless/waypoint/internal/config"
)

// seed gives what tests parse anywhere in the project, and what the patterns name.
func seed(f *testing.F, patterns ...string) {
	if slices.ContainsFunc(patterns, func(p string) bool { return strings.HasSuffix(p, ".hcl") }) {
		patterns = append(patterns, "../../runner/plugins/*/*.hcl", "../../runner/plugins/*/testdata/*.hcl", "../../examples/*/waypoint.hcl")
		for _, row := range referenceRows() {
			for _, c := range row.cases {
				f.Add([]byte(c.hcl))
			}
		}
	}
	for _, pattern := range patterns {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
}

func refusePanic(t *testing.T, diags hcl.Diagnostics) {
	t.Helper()
	for _, d := range diags {
		if strings.HasPrefix(d.Summary, "Internal error") {
			t.Fatal("a panic was caught")
		}
	}
}

// readsFiles says whether evaluating could leave the test's directory or take long for honest reasons.
func readsFiles(src []byte) bool {
	for _, name := range []string{"file", "template", "jsonnet", "git", "bcrypt", "path"} {
		if bytes.Contains(src, []byte(name)) {
			return true
		}
	}
	return false
}

func FuzzLoadAndEvaluate(f *testing.F) {
	seed(f, "testdata/valid/*.hcl", "testdata/invalid/*.hcl")
	f.Fuzz(func(t *testing.T, src []byte) {
		file, diags := config.Parse(src, "waypoint.hcl")
		refusePanic(t, diags)
		render(file, diags)
		if diags.HasErrors() || readsFiles(src) {
			return
		}
		_, diags = evaluateAll(t, file, testInput(t, "default"))
		refusePanic(t, diags)
		render(file, diags)
	})
}

func FuzzLoadJSON(f *testing.F) {
	seed(f, "testdata/valid/*.json", "testdata/invalid/*.json")
	f.Fuzz(func(t *testing.T, src []byte) {
		file, diags := config.Parse(src, "waypoint.hcl.json")
		refusePanic(t, diags)
		render(file, diags)
		if diags.HasErrors() || readsFiles(src) {
			return
		}
		_, diags = evaluateAll(t, file, testInput(t, "default"))
		refusePanic(t, diags)
	})
}

func FuzzVarFile(f *testing.F) {
	f.Add([]byte("a = 1\nb = [\"x\", { c = true }]\n"))
	f.Add([]byte(`{"a": 1, "b": ["x", {"c": null}]}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, name := range []string{"v.wpvars", "v.wpvars.json"} {
			inputs, diags := config.ParseVarFile(src, name, config.SourceFile)
			refusePanic(t, diags)
			render(nil, diags)
			decl, _ := config.Parse([]byte("project = \"p\"\nvariable \"a\" { type = list(string) }\nvariable \"b\" { sensitive = true }\n"), "waypoint.hcl")
			_, _, diags = decl.ResolveVars(inputs, config.Input{})
			refusePanic(t, diags)
		}
	})
}

// FuzzFormat holds that formatting again changes nothing, and that formatting changes no token, so no meaning.
func FuzzFormat(f *testing.F) {
	seed(f, "testdata/valid/*.hcl", "testdata/invalid/*.hcl")
	f.Fuzz(func(t *testing.T, src []byte) {
		once, diags := config.Format(src, "waypoint.hcl")
		refusePanic(t, diags)
		if diags.HasErrors() {
			return
		}
		twice, diags := config.Format(once, "waypoint.hcl")
		if diags.HasErrors() {
			t.Fatalf("formatted source does not parse: %s\n%s", diags, once)
		}
		if !bytes.Equal(once, twice) {
			t.Fatalf("formatting again changes it:\n%q\n%q", once, twice)
		}
		if before, after := tokens(src), tokens(once); !slices.Equal(before, after) {
			t.Fatalf("formatting changes what it says:\n%q\n%q", before, after)
		}
	})
}

// tokens are the words of a source, without the space between them.
func tokens(src []byte) []string {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	list, _ := hclsyntax.LexConfig(src, "waypoint.hcl", hcl.InitialPos)
	var words []string
	for _, t := range list {
		words = append(words, string(t.Type)+string(t.Bytes))
	}
	return words
}
