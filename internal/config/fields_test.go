package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// languageStanzas are the stanzas whose fields must stand in Fields. Inside those of plugin, pipeline, url and poll nothing is
// read, or all of it by what reads the block.
func languageStanzas() []stanza {
	return []stanza{
		rootStanza(), appStanza(), stageStanza(Build, false), stageStanza(Registry, false), stageStanza(Deploy, false), stageStanza(Release, false),
		hookStanza(), variableStanza(), runnerStanza(), dataSourceStanza("git"), configStanza("config", "workspace", "label", "runner"),
	}
}

func TestEveryFieldOfAStanzaIsCarriedOrIgnored(t *testing.T) {
	listed := map[string]Field{}
	for _, f := range Fields() {
		key := f.Stanza + "/" + f.Name
		if _, twice := listed[key]; twice {
			t.Errorf("%s stands in Fields twice", key)
		}
		listed[key] = f
		if ways := btoi(len(f.Carried) > 0) + btoi(f.Holds != "") + btoi(f.Ignored != ""); ways != 1 {
			t.Errorf("%s must be carried, or hold a stanza, or be ignored: one of the three", key)
		}
	}
	used := selectors(t, "../../cli", "../../runner")
	for _, s := range languageStanzas() {
		var names []string
		for _, a := range s.attrs {
			names = append(names, a.Name)
		}
		for _, b := range s.blocks {
			names = append(names, b.Type)
		}
		for _, name := range names {
			key := s.name + "/" + name
			f, ok := listed[key]
			if !ok {
				t.Errorf("%s is parsed, and Fields does not say what becomes of it", key)
			}
			delete(listed, key)
			for _, by := range f.Carried {
				_, member, _ := strings.Cut(by, ".")
				if !used[member] {
					t.Errorf("%s is carried by %s, which neither cli nor runner reads", key, by)
				}
			}
		}
	}
	for key := range listed {
		t.Errorf("%s stands in Fields, and no stanza has it", key)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// selectors are the names that non-test files which import this package select: x.Name.
func selectors(t *testing.T, dirs ...string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return strings.HasSuffix(i.Path.Value, `/internal/config"`) }) {
				return nil
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					out[s.Sel.Name] = true
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestWhatIsIgnoredIsTold(t *testing.T) {
	f, diags := Parse([]byte(`project = "p"
runner {
  profile = "large"
  poll {
    enabled = true
  }
}
pipeline "ship" {
  step "one" {
    use "up" {}
  }
}
app "web" {
  build {
    use "files" {}
  }
  deploy {
    use "exec" {}
  }
  url {
    auto_hostname = true
  }
  runner {
    profile = "small"
  }
}
`), "waypoint.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	told := map[string]bool{}
	for _, d := range f.Ignored() {
		told[d.Detail] = true
		if d.Subject == nil || d.Subject.Start.Line == 0 {
			t.Errorf("%s has no place", d.Summary)
		}
	}
	for _, field := range Fields() {
		if field.Ignored != "" && !told[field.Ignored] {
			t.Errorf("%s/%s is ignored, and nobody is told", field.Stanza, field.Name)
		}
	}
	if plain, _ := Parse([]byte("project = \"p\"\n"), "waypoint.hcl"); len(plain.Ignored()) != 0 {
		t.Error("a plain file is warned of")
	}
}
