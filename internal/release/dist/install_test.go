package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestInstallScript installs a release whose command is a shell script, and refuses one whose archive was changed.
func TestInstallScript(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("install.sh is for POSIX systems")
	}
	release, prefix := t.TempDir(), t.TempDir()
	files := []member{
		{"waypoint", 0o755, []byte("#!/bin/sh\necho Waypoint 0.0.1\n")}, {"waypoint-plugins", 0o755, []byte("#!/bin/sh\n")},
		{"share/man1/waypoint.1", 0o644, []byte(".TH")}, {"share/completions/waypoint.bash", 0o644, nil},
		{"share/completions/_waypoint", 0o644, nil}, {"share/completions/waypoint.fish", 0o644, nil},
	}
	var packed bytes.Buffer
	if err := writeTar(&packed, files); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(release, "waypoint-"+runtime.GOOS+"-"+runtime.GOARCH+".tar.gz")
	if err := os.WriteFile(archive, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeSums(release); err != nil {
		t.Fatal(err)
	}
	install := func() (string, error) {
		out, err := exec.CommandContext(t.Context(), "sh", filepath.Join("..", "..", "..", "tools", "install.sh"), release, prefix).CombinedOutput()
		return string(out), err
	}
	out, err := install()
	if err != nil || !strings.Contains(out, "Installed Waypoint 0.0.1 in "+prefix) || !strings.Contains(out, "export PATH=") {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"bin/waypoint", "bin/waypoint-plugins", "share/man/man1/waypoint.1", "share/zsh/site-functions/_waypoint"} {
		if _, err := os.Stat(filepath.Join(prefix, name)); err != nil {
			t.Error(err)
		}
	}
	if err := os.Remove(filepath.Join(prefix, "bin", "waypoint")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, append(packed.Bytes(), 0), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := install(); err == nil || !strings.Contains(out, "nothing was installed") {
		t.Errorf("a changed archive is installed: %v, %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(prefix, "bin", "waypoint")); err == nil {
		t.Error("a changed archive was unpacked")
	}
}
