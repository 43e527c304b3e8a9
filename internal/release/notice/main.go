// Command notice writes the file NOTICE: the licences of everything that is linked into the released programs, as their
// texts demand. It runs from the repository's root. With -check it writes nothing, and fails if the file is not current.
//
// The modules come from the build itself (go list -deps for each program and system), the texts from the module cache. A
// module without a licence fails it. Versions are not named: the SBOM beside each program has them.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/waypoint-serverless/waypoint/internal/release/programs"
)

const file = "NOTICE"

func main() {
	check := flag.Bool("check", false, "fail if the file is not current, and write nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *check); err != nil {
		fmt.Fprintln(os.Stderr, "notice:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to clean up
	}
}

func run(ctx context.Context, check bool) error {
	modules, err := programs.Modules(ctx, ".")
	if err != nil {
		return err
	}
	text, err := notice(ctx, modules)
	if err != nil {
		return err
	}
	if !check {
		return os.WriteFile(file, text, 0o644)
	}
	have, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if !bytes.Equal(have, text) {
		return errors.New(file + " is out of date: run make notice and commit")
	}
	return nil
}

// notice renders the texts, each once, under the modules that have it.
func notice(ctx context.Context, modules []programs.Module) ([]byte, error) {
	holders := map[string][]string{} // by text
	first := map[string]string{}     // texts that differ in spaces alone are one
	add := func(text, holder string) {
		words := strings.Join(strings.Fields(text), " ")
		if first[words] == "" {
			first[words] = text
		}
		holders[first[words]] = append(holders[first[words]], holder)
	}
	for _, m := range modules {
		texts, err := licences(m.Dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Path, err)
		}
		for _, t := range texts {
			add(t, m.Path)
		}
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("asking for Go's folder: %w", err)
	}
	library, err := licences(strings.TrimSpace(string(goroot)))
	if err != nil {
		return nil, fmt.Errorf("Go's standard library: %w", err)
	}
	for _, t := range library {
		add(t, "The Go standard library")
	}
	var out bytes.Buffer
	out.WriteString("Waypoint, serverless\n\nThe programs of a release contain the software below, under the licences that follow each list.\n" +
		"This file is generated: make notice. The exact versions are in the SBOM beside each program.\n")
	texts := slices.SortedFunc(maps.Keys(holders), func(a, b string) int {
		return strings.Compare(holders[a][0]+"\x00"+a, holders[b][0]+"\x00"+b)
	})
	for _, t := range texts {
		fmt.Fprintf(&out, "\n%s\n\n", strings.Repeat("=", 100))
		for _, name := range holders[t] {
			fmt.Fprintf(&out, "  %s\n", name)
		}
		fmt.Fprintf(&out, "\n%s\n", t)
	}
	return out.Bytes(), nil
}

// licenceFile matches the files that hold a licence or what must be handed on with it.
var licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying|copyright|notice|patents)([-._].*)?$`)

// licences reads the licence files of a module's folder, without what differs between systems.
func licences(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		var lines []string
		for line := range strings.Lines(strings.ReplaceAll(string(raw), "\r\n", "\n")) {
			lines = append(lines, strings.TrimRight(line, " \t\n"))
		}
		out = append(out, strings.Trim(strings.Join(lines, "\n"), "\n"))
	}
	if len(out) == 0 {
		return nil, errors.New("it has no licence file")
	}
	return out, nil
}
