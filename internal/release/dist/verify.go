package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// copySources copies what git would track (and what is new and not ignored), so that the copy builds the same and
// nothing that an earlier build left is found in it.
func copySources(ctx context.Context, root, to string) error {
	list, err := exec.CommandContext(ctx, "git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("listing the sources: %w", err)
	}
	for _, name := range strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted and not yet committed
		}
		if err != nil {
			return err
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compareWithCopy makes everything again elsewhere, and fails when a byte differs.
func compareWithCopy(ctx context.Context, b *builder, again string, cold bool) error {
	began := time.Now()
	second := &builder{root: filepath.Join(again, "sources"), out: filepath.Join(again, "dist"), version: b.version, only: b.only, packed: b.packed, imaged: b.imaged}
	if cold {
		second.cache = filepath.Join(again, "cache")
	}
	if err := second.all(ctx); err != nil {
		return fmt.Errorf("making it again: %w", err)
	}
	one, err := os.ReadFile(filepath.Join(b.out, sumsFile))
	if err != nil {
		return err
	}
	two, err := os.ReadFile(filepath.Join(second.out, sumsFile))
	if err != nil {
		return err
	}
	if bytes.Equal(one, two) {
		fmt.Printf("made again from a copy of the sources in %s: the same bytes\n", time.Since(began).Round(time.Second))
		return nil
	}
	var differ []string
	for _, line := range strings.Split(strings.TrimSpace(string(one)), "\n") {
		if !strings.Contains(string(two), line+"\n") {
			_, name, _ := strings.Cut(line, "  ")
			differ = append(differ, name)
		}
	}
	return fmt.Errorf("made again, these differ: %s", strings.Join(differ, ", "))
}

// project is brought up by tryAlone: examples/hello, built before.
const project = `project = "alone"

app "web" {
  build {
    use "process" {
      path = "app"
    }
  }
  deploy {
    use "process" {
      command = ["./hello"]
    }
  }
}
`

// tryAlone copies this machine's command into an empty directory, and nothing else: it has to install the local
// server, and to run an app under the entrypoint that it carries.
func tryAlone(ctx context.Context, b *builder) error {
	host := target{runtime.GOOS, runtime.GOARCH}
	if host.os == "windows" {
		return errors.New("the trial run requires a POSIX shell: verify on linux or darwin")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	work, err := os.MkdirTemp("", "wp-") // short: a Unix socket's path has 104 bytes
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	command, err := os.ReadFile(b.cli(host))
	if err != nil {
		return err
	}
	hello, err := buildHello(ctx, b.root, work)
	if err != nil {
		return err
	}
	binary := filepath.Join(work, "b", "waypoint")
	for path, f := range map[string]member{
		binary:                                {mode: 0o755, content: command},
		filepath.Join(work, "p/waypoint.hcl"): {mode: 0o644, content: []byte(project)},
		filepath.Join(work, "p/app/hello"):    {mode: 0o755, content: hello},
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.content, f.mode); err != nil {
			return err
		}
	}
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, binary, args...)
		cmd.Dir = filepath.Join(work, "p")
		cmd.Env = []string{"HOME=" + work, "PATH=/usr/bin:/bin"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			return string(out), fmt.Errorf("waypoint %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return string(out), nil
	}
	defer func() {
		_, _ = run("uninstall", "--platform=local", "--purge", "--yes")
	}()
	if _, err := run("install", "--platform=local", "--listen=none"); err != nil {
		return err
	}
	if _, err := run("up"); err != nil {
		return err
	}
	unpacked, err := filepath.Glob(filepath.Join(work, ".local/state/waypoint/entrypoint/*/waypoint-entrypoint"))
	if err != nil {
		return err
	}
	if len(unpacked) != 1 {
		return fmt.Errorf("the entrypoint was not unpacked once: %v", unpacked)
	}
	for {
		out, err := run("logs", "-f=false")
		if err != nil {
			return err
		}
		if strings.Contains(out, "hello listens on port") {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server received no line of the app: the entrypoint does not run\n%s", out)
		case <-time.After(time.Second):
		}
	}
	fmt.Println("alone in an empty directory: install, up, and the app's logs through the embedded entrypoint")
	return nil
}

// buildHello builds examples/hello, which is a module of its own.
func buildHello(ctx context.Context, root, work string) ([]byte, error) {
	to := filepath.Join(work, "hello")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", to, ".")
	cmd.Dir = filepath.Join(root, "examples", "hello")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building examples/hello: %w\n%s", err, out)
	}
	return os.ReadFile(to)
}
