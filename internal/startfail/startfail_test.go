//go:build unix

package startfail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// program is the smallest ELF header for a machine, with a loader.
func elfFile(machine uint16, loader string) string {
	h := make([]byte, 64+56)
	copy(h, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(h[16:], 2)
	le.PutUint16(h[18:], machine)
	le.PutUint32(h[20:], 1)
	le.PutUint64(h[32:], 64)
	le.PutUint16(h[52:], 64)
	le.PutUint16(h[54:], 56)
	le.PutUint16(h[56:], 1)
	ph := h[64:]
	le.PutUint32(ph, 3)
	le.PutUint64(ph[8:], uint64(len(h)))
	le.PutUint64(ph[32:], uint64(len(loader)+1))
	return string(h) + loader + "\x00"
}

func ourMachine() uint16 {
	if runtime.GOARCH == "arm64" {
		return 183
	}
	return 62
}

func otherMachine() (uint16, string) {
	if runtime.GOARCH == "arm64" {
		return 62, "amd64"
	}
	return 183, "arm64"
}

// Each is really started, and the kernel's error explained.
func TestEveryFailedStartIsExplained(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other, otherName := otherMachine()
	if err := os.Symlink("nowhere", filepath.Join(dir, "dead-link")); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		program, dir string
		env          []string
		want         []string
	}{
		"Windows line ends":          {program: put("crlf.sh", "#!/bin/sh\r\necho hi\r\n", 0o755), want: []string{`"/bin/sh\r"`, "Windows line ends", "dos2unix"}},
		"Windows ends after options": {program: put("crlf2.sh", "#!/bin/nosuch -e\r\necho hi\r\n", 0o755), want: []string{"/bin/nosuch does not exist"}},
		"a missing interpreter":      {program: put("python.py", "#! /opt/none/python3 -u\n", 0o755), want: []string{"interpreter /opt/none/python3 does not exist"}},
		"a relative interpreter":     {program: put("rel.py", "#!python3\n", 0o755), want: []string{"#!/usr/bin/env python3"}},
		"no interpreter":             {program: put("none.sh", "#!\necho\n", 0o755), want: []string{"names no interpreter"}},
		"an interpreter's loader":    {program: put("deep.sh", "#!"+put("interp", elfFile(ourMachine(), "/lib/ld-none.so.1"), 0o755)+"\n", 0o755), want: []string{"interp cannot be started", "loader /lib/ld-none.so.1"}},
		"an interpreter without x":   {program: put("nox.sh", "#!"+put("plain", "x", 0o644)+"\n", 0o755), want: []string{"plain, which cannot be executed", "chmod +x"}},
		"no #! line":                 {program: put("bare.sh", "echo hi\n", 0o755), want: []string{"#!/bin/sh"}},
		"an empty file":              {program: put("empty", "", 0o755), want: []string{"the file is empty"}},
		"a byte order mark":          {program: put("bom.sh", "\xef\xbb\xbf#!/bin/sh\n", 0o755), want: []string{"byte order mark"}},
		"another architecture":       {program: put("other", elfFile(other, "/lib/ld.so"), 0o755), want: []string{"architecture " + otherName, "this machine is " + runtime.GOARCH}},
		"a missing loader":           {program: put("glibc", elfFile(ourMachine(), "/lib/ld-none.so.2"), 0o755), want: []string{"loader /lib/ld-none.so.2", "link it statically"}},
		"a Windows program":          {program: put("app.exe", "MZ\x90\x00\x03\x00", 0o755), want: []string{"a program for Windows"}},
		"no right to execute":        {program: put("plain.sh", "#!/bin/sh\n", 0o644), want: []string{"not executable: chmod +x", "plain.sh"}},
		"a directory":                {program: dir, want: []string{"is a directory"}},
		"a missing file":             {program: filepath.Join(dir, "gone"), want: []string{"there is no file", "gone"}},
		"a dead link":                {program: filepath.Join(dir, "dead-link"), want: []string{"symbolic link to nowhere"}},
		"a file as a directory":      {program: filepath.Join(dir, "bare.sh", "x"), want: []string{"not a directory"}},
		"a missing directory":        {program: "/bin/true", dir: filepath.Join(dir, "nodir"), want: []string{"there is no directory", "nodir"}},
		"a file for a directory":     {program: "/bin/true", dir: filepath.Join(dir, "bare.sh"), want: []string{"bare.sh is not a directory"}},
		"a name that is nowhere":     {program: "no-such-program-here", want: []string{"no such program in PATH"}},
		"a name in the directory":    {program: "bare.sh", dir: dir, want: []string{"write ./bare.sh"}},
		"a relative path":            {program: "./gone.sh", dir: dir, want: []string{filepath.Join(dir, "gone.sh")}},
		"a variable that is too big": {program: "/bin/true", env: []string{"A=1", "BIG=" + strings.Repeat("x", 1<<18)}, want: []string{"BIG has 262144 bytes", "file"}},
	}
	if runtime.GOOS != "linux" {
		for _, name := range []string{"another architecture", "a missing loader", "an interpreter's loader", "a variable that is too big", "no #! line", "an empty file", "a byte order mark"} {
			delete(cases, name)
		}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(c.program)
			cmd.Dir, cmd.Env = c.dir, c.env
			err := cmd.Start()
			if err == nil {
				_ = cmd.Wait()
				t.Fatal("it was started")
			}
			got := Explain(Start{Program: c.program, Dir: c.dir, Env: c.env}, err)
			for _, want := range c.want {
				if !strings.Contains(got.Error(), want) {
					t.Errorf("%q is not in: %v", want, got)
				}
			}
			if strings.Contains(got.Error(), "fork/exec") || strings.Contains(got.Error(), "\n") {
				t.Errorf("not a sentence: %v", got)
			}
			if errors.Is(err, fs.ErrNotExist) && !errors.Is(got, fs.ErrNotExist) {
				t.Error("the cause is lost")
			}
			if again := Explain(Start{Program: "x"}, got); again.Error() != got.Error() {
				t.Errorf("explained twice: %v", again)
			}
		})
	}
}

func TestAScriptThatItsOwnLineEndsStopWhenItRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env.sh")
	for content, want := range map[string]bool{"#!/usr/bin/env sh\r\necho\r\n": true, "#!/usr/bin/env sh\necho\r\n": false, "echo\r\n": false} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, got := WindowsLineEnds(path); got != want {
			t.Errorf("%q: %v", content, got)
		}
	}
}

func TestNoexecIsNamed(t *testing.T) {
	mount := "mount -t tmpfs -o noexec none \"$1\" && cp /bin/true \"$1\"/program && exec \"$0\" -test.run '^TestNoexecIsNamed$' -test.v"
	if dir := os.Getenv("WAYPOINT_TEST_NOEXEC"); dir != "" {
		program := filepath.Join(dir, "program")
		err := Explain(Start{Program: program}, exec.Command(program).Run())
		if err == nil || !strings.Contains(err.Error(), "noexec") {
			t.Errorf("got %v", err)
		}
		return
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("needs unshare(1)")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(unshare, "--user", "--map-root-user", "--mount", "sh", "-c", mount, self, dir)
	cmd.Env = append(os.Environ(), "WAYPOINT_TEST_NOEXEC="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil && !bytes.Contains(out, []byte("--- FAIL")) {
		t.Skipf("no mounts here: %v %s", err, out)
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Errorf("%v\n%s", err, out)
	}
}
