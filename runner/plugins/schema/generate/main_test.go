package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// root is the repository's, from here.
const root = "../../../.."

func TestCommentsAreCurrent(t *testing.T) {
	want, err := fieldsJSON(filepath.Join(root, pluginsDir))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, fieldsFile))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is stale: run make docs and commit", fieldsFile)
	}
}

func TestPagesAreCurrent(t *testing.T) {
	want := pages()
	there, err := filepath.Glob(filepath.Join(root, pagesDir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range there {
		names = append(names, filepath.Base(path))
	}
	slices.Sort(names)
	if all := slices.Sorted(maps.Keys(want)); !slices.Equal(names, all) {
		t.Errorf("the pages are %v, and should be %v: run make docs and commit", names, all)
	}
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(root, pagesDir, name))
		if err == nil && string(got) != content {
			t.Errorf("%s/%s is stale: run make docs and commit", pagesDir, name)
		}
	}
}

func TestPagesOfPluginsThatAreGoneAreRemoved(t *testing.T) {
	dir := t.TempDir()
	gone := filepath.Join(dir, "gone.md")
	if err := os.WriteFile(gone, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writePages(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(gone); !os.IsNotExist(err) {
		t.Errorf("gone.md is there: %v", err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "docker.md")); err != nil || len(got) == 0 {
		t.Errorf("docker.md: %v", err)
	}
}

func TestCommentsOfSeveralLinesAreOne(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "web"), 0o700); err != nil {
		t.Fatal(err)
	}
	src := "package web\n\ntype Config struct {\n\t// First line,\n\t// second one.\n\tA, B string `hcl:\"a\"`\n\t// None of ours.\n\tC string\n\tD string `hcl:\"d\"`\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "web", "config.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	if err := packageComments(filepath.Join(dir, "web"), schema.PluginsPath+"web", got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"web.Config.A": "First line, second one.", "web.Config.B": "First line, second one."}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := fieldsJSON(filepath.Join(dir, "nothing")); err == nil {
		t.Error("a wrong directory passes")
	}
}
