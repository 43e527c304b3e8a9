package starter

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// waysOf finds the ways to build and run what is in a directory, the best first: an image that the project describes
// itself, then a process of this machine, then buildpacks. Ways that need what cannot run are noted in found.
func waysOf(dir fs.FS, at string, runs func(Component) bool, found *Found) ([]Way, error) {
	entries, err := fs.ReadDir(dir, at)
	if err != nil {
		return nil, fmt.Errorf("reading the directory: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	var ways []Way
	for _, look := range []func(fs.FS, string, []string) []Way{images, one(goProgram), one(node), one(rust), one(python), one(procfile)} {
		ways = append(ways, look(dir, at, names)...)
	}
	if w, ok := buildpacks(names); ok {
		ways = append(ways, w)
	}
	if len(ways) == 0 {
		ways = static(dir, at, names)
	}
	var able []Way
	var unable []string
	for _, w := range ways {
		missing := slices.IndexFunc(w.uses, func(c Component) bool { return !runs(c) })
		switch {
		case missing < 0:
			able = append(able, w)
		case w.file != "":
			unable = append(unable, fmt.Sprintf("%s: the plugin %q, which would use it, cannot run as a %s in this version",
				path.Join(at, w.file), w.uses[missing].Plugin, w.uses[missing].Kind))
		}
	}
	if len(able) == 0 && len(unable) > 0 {
		unable[len(unable)-1] += "; with a Dockerfile the app is built by docker"
	}
	// Buildpacks are one way among others: they are worth a note only where nothing else is there.
	if len(able) > 0 {
		unable = slices.DeleteFunc(unable, func(note string) bool { return strings.Contains(note, `"pack"`) })
	}
	found.Notes = append(found.Notes, unable...)
	return able, nil
}

// one is for a search that finds one way at most.
func one(look func(fs.FS, string, []string) (Way, bool)) func(fs.FS, string, []string) []Way {
	return func(dir fs.FS, at string, names []string) []Way {
		if w, ok := look(dir, at, names); ok {
			return []Way{w}
		}
		return nil
	}
}

// images are the ways for a Dockerfile: built by docker, and run by what the directory has a description for, or as a
// container.
func images(dir fs.FS, at string, names []string) []Way {
	i := slices.IndexFunc(names, func(n string) bool { return n == "Dockerfile" || n == "Containerfile" })
	if i < 0 {
		return nil
	}
	file, build := names[i], use("docker")
	if file != "Dockerfile" {
		build = use("docker", fmt.Sprintf("dockerfile = %q", file))
	}
	ways := append(described(dir, at, names), container(exposed(read(dir, path.Join(at, file)), "")))
	for i := range ways {
		w := &ways[i]
		w.Name, w.Image, w.build = "docker", true, build
		w.Because = file + ": an image, " + w.Because
		if w.uses == nil {
			w.uses = dockerUses()
		}
	}
	return ways
}

// described are the ways to run an image that a directory has a description for.
func described(dir fs.FS, at string, names []string) (ways []Way) {
	add := func(file, plugin, because string, lines ...string) {
		ways = append(ways, Way{file: file, Because: because, deploy: use(plugin, lines...), uses: components("docker", plugin)})
	}
	for _, n := range names {
		switch {
		case n == "Chart.yaml":
			add(n, "helm", "installed with its Helm chart", "name = app.name", "chart = path.app")
		case strings.HasSuffix(n, ".nomad"), strings.HasSuffix(n, ".nomad.hcl"), strings.HasSuffix(n, ".nomad.tpl"):
			add(n, "nomad-jobspec", "run by the Nomad job "+n, fmt.Sprintf("jobspec = templatefile(\"${path.app}/%s\")", n))
		case n == "k8s", n == "kubernetes", n == "manifests":
			if files, err := fs.Glob(dir, path.Join(at, n, "*.y*ml")); err == nil && len(files) > 0 {
				add(n, "kubernetes-apply", "applied with the manifests in "+n,
					fmt.Sprintf("path = templatedir(\"${path.app}/%s\")", n), `prune_label = "app=${app.name}"`)
			}
		}
	}
	return ways
}

// container runs an image in the Docker engine.
func container(port int) Way {
	if port > 0 {
		return Way{deploy: use("docker", fmt.Sprintf("service_port = %d", port)), Because: fmt.Sprintf("run as a container that listens on port %d", port)}
	}
	return Way{deploy: use("docker"), Because: "run as a container that listens on $PORT (3000)"}
}

// static is for a web site of files alone: served by Python's server on this machine, or by nginx in a container.
func static(dir fs.FS, at string, names []string) []Way {
	site := ""
	switch {
	case slices.Contains(names, "index.html"):
	case exists(dir, path.Join(at, "public/index.html")):
		site = "public"
	default:
		return nil
	}
	page, from := "index.html", "."
	build := use("process")
	if site != "" {
		page, from, build = site+"/index.html", site, use("process", fmt.Sprintf("path = %q", site))
	}
	return []Way{
		{
			Name: "process", Because: page + ": files that `python3 -m http.server` serves on this machine", whole: site == "",
			build:  build,
			deploy: use("process", "command = "+list("sh", "-c", "exec python3 -m http.server --bind 127.0.0.1 $PORT")),
			ignore: []string{"waypoint.hcl", ".waypointignore"}, uses: components("process", "process"),
		},
		{
			Name: "docker", Image: true, Because: page + ": files in an image of nginx, run as a container",
			build: use("docker"), deploy: use("docker", "service_port = 80"), uses: dockerUses(),
			files: map[string]string{
				"Dockerfile":    "FROM nginx:alpine\nCOPY " + from + " /usr/share/nginx/html\n",
				".dockerignore": ".*\nDockerfile\nwaypoint.hcl\n",
			},
		},
	}
}

func goProgram(dir fs.FS, at string, names []string) (Way, bool) {
	if !slices.Contains(names, "go.mod") {
		return Way{}, false
	}
	mains := []string{}
	candidates, _ := fs.Glob(dir, path.Join(at, "cmd/*"))
	for _, p := range append([]string{at}, candidates...) {
		if isMain(dir, p) {
			mains = append(mains, p)
		}
	}
	if len(mains) == 0 {
		return Way{}, false
	}
	pkg := "."
	if mains[0] != at {
		pkg = "./cmd/" + path.Base(mains[0])
	}
	return Way{
		Name: "process", Because: "go.mod: `go build " + pkg + "`, run on this machine",
		build: use("process", "command = "+list("go", "build", "-o", "bin/app", pkg), `path = "bin"`), uses: components("process", "process"),
		deploy: use("process", "# It must listen on the port in $PORT, or on one that is named here: port = 3000.", "command = "+list("./app")),
	}, true
}

func isMain(dir fs.FS, at string) bool {
	files, _ := fs.Glob(dir, path.Join(at, "*.go"))
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		for line := range strings.Lines(read(dir, f)) {
			if words := strings.Fields(line); len(words) > 1 && words[0] == "package" {
				return words[1] == "main"
			}
		}
	}
	return false
}

func node(dir fs.FS, at string, names []string) (Way, bool) {
	if !slices.Contains(names, "package.json") {
		return Way{}, false
	}
	var pkg struct {
		Main    string            `json:"main"`
		Scripts map[string]string `json:"scripts"`
	}
	if json.Unmarshal([]byte(read(dir, path.Join(at, "package.json"))), &pkg) != nil {
		return Way{}, false
	}
	tool, install := "npm", "npm install"
	switch {
	case slices.Contains(names, "pnpm-lock.yaml"):
		tool, install = "pnpm", "pnpm install --frozen-lockfile"
	case slices.Contains(names, "yarn.lock"):
		tool, install = "yarn", "yarn install --frozen-lockfile"
	case slices.Contains(names, "package-lock.json"):
		install = "npm ci"
	}
	if pkg.Scripts["build"] != "" {
		install += " && " + tool + " run build"
	}
	var command []string
	switch {
	case pkg.Scripts["start"] != "":
		command = []string{tool, "start"}
	case pkg.Main != "":
		command = []string{"node", pkg.Main}
	case slices.Contains(names, "server.js"):
		command = []string{"node", "server.js"}
	case slices.Contains(names, "index.js"):
		command = []string{"node", "index.js"}
	default:
		return Way{}, false
	}
	return process("package.json", install, command), true
}

func rust(dir fs.FS, at string, names []string) (Way, bool) {
	if !slices.Contains(names, "Cargo.toml") || !exists(dir, path.Join(at, "src/main.rs")) {
		return Way{}, false
	}
	section, bin := "", ""
	for line := range strings.Lines(read(dir, path.Join(at, "Cargo.toml"))) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		}
		if key, value, ok := strings.Cut(line, "="); ok && section == "[package]" && strings.TrimSpace(key) == "name" && bin == "" {
			bin = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	if bin == "" {
		return Way{}, false
	}
	return Way{
		Name: "process", Because: "Cargo.toml: `cargo install`, run on this machine",
		build:  use("process", "command = "+list("cargo", "install", "--path", ".", "--root", "bin"), `path = "bin/bin"`),
		uses:   components("process", "process"),
		deploy: use("process", "# It must listen on the port in $PORT, or on one that is named here: port = 3000.", "command = "+list("./"+bin)),
	}, true
}

// pythonLeaves are what Python and its tools leave in a directory and a deployed app does not need.
var pythonLeaves = []string{".venv", "venv", "__pycache__", "**/__pycache__", ".pytest_cache", ".tox"}

func python(dir fs.FS, at string, names []string) (Way, bool) {
	install := ""
	switch {
	case slices.Contains(names, "requirements.txt"):
		install = "python3 -m pip install --target .packages -r requirements.txt"
	case slices.Contains(names, "pyproject.toml"):
		install = "python3 -m pip install --target .packages ."
	}
	run := ""
	switch {
	case slices.Contains(names, "manage.py"):
		run = "python3 manage.py runserver 127.0.0.1:$PORT"
	case slices.Contains(names, "app.py"):
		run = "python3 app.py"
	case slices.Contains(names, "main.py"):
		run = "python3 main.py"
	default:
		return Way{}, false
	}
	if install == "" {
		return process("Python", "", []string{"sh", "-c", "exec " + run}, pythonLeaves...), true
	}
	return process("Python", install, []string{"sh", "-c", "PYTHONPATH=.packages exec " + run}, pythonLeaves...), true
}

func procfile(dir fs.FS, at string, names []string) (Way, bool) {
	if !slices.Contains(names, "Procfile") {
		return Way{}, false
	}
	for line := range strings.Lines(read(dir, path.Join(at, "Procfile"))) {
		if name, command, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "web" && strings.TrimSpace(command) != "" {
			return process("Procfile", "", []string{"sh", "-c", "exec " + strings.TrimSpace(command)}), true
		}
	}
	return Way{}, false
}

// process builds with a line for the shell, keeps the whole directory but what is to be ignored, and runs a command of it.
func process(found, build string, command []string, ignore ...string) Way {
	w := Way{
		Name: "process", Because: fmt.Sprintf("%s: `%s`, run on this machine", found, strings.TrimPrefix(strings.Join(command, " "), "sh -c ")),
		build: use("process"),
		whole: true, ignore: ignore, uses: components("process", "process"),
		deploy: use("process", "# It must listen on the port in $PORT, or on one that is named here: port = 3000.", "command = "+list(command...)),
	}
	if build != "" {
		w.build = use("process", "command = "+list("sh", "-c", build))
	}
	return w
}

// buildpacks is for languages that Cloud Native Buildpacks know.
func buildpacks(names []string) (Way, bool) {
	for _, n := range names {
		switch n {
		case "Gemfile", "pom.xml", "build.gradle", "build.gradle.kts", "composer.json", "go.mod", "package.json", "requirements.txt", "Pipfile":
			return Way{
				Name: "pack", Image: true, Because: n + ": an image made by Cloud Native Buildpacks, run as a container",
				file: n, build: use("pack"), deploy: use("docker"), uses: components("pack", "docker"),
			}, true
		}
	}
	return Way{}, false
}
