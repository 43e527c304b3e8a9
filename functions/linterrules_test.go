package functions_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v3"
)

// importRule is a rule of the linter's depguard: files that it is about, and what they may not import.
type importRule struct {
	Files []string
	Deny  []struct{ Pkg, Desc string }
}

// linterRules reads the rules of .golangci.yml.
func linterRules(t *testing.T) map[string]importRule {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Linters struct {
			Settings struct {
				Depguard struct{ Rules map[string]importRule }
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Linters.Settings.Depguard.Rules) < 8 {
		t.Fatalf("only %d rules were found", len(file.Linters.Settings.Depguard.Rules))
	}
	return file.Linters.Settings.Depguard.Rules
}

// about reports whether a rule is about the non-test code of a package of ours, by depguard's patterns: one that begins with
// "!" excludes, $all is every file and $test every test.
func (r importRule) about(t *testing.T, path string) bool {
	t.Helper()
	name, ours := strings.CutPrefix(path, module)
	if !ours {
		return false
	}
	file, in := "/src/"+name+"/a.go", false
	for _, pattern := range r.Files {
		pattern, not := strings.CutPrefix(pattern, "!")
		if pattern == "$test" {
			continue
		}
		matches := pattern == "$all"
		if !matches {
			ok, err := doublestar.Match(pattern, strings.TrimPrefix(file, "/"))
			if err != nil {
				t.Fatalf("%s: %v", pattern, err)
			}
			matches = ok
		}
		if matches && not {
			return false
		}
		in = in || matches
	}
	return in
}

// broken lists the imports that a rule forbids.
func (r importRule) broken(t *testing.T, packages map[string]pkg) (out []string) {
	t.Helper()
	for path, p := range packages {
		if !r.about(t, path) {
			continue
		}
		for _, to := range p.Imports {
			for _, deny := range r.Deny {
				if to == deny.Pkg || strings.HasPrefix(to, deny.Pkg+"/") {
					out = append(out, path+" → "+to+": "+deny.Desc)
				}
			}
		}
	}
	return out
}

// The linter's rules state the directions of ARCHITECTURE.md. Each holds, and each notices an import planted against it.
func TestTheLintersRulesHoldAndEachNoticesAPlantedImport(t *testing.T) {
	packages := graph(t)
	paths := make([]string, 0, len(packages))
	for path := range packages {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for name, rule := range linterRules(t) {
		t.Run(name, func(t *testing.T) {
			for _, chain := range rule.broken(t, packages) {
				t.Error(chain)
			}
			from := slices.IndexFunc(paths, func(path string) bool { return rule.about(t, path) })
			if from < 0 {
				t.Fatalf("the rule is about no package: %v", rule.Files)
			}
			for _, deny := range rule.Deny {
				planted := map[string]pkg{paths[from]: {Imports: []string{deny.Pkg}}}
				if len(rule.broken(t, planted)) != 1 {
					t.Errorf("%s → %s was not noticed", paths[from], deny.Pkg)
				}
			}
		})
	}
}

// components in the order in which they may use each other: a package imports its own component and those before it.
var components = []string{"api", "internal", "functions", "entrypoint", "runner", "infra", "localstack", "cli"}

// No arrow between components runs upward.
func TestNoArrowBetweenComponentsRunsUpward(t *testing.T) {
	upward := func(packages map[string]pkg) (out []string) {
		for path, p := range packages {
			from := componentOf(path)
			for _, to := range p.Imports {
				if above := componentOf(to); from >= 0 && above > from {
					out = append(out, path+" → "+to)
				}
			}
		}
		return out
	}
	for _, chain := range upward(graph(t)) {
		t.Error(chain)
	}
	for i, from := range components {
		for _, to := range components[i+1:] {
			planted := map[string]pkg{module + from + "/x": {Imports: []string{module + to}}}
			if len(upward(planted)) != 1 {
				t.Errorf("%s → %s was not noticed", from, to)
			}
		}
	}
}

// componentOf returns the place of a package's component in components; -1 for a package that belongs to none.
func componentOf(path string) int {
	name, ours := strings.CutPrefix(path, module)
	if !ours {
		return -1
	}
	name, _, _ = strings.Cut(name, "/")
	return slices.Index(components, name)
}
