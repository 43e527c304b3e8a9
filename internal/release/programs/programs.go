// Package programs names the programs of a release, the systems that they are made for, and what is linked into them. The
// commands that make and check a release share it; no program of the release imports it.
package programs

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

//go:embed toolchain.txt
var toolchain string

// Toolchain is the version of Go that a release is made and checked with, whatever go.mod asks for at least: the newest
// fixes of the standard library are in what is handed out, and an older Go still builds the sources.
func Toolchain() string { return strings.TrimSpace(toolchain) }

// Program is one that is compiled for a release.
type Program struct {
	// Name of the binary, and its package in this module.
	Name, Package string
	// Tags of the build.
	Tags string
	// Systems that it is made for.
	Systems []System
}

// System is a pair of Go's GOOS and GOARCH.
type System struct{ OS, Arch string }

// String returns "linux-amd64" and the like.
func (s System) String() string { return s.OS + "-" + s.Arch }

// Systems are those that the command line and the entrypoint are made for.
func Systems() []System {
	var all []System
	for _, os := range []string{"linux", "darwin", "windows"} {
		for _, arch := range []string{"amd64", "arm64"} {
			all = append(all, System{os, arch})
		}
	}
	return all
}

// All are the programs of a release. The command carries the entrypoint and the bootstrap inside; waypoint-plugins lies
// beside it.
func All() []Program {
	return []Program{
		{Name: "waypoint", Package: "./cli/waypoint", Systems: Systems()},
		{Name: "waypoint-plugins", Package: "./runner/waypoint-plugins", Systems: Systems()},
		{Name: "waypoint-entrypoint", Package: "./entrypoint/waypoint-entrypoint", Systems: Systems()},
		{Name: "bootstrap", Package: "./functions/bootstrap", Tags: "lambda.norpc", Systems: []System{{"linux", "amd64"}, {"linux", "arm64"}}},
	}
}

// Module is one that a program links packages of.
type Module struct{ Path, Version, Dir string }

// listed is what go list says of a package.
type listed struct {
	ImportPath string
	Standard   bool
	Module     *struct {
		Path, Version, Dir string
		Main               bool
		Replace            *struct{ Path, Version, Dir string }
	}
}

// Packages lists the packages that a program links on a system, with their modules. root is the repository's.
func Packages(ctx context.Context, root string, p Program, s System) (paths []string, modules []Module, err error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-tags", p.Tags, "-json=ImportPath,Standard,Module", p.Package)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOOS="+s.OS, "GOARCH="+s.Arch)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("listing the packages of %s for %s: %w\n%s", p.Name, s, err, stderr.Bytes())
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			return paths, modules, nil
		} else if err != nil {
			return nil, nil, fmt.Errorf("listing the packages of %s for %s: %w", p.Name, s, err)
		}
		paths = append(paths, l.ImportPath)
		if m := l.Module; m != nil && !m.Main {
			one := Module{m.Path, m.Version, m.Dir}
			if m.Replace != nil {
				one = Module{m.Replace.Path, m.Replace.Version, m.Replace.Dir}
			}
			modules = append(modules, one)
		}
	}
}

// Modules are the modules that any program links on any of its systems, sorted by path.
func Modules(ctx context.Context, root string) ([]Module, error) {
	var all []Module
	for _, p := range All() {
		for _, s := range p.Systems {
			_, modules, err := Packages(ctx, root, p, s)
			if err != nil {
				return nil, err
			}
			all = append(all, modules...)
		}
	}
	slices.SortFunc(all, func(a, b Module) int { return cmp.Compare(a.Path, b.Path) })
	return slices.Compact(all), nil
}
