package starter

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// composeNames are the names of Compose files, in the order in which Compose looks for them.
var composeNames = []string{"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"}

// understood are the fields of a service that an app is made of, or that it has anyway.
var understood = []string{"build", "image", "ports", "expose", "command", "restart", "container_name", "init", "stdin_open", "tty", "pull_policy"}

// compose finds the apps of a Compose file: its services with `build`. The notes name what an app cannot have.
func compose(dir fs.FS) (apps []App, notes []string) {
	i := slices.IndexFunc(composeNames, func(n string) bool { return exists(dir, n) })
	if i < 0 {
		return nil, nil
	}
	name := composeNames[i]
	var file map[string]any
	if err := yaml.Unmarshal([]byte(read(dir, name)), &file); err != nil {
		return nil, []string{name + " cannot be read: " + firstLine(err.Error())}
	}
	services, _ := file["services"].(map[string]any)
	var others []string
	for _, service := range slices.Sorted(maps.Keys(services)) {
		fields, _ := services[service].(map[string]any)
		if fields["build"] == nil {
			others = append(others, fmt.Sprintf("%s (%v)", service, orElse(fields["image"], "no image")))
			continue
		}
		app, left, why := composeApp(dir, name, service, fields)
		if why != "" {
			notes = append(notes, fmt.Sprintf("%s: the service %s was left out: %s", name, service, why))
			continue
		}
		apps = append(apps, app)
		notes = append(notes, left...)
	}
	if len(others) > 0 {
		notes = append(notes, fmt.Sprintf("%s: services without `build` are not apps, and were left out: %s. `docker compose up -d SERVICE` still runs them; "+
			"`networks` in the deploy stanza connects an app to their network", name, strings.Join(others, ", ")))
	}
	for _, kind := range []string{"volumes", "networks", "secrets", "configs"} {
		if named, _ := file[kind].(map[string]any); len(named) > 0 {
			notes = append(notes, fmt.Sprintf("%s: the %s were left out: %s", name, kind, strings.Join(slices.Sorted(maps.Keys(named)), ", ")))
		}
	}
	return apps, notes
}

// composeApp makes an app of a service; why says why it cannot.
func composeApp(dir fs.FS, file, service string, fields map[string]any) (app App, notes []string, why string) {
	build, _ := fields["build"].(map[string]any)
	if context, ok := fields["build"].(string); ok {
		build = map[string]any{"context": context}
	}
	at, _ := orElse(build["context"], ".").(string)
	if strings.Contains(at, "://") || strings.HasPrefix(at, "git@") || strings.HasPrefix(at, "/") {
		return app, nil, "it is built from " + at
	}
	if at = path.Clean(at); at == ".." || strings.HasPrefix(at, "../") {
		return app, nil, "its files are outside this directory, in " + at
	}
	if info, err := fs.Stat(dir, at); err != nil || !info.IsDir() {
		return app, nil, "there is no directory " + at
	}
	var lines []string
	dockerfile, _ := orElse(build["dockerfile"], "Dockerfile").(string)
	if dockerfile != "Dockerfile" {
		lines = append(lines, "dockerfile = "+word(dockerfile))
	}
	target, _ := build["target"].(string)
	if target != "" {
		lines = append(lines, "target = "+word(target))
	}
	if args := pairs(build["args"]); len(args) > 0 {
		lines = append(lines, "build_args = {")
		for _, name := range slices.Sorted(maps.Keys(args)) {
			lines = append(lines, word(name)+" = "+word(args[name]))
		}
		lines = append(lines, "}")
	}
	port := servicePort(fields)
	if port == 0 {
		port = exposed(read(dir, path.Join(at, dockerfile)), target)
	}
	var deploy []string
	because := "run as a container that listens on $PORT (3000)"
	if port > 0 {
		deploy = append(deploy, fmt.Sprintf("service_port = %d", port))
		because = fmt.Sprintf("run as a container that listens on port %d", port)
	}
	command, ok := commandWords(fields["command"])
	if len(command) > 0 {
		deploy = append(deploy, "command = "+list(command...))
	}
	left := leftOut(fields, build, ok)
	if len(left) > 0 {
		notes = append(notes, fmt.Sprintf("%s: of the service %s these were left out: %s", file, service, strings.Join(left, ", ")))
	}
	if fields["environment"] != nil || fields["env_file"] != nil {
		notes = append(notes, "`waypoint config set NAME=VALUE` sets a variable for the apps, `-app` for one of them, `-env-file .env` those of a file")
	}
	w := Way{
		Name: "docker", Image: true, Because: fmt.Sprintf("service %s of %s: an image, %s", service, file, because),
		build: use("docker", lines...), deploy: use("docker", deploy...), uses: dockerUses(),
	}
	return App{Name: appName(service), Path: at, Ways: []Way{w}}, notes, ""
}

// leftOut names the fields of a service that its app does not have.
func leftOut(fields, build map[string]any, command bool) (left []string) {
	for name := range fields {
		if !slices.Contains(understood, name) && !strings.HasPrefix(name, "x-") {
			left = append(left, name)
		}
	}
	if !command {
		left = append(left, "command")
	}
	for name := range build {
		if !slices.Contains([]string{"context", "dockerfile", "target", "args"}, name) {
			left = append(left, "build."+name)
		}
	}
	slices.Sort(left)
	return left
}

// servicePort is the port in the container that a service publishes or exposes first; 0: none.
func servicePort(fields map[string]any) int {
	ports, _ := fields["ports"].([]any)
	for _, p := range ports {
		text := fmt.Sprint(p)
		if long, ok := p.(map[string]any); ok {
			text = fmt.Sprintf("%v/%v", long["target"], orElse(long["protocol"], "tcp"))
		}
		if n := tcpPort(text[strings.LastIndex(text, ":")+1:]); n > 0 {
			return n
		}
	}
	exposed, _ := fields["expose"].([]any)
	for _, p := range exposed {
		if n := tcpPort(fmt.Sprint(p)); n > 0 {
			return n
		}
	}
	return 0
}

// commandWords reads a command: a list, or a text that needs no shell to be split. ok is false for others.
func commandWords(v any) (words []string, ok bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		if strings.ContainsAny(v, "\"'\\$`") {
			return nil, false
		}
		return strings.Fields(v), true
	case []any:
		for _, w := range v {
			words = append(words, fmt.Sprint(w))
		}
		return words, true
	}
	return nil, false
}

// pairs reads a mapping, or a list of NAME=VALUE. Names without a value take it from the environment, which is not ours.
func pairs(v any) map[string]string {
	out := map[string]string{}
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if value != nil {
				out[name] = fmt.Sprint(value)
			}
		}
	case []any:
		for _, p := range v {
			if name, value, ok := strings.Cut(fmt.Sprint(p), "="); ok {
				out[name] = value
			}
		}
	}
	return out
}

func orElse(v any, fallback string) any {
	if v == nil || v == "" {
		return fallback
	}
	return v
}

func firstLine(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return first
}
