package starter

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// ignoreFile names what the artifact of a process app leaves out.
const ignoreFile = ".waypointignore"

// Beside are the files that a choice needs beside waypoint.hcl and that are not there, by their paths: those of its way,
// and a .waypointignore where the directory has something that must not, or need not, be deployed.
func Beside(dir fs.FS, c Choice) map[string]string {
	files := map[string]string{}
	for name, text := range c.Way.files {
		if p := path.Join(c.Path, name); !exists(dir, p) {
			files[p] = text
		}
	}
	if p := path.Join(c.Path, ignoreFile); c.Way.whole && !exists(dir, p) {
		if patterns := ignored(dir, c); len(patterns) > 0 {
			files[p] = "# What the deployed app does not get.\n" + strings.Join(patterns, "\n") + "\n"
		}
	}
	return files
}

// ignored are the patterns of what is there, or will be: secrets, logs and editors' files, and what the language leaves.
// node_modules stays: an app of Node.js runs with it.
func ignored(dir fs.FS, c Choice) (patterns []string) {
	there := func(pattern string) bool {
		found, err := fs.Glob(dir, path.Join(c.Path, strings.TrimPrefix(pattern, "**/")))
		return err == nil && len(found) > 0
	}
	for _, p := range []string{".env", ".env.*", ".DS_Store", ".idea", ".vscode", "*.log", "coverage"} {
		if there(p) {
			patterns = append(patterns, p)
		}
	}
	own := slices.ContainsFunc(c.Way.ignore, func(p string) bool { return there(p) || p == "waypoint.hcl" })
	if own {
		patterns = append(patterns, c.Way.ignore...)
	}
	return patterns
}

// Hints say what else is in the directory of a choice that its user should know of. alone: the project has one app.
func Hints(dir fs.FS, c Choice, alone bool) (hints []string) {
	if env := path.Join(c.Path, ".env"); exists(dir, env) {
		where := "-env-file " + env
		if !alone {
			where = fmt.Sprintf("-app %s %s", c.Name, where)
		}
		hints = append(hints, fmt.Sprintf("%s is not deployed. `waypoint config set %s` gives its variables to the app.", env, where))
	}
	if !c.Way.Image || exists(dir, path.Join(c.Path, ".dockerignore")) || c.Way.files[".dockerignore"] != "" {
		return hints
	}
	var sent []string
	for _, name := range []string{".git", ".env", "node_modules"} {
		if _, err := fs.Stat(dir, path.Join(c.Path, name)); err == nil {
			sent = append(sent, name)
		}
	}
	if len(sent) > 0 {
		hints = append(hints, fmt.Sprintf("%s has no .dockerignore: the build of %s can see %s, and COPY takes them along.",
			orElse(strings.TrimPrefix(c.Path, "."), "This directory"), c.Name, strings.Join(sent, ", ")))
	}
	return hints
}
