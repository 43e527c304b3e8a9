//go:build unix

package process

import (
	"os"
	"path/filepath"
	"strings"
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
		"the command is an empty string": {BuildConfig{Command: []string{""}}, "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&builder{config: c.config}).Build(t.Context(), newBench(t).env)
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
