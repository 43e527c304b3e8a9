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
			map[string]string{"Dockerfile": "FROM scratch", "Chart.yaml": "name: x"}, "docker docker",
			[]string{`use "helm" {`, "chart = path.app"},
		},
		"manifests": {
			map[string]string{"Dockerfile": "FROM scratch", "k8s/web.yaml": "kind: Pod"}, "docker docker",
			[]string{`use "kubernetes-apply" {`, `templatedir("${path.app}/k8s")`},
		},
		"a Nomad job": {
			map[string]string{"Dockerfile": "FROM scratch", "web.nomad.tpl": "job"}, "docker docker",
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
			found, err := starter.Inspect(dir(test.files), "web", all)
			apps := found.Apps
			if err != nil || len(apps) != 1 || apps[0].Path != "." || apps[0].Name != "web" {
				t.Fatalf("%+v %v", apps, err)
			}
			var ways []string
			for _, w := range apps[0].Ways {
				ways = append(ways, w.Name)
				file := starter.File("shop", []starter.Choice{{Name: "web", Path: ".", Way: w, Image: image(w)}}, nil)
				valid(t, file)
			}
			if got := strings.Join(ways, " "); got != test.ways {
				t.Errorf("the ways are %q, not %q", got, test.ways)
			}
			file := string(starter.File("shop", []starter.Choice{{Name: "web", Path: ".", Way: apps[0].Ways[0]}}, nil))
			for _, text := range test.has {
				if !strings.Contains(strings.Join(strings.Fields(file), " "), strings.Join(strings.Fields(text), " ")) {
					t.Errorf("%s is missing in\n%s", text, file)
				}
			}
		})
	}
}

// all takes every component for one that can run.
func all(starter.Component) bool { return true }

// today takes those that no plugin of ours would have left out in this version.
func today(c starter.Component) bool { return c.Plugin == "docker" || c.Plugin == "process" }

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
	found, err := starter.Inspect(dir(map[string]string{
		"README.md": "", "services/api/Dockerfile": "FROM scratch", "services/web/package.json": `{"main": "x.js"}`,
		"tools/api/go.mod": "module x", "tools/api/main.go": "package main", "node_modules/x/package.json": `{"main": "x.js"}`,
		".git/Dockerfile": "", "a/b/c/Dockerfile": "FROM scratch",
	}), "web", all)
	apps := found.Apps
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
	file := starter.File("shop", choices, found.Notes)
	valid(t, file)
	if !strings.Contains(string(file), `path = "./services/api"`) {
		t.Error(string(file))
	}
}

func TestNothingIsProposedForNothing(t *testing.T) {
	found, err := starter.Inspect(dir(map[string]string{"README.md": "", "main.go": "package main"}), "web", all)
	if err != nil || len(found.Apps) != 0 {
		t.Errorf("%+v %v", found, err)
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

func TestWhatCannotRunIsNotedAndNotProposed(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		ways  string
		note  string
	}{
		"a Rails app":     {map[string]string{"Gemfile": ""}, "", `Gemfile: the plugin "pack", which would use it, cannot run as a builder in this version; with a Dockerfile`},
		"a chart":         {map[string]string{"Dockerfile": "FROM x\nEXPOSE 80", "Chart.yaml": ""}, "docker", `Chart.yaml: the plugin "helm", which would use it, cannot run as a platform`},
		"a Go program":    {map[string]string{"go.mod": "module x", "main.go": "package main"}, "process", ""},
		"a script alone":  {map[string]string{"app.py": ""}, "process", ""},
		"pages":           {map[string]string{"index.html": ""}, "process docker", ""},
		"pages in public": {map[string]string{"public/index.html": ""}, "process docker", ""},
		"a page of node":  {map[string]string{"index.html": "", "package.json": "{}"}, "", "package.json: the plugin"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found, err := starter.Inspect(dir(test.files), "web", today)
			if err != nil {
				t.Fatal(err)
			}
			var ways []string
			for _, a := range found.Apps {
				for _, w := range a.Ways {
					ways = append(ways, w.Name)
					valid(t, starter.File("shop", []starter.Choice{{Name: "web", Path: ".", Way: w}}, found.Notes))
				}
			}
			notes := strings.Join(found.Notes, "\n")
			if got := strings.Join(ways, " "); got != test.ways || !strings.Contains(notes, test.note) || test.note == "" && notes != "" {
				t.Errorf("the ways are %q, the notes %q", got, notes)
			}
		})
	}
}

func TestTheServicesOfAComposeFileBecomeApps(t *testing.T) {
	files := dir(map[string]string{
		"compose.yml": `
name: shop
services:
  web:
    build: .
    ports: ["127.0.0.1:9000:53/udp", "8080:80"]
    environment: {DB_URL: "postgres://db"}
    depends_on: [db]
    restart: always
    command: ["./web", "${PORT}"]
  worker:
    build: {context: ./worker, dockerfile: Dockerfile.prod, target: run, args: ["VERSION=1", "FROM_ENV"]}
    volumes: ["data:/data"]
    command: sh -c "echo $$HOME"
  far:
    build: https://example.com/far.git
  up:
    build: ../up
  db:
    image: postgres:16
volumes: {data: {}}
networks: {back: {}}
`,
		"Dockerfile": "FROM scratch\nEXPOSE 1", "go.mod": "module x", "main.go": "package main",
		"worker/Dockerfile.prod": "FROM x AS build\nEXPOSE 1\nFROM x AS run\nEXPOSE 9090\nFROM x AS test\nEXPOSE 2\n",
	})
	found, err := starter.Inspect(files, "web", today)
	if err != nil || len(found.Apps) != 2 {
		t.Fatalf("%+v %v", found, err)
	}
	var choices []starter.Choice
	for _, a := range found.Apps {
		choices = append(choices, starter.Choice{Name: a.Name, Path: a.Path, Way: a.Ways[0]})
	}
	file := starter.File("shop", choices, found.Notes)
	valid(t, file)
	flat := strings.Join(strings.Fields(string(file)), " ")
	for _, text := range []string{
		`app "web" { build { use "docker" {} } deploy { use "docker" { service_port = 80 command = ["./web", "$${PORT}"] } } }`,
		`app "worker" { path = "./worker"`, `dockerfile = "Dockerfile.prod" target = "run" build_args = { "VERSION" = "1" }`, "service_port = 9090",
		"# - compose.yml: of the service web these were left out: depends_on, environment.",
		"# - compose.yml: of the service worker these were left out: command, volumes.",
		"# - compose.yml: the service far was left out: it is built from https://example.com/far.git.",
		"# - compose.yml: the service up was left out: its files are outside this directory, in ../up.",
		"left out: db (postgres:16).", "the volumes were left out: data.", "the networks were left out: back.", "`waypoint config set NAME=VALUE`",
	} {
		if !strings.Contains(flat, text) {
			t.Errorf("%q is missing in\n%s", text, file)
		}
	}
	if got := found.Apps[0].Ways; len(got) != 2 || got[1].Name != "process" {
		t.Errorf("the directory's other way is missing: %+v", got)
	}
}

func TestABrokenComposeFileIsNoted(t *testing.T) {
	found, err := starter.Inspect(dir(map[string]string{"compose.yaml": "services: [", "Dockerfile": "FROM x"}), "web", today)
	if err != nil || len(found.Apps) != 1 || len(found.Notes) != 1 || !strings.Contains(found.Notes[0], "compose.yaml cannot be read") {
		t.Errorf("%+v %v", found, err)
	}
	for _, text := range []string{"", "null", "services: 3", "services: {web: 3}", "services: {web: {build: 3}}", "services: {web: {build: {context: {}}, ports: 3, command: {}}}"} {
		if _, err := starter.Inspect(dir(map[string]string{"compose.yaml": text}), "web", today); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWhatTheAppDoesNotNeedIsIgnored(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  string
		hints string
	}{
		"node keeps its modules": {map[string]string{"package.json": `{"main": "x.js"}`, "node_modules/x/y": "", ".env": "", "npm.log": ""}, ".env *.log", ".env is not deployed."},
		"python without venv":    {map[string]string{"requirements.txt": "", "app.py": "", "venv/bin/python": ""}, ".venv venv __pycache__ **/__pycache__ .pytest_cache .tox", ""},
		"nothing to leave out":   {map[string]string{"package.json": `{"main": "x.js"}`}, "", ""},
		"a build of its own":     {map[string]string{"go.mod": "module x", "main.go": "package main", ".env": ""}, "", "`waypoint config set -env-file .env`"},
		"pages":                  {map[string]string{"index.html": ""}, "waypoint.hcl .waypointignore", ""},
		"an image":               {map[string]string{"Dockerfile": "FROM x", ".env": "", "node_modules/x/y": ""}, "", "the build of web can see .env, node_modules"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			files := dir(test.files)
			found, err := starter.Inspect(files, "web", today)
			if err != nil || len(found.Apps) != 1 {
				t.Fatalf("%+v %v", found, err)
			}
			c := starter.Choice{Name: "web", Path: ".", Way: found.Apps[0].Ways[0]}
			_, patterns, _ := strings.Cut(starter.Beside(files, c)[".waypointignore"], "\n")
			if got := strings.Join(strings.Fields(patterns), " "); got != test.want {
				t.Errorf("ignored is %q", got)
			}
			if hints := strings.Join(starter.Hints(files, c, true), "\n"); !strings.Contains(hints, test.hints) || test.hints == "" && hints != "" {
				t.Errorf("the hints are %q", hints)
			}
		})
	}
}
