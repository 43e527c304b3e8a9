// Package starter inspects a directory and proposes a waypoint.hcl for it. It reads files, writes none,
// runs nothing, and refers to plugins only by name.
package starter

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Way is one way to build and run an app.
type Way struct {
	// Name is a short word: "docker", "process", "pack".
	Name string
	// Because is what was found and what is done with it: "Dockerfile: an image, run as a container".
	Because string
	// Image reports whether the build makes an image, which may be pushed to a registry.
	Image bool

	build, deploy, release string
	// file is what it was found by.
	file string
	// uses are the plugins that it needs.
	uses []Component
	// whole reports whether the directory itself is kept as the artifact, so that a .waypointignore matters.
	whole bool
	// ignore are patterns of what the app does not need when it runs.
	ignore []string
	// files are written beside waypoint.hcl, unless they are there.
	files map[string]string
}

// Component is a kind of component, such as "builder", of a plugin.
type Component struct{ Kind, Plugin string }

func components(builder, platform string) []Component {
	return []Component{{"builder", builder}, {"platform", platform}}
}

func dockerUses() []Component { return components("docker", "docker") }

// Found is what is in a directory.
type Found struct {
	Apps []App
	// Notes say what was left out and why, a sentence each without a full stop.
	Notes []string
}

// App is one app that was found.
type App struct {
	// Name is the proposed name; Path is the directory, "." for the one that was looked at.
	Name, Path string
	// Ways are the ways to build and run it, the best first.
	Ways []Way
}

// skipped are directories that hold no app of the project's own.
func skipped(name string) bool {
	return strings.HasPrefix(name, ".") ||
		slices.Contains([]string{"node_modules", "vendor", "testdata", "dist", "target", "build", "bin"}, name)
}

// Inspect finds the apps in a directory: those of a Compose file, else the directory itself, else those up to two levels
// below it (services/web). What needs a component that cannot run is not proposed, but noted.
func Inspect(dir fs.FS, name string, runs func(Component) bool) (found Found, err error) {
	apps, notes := compose(dir)
	found.Notes = notes
	for _, a := range apps {
		ways, err := waysOf(dir, a.Path, runs, &found)
		if err != nil {
			return found, err
		}
		a.Ways = append(a.Ways, slices.DeleteFunc(ways, func(w Way) bool { return w.Image })...)
		found.Apps = append(found.Apps, a)
	}
	if len(apps) > 0 {
		return found, nil
	}
	ways, err := waysOf(dir, ".", runs, &found)
	if err != nil {
		return found, err
	}
	if len(ways) > 0 {
		found.Apps = []App{{Name: name, Path: ".", Ways: ways}}
		return found, nil
	}
	err = fs.WalkDir(dir, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fs.SkipDir // what cannot be read is not proposed
		case !d.IsDir() || p == ".":
			return nil
		case skipped(d.Name()), strings.Count(p, "/") > 1:
			return fs.SkipDir
		}
		ways, err := waysOf(dir, p, runs, &found)
		if err != nil || len(ways) == 0 {
			return err
		}
		found.Apps = append(found.Apps, App{Name: appName(d.Name()), Path: p, Ways: ways})
		return fs.SkipDir
	})
	slices.SortFunc(found.Apps, func(a, b App) int { return cmp.Compare(a.Path, b.Path) })
	found.Apps = distinct(found.Apps)
	return found, err
}

// distinct gives apps of one name that of their parent directory before it.
func distinct(apps []App) []App {
	seen := map[string]int{}
	for _, a := range apps {
		seen[a.Name]++
	}
	for i, a := range apps {
		if seen[a.Name] > 1 {
			apps[i].Name = appName(strings.ReplaceAll(a.Path, "/", "-"))
		}
	}
	return apps
}

// Name makes a name that projects and apps may have out of a directory's.
func Name(dir, fallback string) string {
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' {
			return c
		}
		return '-'
	}, dir)
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	name = strings.Trim(name, "-")
	return cmp.Or(strings.Trim(name[:min(len(name), 64)], "-"), fallback)
}

func appName(dir string) string { return Name(dir, "web") }

// Choice is an app as it is to be written.
type Choice struct {
	Name, Path string
	Way        Way
	// Image is the repository that images are pushed to, without a tag; empty: they are not pushed.
	Image string
}

// File writes a waypoint.hcl. The notes stand in it as comments.
func File(project string, apps []Choice, notes []string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# The name of the project on the server.\nproject = %q\n", project)
	if len(notes) > 0 {
		b.WriteString("\n# What `waypoint init` left out:\n")
		for _, note := range notes {
			fmt.Fprintf(&b, "# - %s.\n", strings.ReplaceAll(note, "\n", " "))
		}
	}
	for _, a := range apps {
		fmt.Fprintf(&b, "\napp %q {\n", a.Name)
		if a.Path != "." {
			fmt.Fprintf(&b, "path = %q\n\n", "./"+a.Path)
		}
		fmt.Fprintf(&b, "build {\n%s%s}\n\ndeploy {\n%s}\n", a.Way.build, registry(a), a.Way.deploy)
		if a.Way.release != "" {
			fmt.Fprintf(&b, "\nrelease {\n%s}\n", a.Way.release)
		}
		b.WriteString("}\n")
	}
	return hclwrite.Format([]byte(b.String()))
}

// registry is the stanza for an app's image.
func registry(a Choice) string {
	if a.Image == "" {
		return ""
	}
	return fmt.Sprintf("\nregistry {\nuse \"docker\" {\nimage = %q\n# A tag of the commit, or its short hash.\ntag = gitrefpretty()\n}\n}\n", a.Image)
}

// use is `use "plugin"` with its attributes, each a line.
func use(plugin string, lines ...string) string {
	if len(lines) == 0 {
		return fmt.Sprintf("use %q {}\n", plugin)
	}
	return fmt.Sprintf("use %q {\n%s\n}\n", plugin, strings.Join(lines, "\n"))
}

// list is a list of words in HCL.
func list(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = word(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// word is a text in HCL.
func word(text string) string {
	return fmt.Sprintf("%q", strings.NewReplacer("${", "$${", "%{", "%%{").Replace(text))
}

func exists(dir fs.FS, p string) bool {
	info, err := fs.Stat(dir, path.Clean(p))
	return err == nil && !info.IsDir()
}

// mostRead bounds what is read of a file.
const mostRead = 1 << 20

func read(dir fs.FS, p string) string {
	f, err := dir.Open(path.Clean(p))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	text := make([]byte, mostRead)
	n := 0
	for n < len(text) {
		m, err := f.Read(text[n:])
		if n += m; err != nil {
			break
		}
	}
	return string(text[:n])
}
