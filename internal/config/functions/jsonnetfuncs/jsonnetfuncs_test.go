package jsonnetfuncs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/internal/config/functions/jsonnetfuncs"
)

func setup(t *testing.T) (string, func(name string, args ...cty.Value) (string, error)) {
	t.Helper()
	dir, temp := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"a.jsonnet":       `(import "lib.libsonnet") + { who: std.extVar("who"), n: std.extVar("n") }`,
		"lib.libsonnet":   `{ lib: true }`,
		"f.jsonnet":       `function(x, y) { sum: y + 1, x: x }`,
		"d/one.jsonnet":   `{ one: 1 }`,
		"d/e/two.jsonnet": `{ two: 2 }`,
		"d/skip.txt":      "no",
		"bad.jsonnet":     "{\n  a: \n}",
		"loop.jsonnet":    `local f(x) = f(x) + 1; f(1)`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	table := jsonnetfuncs.Table(t.Context(), dir, func() (string, error) { return os.MkdirTemp(temp, "x-") })
	return temp, func(name string, args ...cty.Value) (string, error) {
		v, err := table[name].Call(args)
		if err != nil {
			return "", err
		}
		return v.AsString(), nil
	}
}

func object(kind, key, value string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{kind: cty.ObjectVal(map[string]cty.Value{key: cty.StringVal(value)})})
}

func TestAFileIsRenderedToJSON(t *testing.T) {
	temp, call := setup(t)
	path, err := call("jsonnetfile", cty.StringVal("a.jsonnet"), object("ext_vars", "who", "me"), object("ext_code", "n", "1+1"))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	got := strings.Join(strings.Fields(string(text)), "")
	if !strings.HasPrefix(path, temp) || filepath.Base(path) != "a.json" || got != `{"lib":true,"n":2,"who":"me"}` {
		t.Error(path, got)
	}
	tla := cty.ObjectVal(map[string]cty.Value{
		"tla_vars": cty.ObjectVal(map[string]cty.Value{"x": cty.StringVal("v")}),
		"tla_code": cty.ObjectVal(map[string]cty.Value{"y": cty.StringVal("41")}),
	})
	if path, err = call("jsonnetfile", cty.StringVal("f.jsonnet"), tla); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); !strings.Contains(string(text), `"sum": 42`) {
		t.Error(string(text))
	}
}

func TestADirectoryKeepsItsShape(t *testing.T) {
	_, call := setup(t)
	out, err := call("jsonnetdir", cty.StringVal("d"))
	if err != nil {
		t.Fatal(err)
	}
	for name, there := range map[string]bool{"one.json": true, "e/two.json": true, "skip.txt": false} {
		if _, err := os.Stat(filepath.Join(out, name)); (err == nil) != there {
			t.Error(name, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	_, call := setup(t)
	for file, want := range map[string]string{"bad.jsonnet": "bad.jsonnet:3", "none.jsonnet": "none.jsonnet", "a.jsonnet": "Undefined external variable", "loop.jsonnet": "stack"} {
		if _, err := call("jsonnetfile", cty.StringVal(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := call("jsonnetfile", cty.StringVal("f.jsonnet"), object("vars", "x", "y")); err == nil || !strings.Contains(err.Error(), `no option "vars"`) {
		t.Error(err)
	}
}
