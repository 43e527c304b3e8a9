package functions_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/waypoint-serverless/waypoint/"

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	// Imports are those of non-test code.
	Imports []string
}

// The promises P2 and P3, as rules over the packages of the whole module. Each takes the packages by import path and
// names what breaks it.
type rule struct {
	name  string
	check func(graph map[string]pkg) []string
	// planted is an import that breaks the rule: from, to.
	planted [2]string
}

// conformance holds the embedded engine to the real one, with the SDK: it is for tests alone, and the rule sees to that.
// suites is the command that runs it on other engines too; a command is imported by nobody.
const (
	conformance = module + "localstack/aws/dynamodb/conformance"
	suites      = module + "localstack/aws/suite/engines"
	// engineTests is for tests alone, too.
	engineTests = module + "localstack/enginetest"
)

// platformSDK reports whether a package belongs to a target platform. Such must not be reachable from the functions: P2, third-party secrets only on the runner.
func platformSDK(path string) bool {
	const aws = "github.com/aws/aws-sdk-go-v2/service/"
	if service, ok := strings.CutPrefix(path, aws); ok {
		service, _, _ = strings.Cut(service, "/")
		// dynamodbstreams: attributevalue also converts the types of its records.
		return !slices.Contains([]string{"dynamodb", "dynamodbstreams", "sqs", "sts", "internal"}, service)
	}
	for _, prefix := range []string{"k8s.io/", "helm.sh/", "github.com/docker/", "github.com/moby/", "github.com/hashicorp/nomad",
		"github.com/hashicorp/vault", "github.com/hashicorp/consul", "cloud.google.com/", "google.golang.org/api", "github.com/Azure/",
		"github.com/go-git/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

func rules() []rule {
	inside := func(path, dir string) bool {
		return path == module+dir || strings.HasPrefix(path, module+dir+"/")
	}
	return []rule{
		{
			name: "the functions' binary reaches no runner, cli, infra, localstack, entrypoint or platform SDK",
			check: func(graph map[string]pkg) (broken []string) {
				for path, chain := range reach(graph, module+"functions/bootstrap") {
					if inside(path, "runner") || inside(path, "cli") || inside(path, "infra") || inside(path, "localstack") ||
						inside(path, "entrypoint") || platformSDK(path) {
						broken = append(broken, chain)
					}
				}
				return broken
			},
			planted: [2]string{module + "functions/internal/queue", "github.com/aws/aws-sdk-go-v2/service/ecs"},
		},
		{
			name: "the functions' binary reaches no runner",
			check: func(graph map[string]pkg) (broken []string) {
				for path, chain := range reach(graph, module+"functions/bootstrap") {
					if inside(path, "runner") {
						broken = append(broken, chain)
					}
				}
				return broken
			},
			planted: [2]string{module + "functions/api", module + "runner/plugin"},
		},
		{
			name: "nothing below functions imports the engines: tests hand them over",
			check: func(graph map[string]pkg) (broken []string) {
				for path, p := range graph {
					for _, to := range p.Imports {
						if inside(path, "functions") && inside(to, "localstack") || to == engineTests {
							broken = append(broken, path+" → "+to)
						}
					}
				}
				return broken
			},
			planted: [2]string{module + "functions/internal/storetest", module + "localstack/aws/dynamodb"},
		},
		{
			name: "nobody outside functions imports the DynamoDB SDK, but infra, which touches no item",
			check: func(graph map[string]pkg) (broken []string) {
				for path, p := range graph {
					if !strings.HasPrefix(path, module) || inside(path, "functions") || path == conformance || path == module+"infra" {
						continue
					}
					for _, to := range p.Imports {
						if to == conformance && path != suites {
							broken = append(broken, path+" → "+to)
						}
						if to == "github.com/aws/aws-sdk-go-v2/service/dynamodb" || strings.HasPrefix(to, "github.com/aws/aws-sdk-go-v2/service/dynamodb/") ||
							strings.HasPrefix(to, "github.com/aws/aws-sdk-go-v2/feature/dynamodb/") {
							broken = append(broken, path+" → "+to)
						}
					}
				}
				return broken
			},
			planted: [2]string{module + "internal/client", "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"},
		},
		{
			name: "the entrypoint reaches no function",
			check: func(graph map[string]pkg) (broken []string) {
				for from := range graph {
					if !inside(from, "entrypoint") {
						continue
					}
					for path, chain := range reach(graph, from) {
						if inside(path, "functions") {
							broken = append(broken, chain)
						}
					}
				}
				return broken
			},
			planted: [2]string{module + "internal/client", module + "functions"},
		},
		{
			name: "what commands share knows no command",
			check: func(graph map[string]pkg) (broken []string) {
				shared := []string{"completion", "contexts", "cost", "operation", "problem", "records", "render", "scope", "shell", "shelltest", "starter"}
				for from, p := range graph {
					name, below := strings.CutPrefix(from, module+"cli/")
					if !below || !slices.Contains(shared, name) {
						continue
					}
					for _, to := range p.Imports {
						if name, below := strings.CutPrefix(to, module+"cli/"); below && !slices.Contains(shared, name) {
							broken = append(broken, from+" → "+to)
						}
					}
				}
				return broken
			},
			planted: [2]string{module + "cli/scope", module + "cli/job"},
		},
		{
			name: "no binary holds a git of its own: the git program does all git work",
			check: func(graph map[string]pkg) (broken []string) {
				for from := range graph {
					for _, binary := range []string{"cli/waypoint", "runner/waypoint-plugins", "entrypoint/waypoint-entrypoint", "functions/bootstrap"} {
						if from != module+binary {
							continue
						}
						for path, chain := range reach(graph, from) {
							if strings.HasPrefix(path, "github.com/go-git/") {
								broken = append(broken, chain)
							}
						}
					}
				}
				return broken
			},
			planted: [2]string{module + "runner/source", "github.com/go-git/go-git/v5"},
		},
		{
			name: "the plugin contract imports the redactor and nothing else of ours",
			check: func(graph map[string]pkg) (broken []string) {
				for _, to := range graph[module+"runner/plugin"].Imports {
					if strings.HasPrefix(to, module) && to != module+"runner/redact" {
						broken = append(broken, to)
					}
				}
				return broken
			},
			planted: [2]string{module + "runner/plugin", module + "runner/plugins/schema"},
		},
		{
			name: "a plugin knows the contract and what it is given: no transport, lifecycle or server",
			check: func(graph map[string]pkg) (broken []string) {
				for from, p := range graph {
					if !inside(from, "runner/plugins") || from == module+"runner/plugins/builtin" {
						continue
					}
					for _, to := range p.Imports {
						if inside(to, "runner/pluginpipe") || inside(to, "runner/lifecycle") || inside(to, "runner/lease") || inside(to, "internal/client") {
							broken = append(broken, from+" → "+to)
						}
					}
				}
				return broken
			},
			planted: [2]string{module + "runner/plugins/files", module + "internal/client"},
		},
	}
}

// reach finds every package that start imports, directly or not, with the chain that leads there.
func reach(graph map[string]pkg, start string) map[string]string {
	found := map[string]string{start: start}
	for queue := []string{start}; len(queue) > 0; queue = queue[1:] {
		for _, to := range graph[queue[0]].Imports {
			if _, seen := found[to]; !seen {
				found[to] = found[queue[0]] + " → " + to
				queue = append(queue, to)
			}
		}
	}
	return found
}

// graph lists the packages of the module and all that they import.
func graph(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "-tags", "lambda.norpc", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root(t)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	all := map[string]pkg{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBoundariesHoldAndEachRuleNoticesAPlantedImport(t *testing.T) {
	packages := graph(t)
	for _, needed := range []string{"functions/bootstrap", "functions/internal/store", "entrypoint", "internal/client", "runner/plugin"} {
		if _, ok := packages[module+needed]; !ok {
			t.Fatalf("package %s is not listed: the rules would look at nothing", needed)
		}
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for _, chain := range r.check(packages) {
				t.Error(chain)
			}
			planted := map[string]pkg{}
			for path, p := range packages {
				planted[path] = p
			}
			from := planted[r.planted[0]]
			from.Imports = append(slices.Clone(from.Imports), r.planted[1])
			planted[r.planted[0]] = from
			if len(r.check(planted)) == 0 {
				t.Errorf("the planted import %s → %s was not noticed", r.planted[0], r.planted[1])
			}
		})
	}
}

// A package outside functions cannot even be compiled against the server's insides; Go itself enforces that.
func TestGoRefusesTheServersInsidesToOthers(t *testing.T) {
	dir := t.TempDir()
	planted := filepath.Join(dir, "planted.go")
	source := fmt.Sprintf("package client\n\nimport _ %q\n", module+"functions/internal/store")
	overlay := fmt.Sprintf(`{"Replace": {%q: %q}}`, filepath.Join(root(t), "internal", "client", "planted.go"), planted)
	if err := errors.Join(os.WriteFile(planted, []byte(source), 0o600), os.WriteFile(filepath.Join(dir, "overlay.json"), []byte(overlay), 0o600)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "./internal/client")
	cmd.Dir = root(t)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "use of internal package") {
		t.Errorf("%v: %s", err, out)
	}
}

// The engine decides on plain values: how they are stored, and under which names, is the concern of package jobs.
func TestTheEngineHasNoStorageTags(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root(t), "functions", "internal", "job", "*.go"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range structTags(t, name, string(text)) {
			t.Errorf("%s: a field has the tag %s", filepath.Base(name), tag)
		}
	}
	planted := "package job\n\ntype Planted struct {\n\tAttempt int64 `dynamodbav:\"attempt\"`\n}\n"
	if len(structTags(t, "planted.go", planted)) != 1 {
		t.Error("a planted tag was not noticed")
	}
}

// structTags lists the tags of the structs in a Go file.
func structTags(t *testing.T, name, text string) (tags []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if field, ok := n.(*ast.Field); ok && field.Tag != nil {
			tags = append(tags, field.Tag.Value)
		}
		return true
	})
	return tags
}
