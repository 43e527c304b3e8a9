package gitfuncs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/internal/config/functions/gitfuncs"
	"github.com/waypoint-serverless/waypoint/internal/git"
)

// run runs the git program, whose repositories are what the functions must read.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a",
		"GIT_COMMITTER_EMAIL=a@example.com", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func repository(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("these tests make repositories with the git program: install git")
	}
	dir := t.TempDir()
	run(t, dir, "init", "-q", "-b", "main")
	write(t, filepath.Join(dir, "f"), "1")
	write(t, filepath.Join(dir, ".gitignore"), "ignored\n")
	run(t, dir, "add", ".")
	run(t, dir, "commit", "-q", "-m", "first")
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func call(t *testing.T, dir, name string, args ...cty.Value) (string, error) {
	t.Helper()
	return callIn(t, git.Repo{Dir: dir}, name, args...)
}

func callIn(t *testing.T, repo git.Repo, name string, args ...cty.Value) (string, error) {
	t.Helper()
	table := gitfuncs.Table(t.Context(), repo, func() time.Time { return time.Unix(1700000000, 0) })
	v, err := table[name].Call(args)
	if err != nil {
		return "", err
	}
	return v.AsString(), nil
}

func want(t *testing.T, dir, name, expected string) {
	t.Helper()
	if got, err := call(t, dir, name); err != nil || got != expected {
		t.Errorf("%s: got %q, %v; want %q", name, got, err, expected)
	}
}

func TestPlainRepository(t *testing.T) {
	dir := repository(t)
	head := run(t, dir, "rev-parse", "HEAD")
	sub := filepath.Join(dir, "deep", "er")
	if err := os.MkdirAll(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	want(t, sub, "gitrefhash", head)
	want(t, sub, "gitrefpretty", head[:7])
	want(t, sub, "gitreftag", "")
	write(t, filepath.Join(dir, "ignored"), "x")
	want(t, sub, "gitrefpretty", head[:7])
	write(t, filepath.Join(dir, "f"), "2")
	want(t, sub, "gitrefpretty", head[:7]+"_CHANGES_1700000000")
}

func TestTags(t *testing.T) {
	dir := repository(t)
	run(t, dir, "tag", "v1")
	want(t, dir, "gitreftag", "v1")
	want(t, dir, "gitrefpretty", "v1")
	run(t, dir, "commit", "-q", "--allow-empty", "-m", "second")
	want(t, dir, "gitreftag", "")
	run(t, dir, "tag", "-a", "-m", "annotated", "v2")
	want(t, dir, "gitrefpretty", "v2")
}

func TestDetachedHeadWorktreeAndShallowClone(t *testing.T) {
	dir := repository(t)
	run(t, dir, "commit", "-q", "--allow-empty", "-m", "second")
	head := run(t, dir, "rev-parse", "HEAD")

	linked := filepath.Join(t.TempDir(), "linked")
	run(t, dir, "worktree", "add", "-q", "--detach", linked)
	want(t, linked, "gitrefhash", head)
	want(t, linked, "gitrefpretty", head[:7])

	shallow := filepath.Join(t.TempDir(), "shallow")
	run(t, dir, "clone", "-q", "--depth", "1", "file://"+filepath.ToSlash(dir), shallow)
	want(t, shallow, "gitrefhash", head)
	want(t, shallow, "gitrefpretty", head[:7])
	if got, err := call(t, shallow, "gitremoteurl", cty.StringVal("origin")); err != nil || !strings.HasPrefix(got, "file://") {
		t.Error(got, err)
	}

	run(t, dir, "checkout", "-q", "--detach", "HEAD~1")
	want(t, dir, "gitrefhash", run(t, dir, "rev-parse", "HEAD"))
}

func TestMistakes(t *testing.T) {
	if _, err := call(t, t.TempDir(), "gitrefhash"); err == nil || !strings.Contains(err.Error(), "not in a git repository") {
		t.Error(err)
	}
	dir := repository(t)
	if _, err := call(t, dir, "gitremoteurl", cty.StringVal("origin")); err == nil || !strings.Contains(err.Error(), "has no remotes") {
		t.Error(err)
	}
	run(t, dir, "remote", "add", "upstream", "https://example.com/x.git")
	if _, err := call(t, dir, "gitremoteurl", cty.StringVal("origin")); err == nil || !strings.Contains(err.Error(), "has upstream") {
		t.Error(err)
	}
	empty := t.TempDir()
	run(t, empty, "init", "-q")
	if _, err := call(t, empty, "gitrefpretty"); err == nil || !strings.Contains(err.Error(), "no commit yet") {
		t.Error(err)
	}
}

// home gives the user's configuration of git to this test.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{"HOME": dir, "XDG_CONFIG_HOME": filepath.Join(dir, ".config"), "GIT_CONFIG_NOSYSTEM": "1"} {
		t.Setenv(name, value)
	}
	return dir
}

// age makes git look at a file's content, as its time is not the one in the index.
func age(t *testing.T, path string) {
	t.Helper()
	old := time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
}

func TestTheUsersConfigurationApplies(t *testing.T) {
	cases := map[string]struct {
		// files of the home and of the repository, and what is done to them before the function is called.
		home, repo map[string]string
		then       func(t *testing.T, dir string)
		changed    bool
	}{
		"a clean filter, and a file whose time changed": {
			home: map[string]string{".gitconfig": "[filter \"up\"]\n clean = tr a-z A-Z\n smudge = tr A-Z a-z\n required\n"},
			repo: map[string]string{".gitattributes": "*.bin filter=up\n", "a.bin": "abc\n"},
			then: func(t *testing.T, dir string) { age(t, filepath.Join(dir, "a.bin")) },
		},
		"a clean filter, and a file that changed": {
			home: map[string]string{".gitconfig": "[filter \"up\"]\n clean = tr a-z A-Z\n smudge = tr A-Z a-z\n"},
			repo: map[string]string{".gitattributes": "*.bin filter=up\n", "a.bin": "abc\n"},
			then: func(t *testing.T, dir string) { write(t, filepath.Join(dir, "a.bin"), "abd\n") }, changed: true,
		},
		"line ends": {
			home: map[string]string{".gitconfig": "[core]\n autocrlf = true\n"},
			repo: map[string]string{"a.txt": "one\r\ntwo\r\n"},
			then: func(t *testing.T, dir string) { age(t, filepath.Join(dir, "a.txt")) },
		},
		"an untracked file": {
			then: func(t *testing.T, dir string) { write(t, filepath.Join(dir, "new"), "x") },
		},
		"a tracked file in an ignored directory": {
			home: map[string]string{".config/git/ignore": "out\n"},
			then: func(t *testing.T, dir string) {
				write(t, filepath.Join(dir, "out", "kept"), "x")
				run(t, dir, "add", "-f", "out/kept")
			}, changed: true,
		},
		"a deleted file": {
			then: func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "f")) }, changed: true,
		},
		"a file left out of a sparse checkout": {
			repo: map[string]string{"left/out": "x", "kept/in": "y"},
			then: func(t *testing.T, dir string) { run(t, dir, "sparse-checkout", "set", "kept") },
		},
		"a file assumed to be unchanged": {
			then: func(t *testing.T, dir string) {
				run(t, dir, "update-index", "--assume-unchanged", "f")
				write(t, filepath.Join(dir, "f"), "other")
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			user, dir := home(t), repository(t)
			for file, text := range c.home {
				write(t, filepath.Join(user, file), text)
			}
			for file, text := range c.repo {
				write(t, filepath.Join(dir, file), text)
			}
			commit := exec.Command("sh", "-c", "git add . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m more")
			commit.Dir = dir
			if out, err := commit.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			c.then(t, dir)
			expected := run(t, dir, "rev-parse", "HEAD")[:7]
			if c.changed {
				expected += "_CHANGES_1700000000"
			}
			want(t, dir, "gitrefpretty", expected)
		})
	}
}

func TestAHooksEnvironmentDoesNotLeadElsewhere(t *testing.T) {
	dir, other := repository(t), repository(t)
	run(t, other, "commit", "-q", "--allow-empty", "-m", "other")
	t.Setenv("GIT_DIR", filepath.Join(other, ".git"))
	t.Setenv("GIT_WORK_TREE", other)
	t.Setenv("GIT_INDEX_FILE", filepath.Join(other, ".git", "index"))
	got, err := call(t, dir, "gitrefhash")
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"} {
		_ = os.Unsetenv(name)
	}
	if expected := run(t, dir, "rev-parse", "HEAD"); err != nil || got != expected {
		t.Fatalf("got %q, %v; want %s", got, err, expected)
	}
}

func TestConfigurationOfTheMachineDoesNotApplyToFetchedContent(t *testing.T) {
	user, dir := home(t), repository(t)
	write(t, filepath.Join(dir, ".gitattributes"), "* filter=up\n")
	run(t, dir, "add", ".")
	run(t, dir, "commit", "-q", "-m", "attributes")
	ran := filepath.Join(user, "ran")
	write(t, filepath.Join(user, ".gitconfig"), "[filter \"up\"]\n clean = touch "+ran+"; tr a-z A-Z\n[core]\n fsmonitor = touch "+ran+"; false\n")
	write(t, filepath.Join(dir, "f"), "1") // the same content at another time
	age(t, filepath.Join(dir, "f"))
	head := run(t, dir, "rev-parse", "HEAD")
	if got, err := callIn(t, git.Repo{Dir: dir, Fetched: true}, "gitrefpretty"); err != nil || got != head[:7] {
		t.Errorf("got %q, %v; want %s", got, err, head[:7])
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("a program of the user's configuration ran on fetched content")
	}
}

func TestARemotesPasswordIsNotShown(t *testing.T) {
	dir := repository(t)
	run(t, dir, "remote", "add", "ci", "https://ci-token:s3cret@example.com/x.git")
	run(t, dir, "remote", "add", "ssh", "git@example.com:x.git")
	for name, expected := range map[string]string{"ci": "https://example.com/x.git", "ssh": "git@example.com:x.git"} {
		if got, err := call(t, dir, "gitremoteurl", cty.StringVal(name)); err != nil || got != expected {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestAMissingAnOldAndARefusingGitAreTold(t *testing.T) {
	dir := repository(t)
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ script, fails string }{
		"missing": {"", "not installed on this machine. Install git 2.30 or newer"},
		"old":     {"#!/bin/sh\n[ \"$1\" = --version ] && echo git version 2.17.1 || exec " + program + " \"$@\"\n", "too old: it is 2.17, and 2.30 or newer is required"},
		"odd":     {"#!/bin/sh\necho hello\n", "instead of its version"},
		"refusing": {
			"#!/bin/sh\n[ \"$1\" = --version ] && exec " + program + " \"$@\"\n" +
				"echo \"fatal: detected dubious ownership in repository at '/srv/some repo'\" >&2\nexit 128\n",
			"belongs to another user. If you trust it, run: git config --global --add safe.directory '/srv/some repo'",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			if c.script != "" {
				write(t, filepath.Join(bin, "git"), c.script)
				if err := os.Chmod(filepath.Join(bin, "git"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", bin)
			for _, function := range []string{"gitrefpretty", "gitrefhash", "gitreftag"} {
				if _, err := call(t, dir, function); err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%s: got %v", function, err)
				}
			}
			if _, err := call(t, dir, "gitremoteurl", cty.StringVal("origin")); err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("gitremoteurl: got %v", err)
			}
		})
	}
}
