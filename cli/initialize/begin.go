package initialize

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/waypoint-serverless/waypoint/api/validate"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/starter"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// begin makes a waypoint.hcl where there is none: it shows what the directory has, asks about what is not clear, and writes
// the file and what it needs beside it. found is false where it could only write a template.
func begin(sh Host) (found bool, err error) {
	name := starter.Name(filepath.Base(sh.Env().Dir), "my-project")
	dir := os.DirFS(sh.Env().Dir)
	here, err := starter.Inspect(dir, render.OrElse(sh.Flags().App, "web"), runnable(sh))
	if err != nil {
		return false, err
	}
	show(sh, here)
	project, err := askName(sh, "project", "Name of the project", render.OrElse(sh.Flags().Project, name))
	if err != nil {
		return false, err
	}
	text, files := []byte(blank(project)), map[string]string{}
	var hints []string
	if len(here.Apps) > 0 {
		choices, err := choose(sh, project, here.Apps)
		if err != nil {
			return false, err
		}
		text = starter.File(project, choices, here.Notes)
		for _, c := range choices {
			maps.Copy(files, starter.Beside(dir, c))
			hints = append(hints, starter.Hints(dir, c, len(choices) == 1)...)
		}
	}
	path := filepath.Join(sh.Env().Dir, "waypoint.hcl")
	if err := writeNew(path, text); err != nil {
		return false, err
	}
	if len(here.Apps) == 0 {
		sh.Progressf("This directory had no waypoint.hcl, so a template has been written to %s.\n", path)
		sh.Progressf("Next: adapt it to your app, then run `waypoint init` again.\n")
		return false, nil
	}
	sh.Progressf("%s has been written:\n\n%s\n", path, indent(string(text)))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := writeNew(filepath.Join(sh.Env().Dir, filepath.FromSlash(name)), []byte(files[name])); err != nil {
			return false, err
		}
		sh.Progressf("\n%s has been written:\n\n%s\n", name, indent(files[name]))
	}
	for _, hint := range hints {
		sh.Progressf("\n%s\n", hint)
	}
	sh.Progressf("\n")
	return true, nil
}

// runnable reports which components this binary can run.
func runnable(sh Host) func(starter.Component) bool {
	plugins := sh.Deps().Catalog()
	return func(c starter.Component) bool {
		component, known := plugins.Schema(schema.Kind(c.Kind), c.Plugin)
		return known && !component.Planned
	}
}

// show prints what was found in the directory, before anything is asked.
func show(sh Host, found starter.Found) {
	if len(found.Apps) > 0 {
		sh.Progressf("Found in this directory:\n")
	}
	for _, a := range found.Apps {
		at := ""
		if a.Path != "." {
			at = a.Path + ": "
		}
		for _, w := range a.Ways {
			sh.Progressf("  %s%s\n", at, w.Because)
		}
	}
	if len(found.Notes) > 0 {
		sh.Progressf("Left out:\n")
	}
	for _, note := range found.Notes {
		sh.Progressf("  %s.\n", note)
	}
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	return nil
}

// ask asks for a text; Enter, and nobody to ask, give the fallback. check says what is wrong with an answer.
func ask(sh Host, question, fallback string, check func(answer string) error) (string, error) {
	if !sh.CanAsk() {
		return fallback, check(fallback)
	}
	for {
		sh.Progressf("%s [%s]: ", question, fallback)
		answer, err := sh.ReadLine()
		if err != nil {
			return "", err
		}
		answer = render.OrElse(answer, fallback)
		wrong := check(answer)
		if wrong == nil {
			return answer, nil
		}
		sh.Progressf("%s\n", render.FirstUpper(wrong.Error()))
	}
}

func askName(sh Host, what, question, fallback string) (string, error) {
	return ask(sh, question, fallback, func(answer string) error { return validate.Name(what, answer) })
}

// choose asks, for each app that was found, how it is built and run.
func choose(sh Host, project string, apps []starter.App) ([]starter.Choice, error) {
	var choices []starter.Choice
	for _, a := range apps {
		where := "in this directory"
		if a.Path != "." {
			where = "in " + a.Path
		}
		name, err := askName(sh, "app", "Name of the app "+where, a.Name)
		if err != nil {
			return nil, err
		}
		way, err := chooseWay(sh, name, a.Ways)
		if err != nil {
			return nil, err
		}
		choice := starter.Choice{Name: name, Path: a.Path, Way: way}
		if way.Image {
			choice.Image, err = ask(sh, "Registry to push images to, such as ghcr.io/acme/"+project+"; leave it empty not to push", "", checkImage)
			if err != nil {
				return nil, err
			}
		}
		choices = append(choices, choice)
	}
	return choices, nil
}

func chooseWay(sh Host, app string, ways []starter.Way) (starter.Way, error) {
	if len(ways) == 1 || !sh.CanAsk() {
		sh.Progressf("%s: %s.\n", app, ways[0].Because)
		return ways[0], nil
	}
	sh.Progressf("How is %q built and run?\n", app)
	for i, w := range ways {
		sh.Progressf("  %d. %-8s %s\n", i+1, w.Name, w.Because)
	}
	number, err := ask(sh, "Choice", "1", func(answer string) error {
		if n, err := strconv.Atoi(answer); err != nil || n < 1 || n > len(ways) {
			return fmt.Errorf("enter a number from 1 to %d", len(ways))
		}
		return nil
	})
	if err != nil {
		return starter.Way{}, err
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return starter.Way{}, err
	}
	return ways[n-1], nil
}

func checkImage(answer string) error {
	if strings.ContainsAny(answer, " \t\"$\\") || strings.Contains(answer[strings.LastIndex(answer, "/")+1:], ":") {
		return errors.New("an image name cannot contain spaces or a tag")
	}
	return nil
}

// blank is a waypoint.hcl to begin with where nothing was found.
func blank(project string) string {
	return strings.ReplaceAll(`# The name of the project on the server.
project = "NAME"

# A project has one app or several.
app "web" {
  # How the app is built: here, a command that leaves its result in a directory.
  build {
    use "process" {
      command = ["make"]
      path    = "bin"
    }
  }

  # Where it runs: here, on this machine. Waypoint passes it a free port in $PORT.
  deploy {
    use "process" {
      command = ["./web"]
    }
  }
}
`, "NAME", project)
}
