// Command generate writes what is made from the plugins' structs, for `make docs`: with "fields" their fields' comments into
// runner/plugins/schema/fields.json, and with "pages" the reference pages. The pages are made of what the program itself has
// embedded, so fields.json is written first, by a run of its own. It works in the repository's root.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/waypoint-serverless/waypoint/runner/plugins/builtin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema/reference"
)

// Where the results are, from the repository's root.
const (
	pluginsDir = "runner/plugins"
	fieldsFile = "runner/plugins/schema/fields.json"
	pagesDir   = "docs/reference/plugins"
	indexPage  = "README.md"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "fields":
		content, err := fieldsJSON(pluginsDir)
		if err != nil {
			return err
		}
		return os.WriteFile(fieldsFile, content, 0o644)
	case len(args) == 1 && args[0] == "pages":
		return writePages(pagesDir)
	}
	return fmt.Errorf(`give "fields" or "pages"`)
}

// pages are the reference's pages by file name.
func pages() map[string]string {
	out := map[string]string{}
	var all []reference.Plugin
	for _, d := range builtin.Catalog(process.Options{}).Definitions() {
		p := reference.Of(d, "")
		all = append(all, p)
		out[p.Name+".md"] = reference.Generated + p.Markdown()
	}
	out[indexPage] = reference.Generated + reference.Index(all)
	return out
}

// writePages writes all pages, and removes those of plugins that are gone.
func writePages(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	want := pages()
	there, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return err
	}
	for _, path := range there {
		if _, ok := want[filepath.Base(path)]; !ok {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for name, content := range want {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
