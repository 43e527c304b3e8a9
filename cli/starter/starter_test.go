package starter_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/waypoint-serverless/waypoint/cli/starter"
	"github.com/waypoint-serverless/waypoint/internal/config"
)

func dir(files map[string]string) fstest.MapFS {
	fs := fstest.MapFS{}
	for name, text := range files {
		fs[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return fs
}

func TestLookProposesWhatFitsTheDirectory(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		ways  string
		has   []string
	}{
		"a Dockerfile with a port": {
			map[string]string{"Dockerfile": "FROM scratch\n# EXPOSE 1\nexpose 8080/tcp\n"}, "docker",
			[]string{`use "docker" {}`, "service_port = 8080"},
		},
		"a Containerfile": {map[string]string{"Containerfile": "FROM scratch\n"}, "docker", []string{`dockerfile = "Containerfile"`}},
		"a chart": {
			map[string]string{"Dockerfile": "FROM scratch", "Chart.yaml": "name: x"}, "docker",
			[]string{`use "helm" {`, "chart = path.app"},
		},
		"manifests": {
			map[string]string{"Dockerfile": "FROM scratch", "k8s/web.yaml": "kind: Pod"}, "docker",
			[]string{`use "kubernetes-apply" {`, `templatedir("${path.app}/k8s")`},
		},
		"a Nomad job": {
			map[string]string{"Dockerfile": "FROM scratch", "web.nomad.tpl": "job"}, "docker",
			[]string{`use "nomad-jobspec" {`, `templatefile("${path.app}/web.nomad.tpl")`},
		},
		"a Go program": {
			map[string]string{"go.mod": "module x", "main.go": "// comment\npackage main\n"}, "process pack",
			[]string{`["go", "build", "-o", "bin/app", "."]`, `command = ["./app"]`},
		},
		"a Go program in cmd": {
			map[string]string{"go.mod": "module x", "x.go": "package x", "cmd/web/main.go": "package main", "cmd/web/main_test.go": "package main"}, "process pack",
			[]string{`"./cmd/web"`},
		},
		"a Go library": {map[string]string{"go.mod": "module x", "x.go": "package x"}, "pack", nil},
		"node with everything": {
			map[string]string{"package.json": `{"scripts": {"start": "node x", "build": "tsc"}}`, "yarn.lock": ""}, "process pack",
			[]string{`["sh", "-c", "yarn install --frozen-lockfile && yarn run build"]`, `["yarn", "start"]`},
		},
		"node with a main file": {map[string]string{"package.json": `{"main": "server.js"}`}, "process pack", []string{`["node", "server.js"]`}},
		"a broken package.json": {map[string]string{"package.json": `{`}, "pack", nil},
		"python": {
			map[string]string{"requirements.txt": "flask", "app.py": ""}, "process pack",
			[]string{`python3 -m pip install --target .packages -r requirements.txt`, `exec python3 app.py`},
		},
		"django": {map[string]string{"pyproject.toml": "", "manage.py": ""}, "process", []string{"runserver 127.0.0.1:$PORT"}},
		"rust": {
			map[string]string{"Cargo.toml": "[dependencies]\nname = \"no\"\n[package]\nname = \"shop\"\n", "src/main.rs": "fn main() {}"}, "process",
			[]string{`command = ["./shop"]`},
		},
		"a Procfile":        {map[string]string{"Procfile": "worker: x\nweb: ./serve -p ${PORT}\n"}, "process", []string{`exec ./serve -p $${PORT}`}},
		"java":              {map[string]string{"pom.xml": "<project/>"}, "pack", []string{`use "pack" {}`}},
		"the best is first": {map[string]string{"Dockerfile": "FROM scratch", "go.mod": "module x", "main.go": "package main"}, "docker process pack", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			apps, err := starter.Inspect(dir(test.files), "web")
			if err != nil || len(apps) != 1 || apps[0].Path != "." || apps[0].Name != "web" {
				t.Fatalf("%+v %v", apps, err)
			}
			var ways []string
			for _, w := range apps[0].Ways {
				ways = append(ways, w.Name)
				file := starter.File("shop", []starter.Choice{{Name: "web", Path: ".", Way: w, Image: image(w)}})
				valid(t, file)
			}
			if got := strings.Join(ways, " "); got != test.ways {
				t.Errorf("the ways are %q, not %q", got, test.ways)
			}
			file := string(starter.File("shop", []starter.Choice{{Name: "web", Path: ".", Way: apps[0].Ways[0]}}))
			for _, text := range test.has {
				if !strings.Contains(strings.Join(strings.Fields(file), " "), strings.Join(strings.Fields(text), " ")) {
					t.Errorf("%s is missing in\n%s", text, file)
				}
			}
		})
	}
}

func image(w starter.Way) string {
	if w.Image {
		return "ghcr.io/acme/shop"
	}
	return ""
}

// valid says that the file loads, and is in canonical layout.
func valid(t *testing.T, file []byte) {
	t.Helper()
	if _, diags := config.Parse(file, "waypoint.hcl"); len(diags) > 0 {
		t.Errorf("%v\n%s", diags, file)
	}
	if again, _ := config.Format(file, "waypoint.hcl"); string(again) != string(file) {
		t.Errorf("it is not in canonical layout:\n%s", file)
	}
}

func TestLookFindsTheAppsOfAMonorepo(t *testing.T) {
	apps, err := starter.Inspect(dir(map[string]string{
		"README.md": "", "services/api/Dockerfile": "FROM scratch", "services/web/package.json": `{"main": "x.js"}`,
		"tools/api/go.mod": "module x", "tools/api/main.go": "package main", "node_modules/x/package.json": `{"main": "x.js"}`,
		".git/Dockerfile": "", "a/b/c/Dockerfile": "FROM scratch",
	}), "web")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	var choices []starter.Choice
	for _, a := range apps {
		got = append(got, a.Name+"@"+a.Path)
		choices = append(choices, starter.Choice{Name: a.Name, Path: a.Path, Way: a.Ways[0]})
	}
	if want := "services-api@services/api web@services/web tools-api@tools/api"; strings.Join(got, " ") != want {
		t.Errorf("found %q, not %q", got, want)
	}
	file := starter.File("shop", choices)
	valid(t, file)
	if !strings.Contains(string(file), `path = "./services/api"`) {
		t.Error(string(file))
	}
}

func TestNothingIsProposedForNothing(t *testing.T) {
	apps, err := starter.Inspect(dir(map[string]string{"README.md": "", "main.go": "package main"}), "web")
	if err != nil || len(apps) != 0 {
		t.Errorf("%+v %v", apps, err)
	}
}

func TestNamesAreMadeOfDirectories(t *testing.T) {
	for given, want := range map[string]string{
		"shop": "shop", "my.shop": "my-shop", "My  Shop!": "My-Shop", "---": "none", "": "none", "läden": "l-den", strings.Repeat("x", 80): strings.Repeat("x", 64),
	} {
		if got := starter.Name(given, "none"); got != want {
			t.Errorf("%q became %q, not %q", given, got, want)
		}
	}
}
