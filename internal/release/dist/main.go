// Command dist makes a release: the functions' zips, the command line for linux, darwin and windows on amd64 and arm64
// (each carries the zips and the entrypoints inside), waypoint-plugins for the same systems (it lies beside the command, for
// the plugins that it serves), archives of the two with man pages, completion scripts and the licences (NOTICE), deb, rpm and
// apk packages, an SBOM of each program, and SHA256SUMS. With -image it also makes a container image for each linux, with
// Debian's git and ssh. With -only it makes the archive of one system.
//
// Equal sources, and equal packages of Debian in an image, make equal bytes: no time, path, user or state of the
// repository enters. With -verify it proves that, by making everything again from a copy of the sources in another folder,
// and tries the command of this machine alone in an empty directory. It runs from the repository's root and writes
// internal/release/embedded and the folder -out.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// Limits in bytes, promised by the design.
const (
	maxCLI      = 60 << 20
	maxPlugins  = 120 << 20 // client-go and Helm come to it
	maxFunction = 7 << 20
	maxDebian   = 60 << 20 // git, git-lfs, ssh and the libraries that they need, packed
)

func main() {
	out := flag.String("out", "dist", "folder to write")
	version := flag.String("version", "", "version that the binaries say; empty: the commit")
	verify := flag.Bool("verify", false, "make everything twice and compare, and try the result")
	only := flag.String("only", "", "make it for one system, such as linux-amd64, or native: this machine's; without packages")
	packages := flag.Bool("packages", false, "with -only linux-...: make its packages, too")
	image := flag.Bool("image", false, "make the container images of linux, too: it needs mmdebstrap")
	cold := flag.Bool("cold", false, "with -verify: the second time with an empty build cache (some minutes)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &builder{out: *out, version: *version, only: *only, packed: *packages || *only == "", imaged: *image}
	if err := run(ctx, b, *verify, *cold); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, b *builder, verify, cold bool) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, "internal", "release", "release.go")); err != nil {
		return fmt.Errorf("run this command in the repository's root: %w", err)
	}
	b.root, b.out = root, absolute(root, b.out)
	if b.version == "" {
		b.version = commit(ctx, root)
	}
	if b.only == "native" {
		b.only = target{runtime.GOOS, runtime.GOARCH}.String()
	}
	if b.only != "" && !slices.ContainsFunc(targets(), func(t target) bool { return t.String() == b.only }) {
		return fmt.Errorf("invalid -only %q: use native or one of %s", b.only, targets())
	}
	if b.imaged {
		if err := checkImage(); err != nil {
			return err
		}
	}
	var again string
	if verify {
		// The copy is taken first: what is edited meanwhile must not look like a difference.
		if again, err = os.MkdirTemp("", "dist-again-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(again) }()
		if err := copySources(ctx, root, filepath.Join(again, "sources")); err != nil {
			return fmt.Errorf("copying the sources: %w", err)
		}
	}
	if err := checkNotice(ctx, root); err != nil {
		return err
	}
	began := time.Now()
	if err := b.all(ctx); err != nil {
		return err
	}
	fmt.Printf("made %s (%s) in %s\n", b.out, b.version, time.Since(began).Round(time.Second))
	if err := report(b.out); err != nil {
		return err
	}
	if !verify {
		return nil
	}
	if err := compareWithCopy(ctx, b, again, cold); err != nil {
		return err
	}
	return tryAlone(ctx, b)
}

func absolute(root, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(root, path)
}

// checkNotice refuses to make a release whose licences are not those of what is linked.
func checkNotice(ctx context.Context, root string) error {
	cmd := exec.CommandContext(ctx, "go", "run", "./internal/release/notice", "-check")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("checking the licences: %w\n%s", err, out)
	}
	return nil
}
