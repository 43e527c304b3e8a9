package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/waypoint-serverless/waypoint/internal/release/pack"
	"github.com/waypoint-serverless/waypoint/internal/release/programs"
)

// target is a system that the command is made for.
type target struct{ os, arch string }

func (t target) String() string { return programs.System{OS: t.os, Arch: t.arch}.String() }

// exe is what programs are called there.
func (t target) exe(name string) string {
	if t.os == "windows" {
		return name + ".exe"
	}
	return name
}

func targets() []target {
	var all []target
	for _, s := range programs.Systems() {
		all = append(all, target{s.OS, s.Arch})
	}
	return all
}

// atOnce is how many links run at a time; compiling uses all cores by itself.
const atOnce = 2

type builder struct {
	root, out, version string
	cache              string // GOCACHE; empty: the usual one
	only               string // the system to make it for, as "linux-amd64"; empty: all
	packed             bool   // whether packages are made
	imaged             bool   // whether container images are made
	biller             string // the program that writes SBOMs
	share              string // the folder of man pages and completion scripts
}

// targets are the systems that the command is made for.
func (b *builder) targets() []target {
	if b.only == "" {
		return targets()
	}
	return slices.DeleteFunc(targets(), func(t target) bool { return t.String() != b.only })
}

// entrypoints are the systems whose entrypoints are embedded: both of linux, for images, and each target's own.
func (b *builder) entrypoints() []target {
	all := b.targets()
	for _, t := range targets() {
		if t.os == "linux" && !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// cli is the path of the finished command for a target.
func (b *builder) cli(t target) string {
	return filepath.Join(b.out, t.exe("waypoint-"+t.String()))
}

// plugins is the path of the program that serves plugins, for a target.
func (b *builder) plugins(t target) string {
	return filepath.Join(b.out, t.exe("waypoint-plugins-"+t.String()))
}

// all makes everything. What is embedded comes first, since the commands are compiled around it.
func (b *builder) all(ctx context.Context) error {
	embedded := filepath.Join(b.root, "internal", "release", "embedded")
	for _, dir := range []string{embedded, b.out} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	work, err := os.MkdirTemp("", "dist-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if b.biller, err = b.buildBiller(ctx, work); err != nil {
		return err
	}

	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, arch := range []string{"amd64", "arm64"} {
		group.Go(func() error { return b.function(gctx, work, embedded, arch) })
	}
	for _, t := range b.entrypoints() {
		group.Go(func() error { return b.entrypoint(gctx, work, embedded, t) })
	}
	b.share = filepath.Join(work, "share")
	group.Go(func() error { return b.run(gctx, b.root, "run", "./cli/manual", b.share) })
	if err := group.Wait(); err != nil {
		return err
	}
	group, gctx = errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, t := range b.targets() {
		group.Go(func() error {
			if err := b.compile(gctx, t, "dist", "./cli/waypoint", b.cli(t)); err != nil {
				return err
			}
			if err := b.bill(gctx, b.cli(t), "waypoint-"+t.String()); err != nil {
				return err
			}
			if err := b.compile(gctx, t, "", "./runner/waypoint-plugins", b.plugins(t)); err != nil {
				return err
			}
			if err := b.bill(gctx, b.plugins(t), "waypoint-plugins-"+t.String()); err != nil {
				return err
			}
			return b.archive(t)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if b.packed {
		if err := b.packages(ctx, work); err != nil {
			return err
		}
	}
	if b.imaged {
		if err := b.images(ctx, work); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(b.out, "VERSION"), []byte(b.version+"\n"), 0o644); err != nil {
		return err
	}
	script, err := os.ReadFile(filepath.Join(b.root, "tools", "install.sh"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.out, "install.sh"), script, 0o755); err != nil {
		return err
	}
	return writeSums(b.out)
}

// packages makes the deb, rpm and apk packages, with a program of a module of its own: its libraries are none of ours.
func (b *builder) packages(ctx context.Context, work string) error {
	program := filepath.Join(work, "packages")
	if err := b.run(ctx, filepath.Join(b.root, "tools", "packages"), "build", "-trimpath", "-buildvcs=false", "-o", program, "."); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, "-dist", b.out, "-share", b.share, "-version", b.version)
	cmd.Dir = b.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making the packages: %w\n%s", err, out)
	}
	return nil
}

// run runs the go command for this machine.
func (b *builder) run(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOTOOLCHAIN="+programs.Toolchain())
	if b.cache != "" {
		cmd.Env = append(cmd.Env, "GOCACHE="+b.cache)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// function makes the zip for one of Lambda's architectures.
func (b *builder) function(ctx context.Context, work, embedded, arch string) error {
	binary := filepath.Join(work, "bootstrap-"+arch)
	if err := b.compile(ctx, target{"linux", arch}, "lambda.norpc", "./functions/bootstrap", binary); err != nil {
		return err
	}
	if err := b.bill(ctx, binary, "waypoint-function-"+arch); err != nil {
		return err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	packed, err := pack.Zip(content)
	if err != nil {
		return err
	}
	if len(packed) > maxFunction {
		return fmt.Errorf("the functions' zip for %s has %d bytes, the limit is %d", arch, len(packed), maxFunction)
	}
	name := "function-" + arch + ".zip"
	if err := os.WriteFile(filepath.Join(embedded, name), packed, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.out, "waypoint-"+name), packed, 0o644)
}

// entrypoint makes the packed entrypoint of a system.
func (b *builder) entrypoint(ctx context.Context, work, embedded string, t target) error {
	binary := filepath.Join(work, "entrypoint-"+t.String())
	if err := b.compile(ctx, t, "", "./entrypoint/waypoint-entrypoint", binary); err != nil {
		return err
	}
	if err := b.bill(ctx, binary, "waypoint-entrypoint-"+t.String()); err != nil {
		return err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression) // its header stays empty: no name, no time
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(embedded, "entrypoint-"+t.String()+".gz"), packed.Bytes(), 0o644)
}

// compile builds one program. The state of the repository does not enter: the version says which one it is.
func (b *builder) compile(ctx context.Context, t target, tags, pkg, to string) error {
	ldflags := "-s -w -X github.com/waypoint-serverless/waypoint/internal/version.release=" + b.version
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", to}
	if tags != "" {
		args = append(args, "-tags", tags)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Dir = b.root
	// GOAMD64 and GOARM64 at their defaults, whatever the machine's settings: releases run everywhere.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOTOOLCHAIN="+programs.Toolchain())
	if b.cache != "" {
		cmd.Env = append(cmd.Env, "GOCACHE="+b.cache)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling %s for %s: %w\n%s", pkg, t, err, out)
	}
	return nil
}

// commit names what is built when no version is given.
func commit(ctx context.Context, root string) string {
	git := func(args ...string) string {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	head := git("rev-parse", "--short=8", "HEAD")
	switch {
	case head == "":
		return "dev"
	case git("status", "--porcelain") != "":
		return "dev-" + head + "-changed"
	}
	return "dev-" + head
}
