//go:build unix

package process

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestABuildRunsItsCommandAndKeepsADirectory(t *testing.T) {
	b := newBench(t)
	build := &builder{config: BuildConfig{
		Command: []string{"sh", "-c", `echo "building $WHAT"; echo "token <$WAYPOINT_SERVER_TOKEN>"; mkdir -p out; echo "$WHAT" > out/made`},
		Env:     map[string]string{"WHAT": "it"}, Path: "out",
	}}
	first, err := build.Build(t.Context(), b.env)
	if err != nil {
		t.Fatal(err)
	}
	made := first.State.(artifact)
	if content, err := os.ReadFile(filepath.Join(made.Path, "made")); err != nil || string(content) != "it\n" {
		t.Errorf("kept %q, %v", content, err)
	}
	if out := b.screen.String(); !strings.Contains(out, "building it\n") || !strings.Contains(out, "token <>") {
		t.Errorf("the screen shows %q", out)
	}
	if first.Portable {
		t.Error("a directory is not portable")
	}
	again, err := build.Build(t.Context(), b.env)
	if err != nil || again.State.(artifact) != made {
		t.Errorf("the same build made another artifact: %v %v", again, err)
	}
}

func TestTheAppsDirectoryIsKeptLessWhatIsIgnored(t *testing.T) {
	b := newBench(t)
	write(t, filepath.Join(b.env.Dir, ".waypointignore"), "secret.txt\n")
	write(t, filepath.Join(b.env.Dir, "secret.txt"), "s")
	write(t, filepath.Join(b.env.Dir, ".git/config"), "g")
	write(t, filepath.Join(b.env.Dir, "sub/app.txt"), "a")
	res, err := (&builder{}).Build(t.Context(), b.env)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{"secret.txt": false, ".git": false, "sub/app.txt": true} {
		if _, err := os.Stat(filepath.Join(res.State.(artifact).Path, file)); (err == nil) != want {
			t.Errorf("%s kept: %v, want %v", file, err == nil, want)
		}
	}
}

func TestOldArtifactsArePruned(t *testing.T) {
	b := newBench(t)
	for i := range keptArtifacts + 5 {
		write(t, filepath.Join(b.env.Dir, "n"), strings.Repeat("x", i+1))
		if _, err := (&builder{}).Build(t.Context(), b.env); err != nil {
			t.Fatal(err)
		}
	}
	h, _ := homeOf(b.env)
	if entries, _ := os.ReadDir(h.artifactsDir(b.env)); len(entries) != keptArtifacts {
		t.Errorf("%d artifacts are kept", len(entries))
	}
}

func TestBuildsThatFailSayWhy(t *testing.T) {
	for name, c := range map[string]struct {
		config  BuildConfig
		message string
	}{
		"the command fails":              {BuildConfig{Command: []string{"sh", "-c", "echo nope; exit 9"}}, `ended with exit code 9`},
		"a signal ends it":               {BuildConfig{Command: []string{"sh", "-c", "kill -9 $$"}}, `ended with a signal`},
		"the command does not exist":     {BuildConfig{Command: []string{"no-such-compiler"}}, `"no-such-compiler" was not found`},
		"a path that does not exist":     {BuildConfig{Command: []string{"./build.sh"}}, `"./build.sh" was not found`},
		"the directory is not made":      {BuildConfig{Command: []string{"true"}, Path: "out"}, "there is no directory"},
		"the directory is somebody's":    {BuildConfig{Path: "../other"}, "leads out of the app's directory"},
		"the working directory is too":   {BuildConfig{Command: []string{"true"}, Dir: ".."}, "leads out of the app's directory"},
		"no working directory":           {BuildConfig{Command: []string{"true"}, Dir: "nodir"}, `dir = "nodir": there is no directory `},
		"a file for a directory":         {BuildConfig{Command: []string{"true"}, Dir: "plain.sh"}, `plain.sh is not a directory`},
		"it is not executable":           {BuildConfig{Command: []string{"./plain.sh"}}, `"./plain.sh" cannot be started: the file is not executable: chmod +x`},
		"it has Windows line ends":       {BuildConfig{Command: []string{"./crlf.sh"}}, "Windows line ends"},
		"the command is an empty string": {BuildConfig{Command: []string{""}}, "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			write(t, filepath.Join(b.env.Dir, "plain.sh"), "#!/bin/sh\n")
			write(t, filepath.Join(b.env.Dir, "crlf.sh"), "#!/bin/sh\r\n")
			if err := os.Chmod(filepath.Join(b.env.Dir, "crlf.sh"), 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := (&builder{config: c.config}).Build(t.Context(), b.env)
			sentence(t, err, c.message)
		})
	}
}

func TestARunnerWithoutAStateDirectorySaysSo(t *testing.T) {
	b := newBench(t)
	env := *b.env
	env.StateDir = ""
	_, err := (&builder{}).Build(t.Context(), &env)
	sentence(t, err, "no state directory")
}

// A Python project has a link to the interpreter; a build can leave sockets, and directories that nobody may write to.
func TestADirectoryIsKeptAsItIs(t *testing.T) {
	b := newBench(t)
	write(t, filepath.Join(b.env.Dir, "bin/run.sh"), "#!/bin/sh\n")
	write(t, filepath.Join(b.env.Dir, "shut/file"), "x")
	if err := os.MkdirAll(filepath.Join(b.env.Dir, "venv/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.Symlink("/usr/bin/python3", filepath.Join(b.env.Dir, "venv/bin/python")),
		os.Chmod(filepath.Join(b.env.Dir, "bin/run.sh"), 0o775),
		os.Chmod(filepath.Join(b.env.Dir, "shut"), 0o555),
		syscall.Mkfifo(filepath.Join(b.env.Dir, "pipe"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(b.env.Dir, "shut"), 0o755) })
	res, err := (&builder{}).Build(t.Context(), b.env)
	if err != nil {
		t.Fatal(err)
	}
	kept := res.State.(artifact).Path
	if target, err := os.Readlink(filepath.Join(kept, "venv/bin/python")); err != nil || target != "/usr/bin/python3" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	for name, want := range map[string]os.FileMode{"bin/run.sh": 0o775, "shut": 0o555} {
		if info, err := os.Stat(filepath.Join(kept, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if out := b.screen.String(); !strings.Contains(out, "pipe (a named pipe)") {
		t.Errorf("the screen shows %q", out)
	}
	// A mode is part of what was built.
	if err := os.Chmod(filepath.Join(b.env.Dir, "bin/run.sh"), 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := (&builder{}).Build(t.Context(), b.env)
	if err != nil || again.State.(artifact).Digest == res.State.(artifact).Digest {
		t.Errorf("another mode is the same artifact: %v", err)
	}
	if err := os.Symlink("../outside", filepath.Join(b.env.Dir, "out")); err != nil {
		t.Fatal(err)
	}
	if _, err := (&builder{}).Build(t.Context(), b.env); err == nil || !strings.Contains(err.Error(), ".waypointignore") {
		t.Errorf("a link that leads out: %v", err)
	}
}
