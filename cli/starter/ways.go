package starter

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// waysOf finds the ways to build and run what is in a directory, the best first: an image that the project describes
// itself, then a process of this machine, then buildpacks.
func waysOf(dir fs.FS, at string) ([]Way, error) {
	entries, err := fs.ReadDir(dir, at)
	if err != nil {
		return nil, fmt.Errorf("reading the directory: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	var ways []Way
	for _, look := range []func(fs.FS, string, []string) (Way, bool){image, goProgram, node, rust, python, procfile} {
		if w, ok := look(dir, at, names); ok {
			ways = append(ways, w)
		}
	}
	if w, ok := buildpacks(names); ok {
		ways = append(ways, w)
	}
	return ways, nil
}

// image is for a Dockerfile: built by docker, and run by what the directory has a description for.
func image(dir fs.FS, at string, names []string) (Way, bool) {
	i := slices.IndexFunc(names, func(n string) bool { return n == "Dockerfile" || n == "Containerfile" })
	if i < 0 {
		return Way{}, false
	}
	file := names[i]
	w := Way{Name: "docker", Image: true, build: use("docker")}
	if file != "Dockerfile" {
		w.build = use("docker", fmt.Sprintf("dockerfile = %q", file))
	}
	w.deploy, w.release, w.Because = runs(dir, at, names, exposed(read(dir, path.Join(at, file))))
	w.Because = file + ": an image, " + w.Because
	return w, true
}

// runs is what runs an image.
func runs(dir fs.FS, at string, names []string, port int) (deploy, release, because string) {
	for _, n := range names {
		switch {
		case n == "Chart.yaml":
			return use("helm", "name = app.name", "chart = path.app"), "", "installed with its Helm chart"
		case strings.HasSuffix(n, ".nomad"), strings.HasSuffix(n, ".nomad.hcl"), strings.HasSuffix(n, ".nomad.tpl"):
			return use("nomad-jobspec", fmt.Sprintf("jobspec = templatefile(\"${path.app}/%s\")", n)), "", "run by the Nomad job " + n
		case n == "k8s", n == "kubernetes", n == "manifests":
			if files, err := fs.Glob(dir, path.Join(at, n, "*.y*ml")); err == nil && len(files) > 0 {
				return use("kubernetes-apply", fmt.Sprintf("path = templatedir(\"${path.app}/%s\")", n), `prune_label = "app=${app.name}"`), "", "applied with the manifests in " + n
			}
		}
	}
	if port > 0 {
		return use("docker", fmt.Sprintf("service_port = %d", port)), "", fmt.Sprintf("run as a container that listens on port %d", port)
	}
	return use("docker"), "", "run as a container that listens on $PORT (3000)"
}

// exposed is the first port that a Dockerfile exposes; 0 without one.
func exposed(dockerfile string) int {
	for line := range strings.Lines(dockerfile) {
		words := strings.Fields(line)
		if len(words) > 1 && strings.EqualFold(words[0], "EXPOSE") {
			port, _, _ := strings.Cut(words[1], "/")
			if n, err := strconv.Atoi(port); err == nil && n > 0 && n < 65536 {
				return n
			}
		}
	}
	return 0
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
		build:  use("process", "command = "+list("go", "build", "-o", "bin/app", pkg), `path = "bin"`),
		deploy: use("process", "# It must listen on the port in $PORT.", "command = "+list("./app")),
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
		deploy: use("process", "# It must listen on the port in $PORT.", "command = "+list("./"+bin)),
	}, true
}

func python(dir fs.FS, at string, names []string) (Way, bool) {
	install := ""
	switch {
	case slices.Contains(names, "requirements.txt"):
		install = "python3 -m pip install --target .packages -r requirements.txt"
	case slices.Contains(names, "pyproject.toml"):
		install = "python3 -m pip install --target .packages ."
	default:
		return Way{}, false
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
	w := process("Python", install, []string{"sh", "-c", "PYTHONPATH=.packages exec " + run})
	return w, true
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

// process builds with a line for the shell, keeps the whole directory, and runs a command of it.
func process(found, build string, command []string) Way {
	w := Way{
		Name: "process", Because: fmt.Sprintf("%s: `%s`, run on this machine", found, strings.TrimPrefix(strings.Join(command, " "), "sh -c ")),
		build:  use("process"),
		deploy: use("process", "# It must listen on the port in $PORT.", "command = "+list(command...)),
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
				build: use("pack"), deploy: use("docker"),
			}, true
		}
	}
	return Way{}, false
}
