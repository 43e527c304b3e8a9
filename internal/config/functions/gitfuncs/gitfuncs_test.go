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
)

// git runs the git program, whose repositories are what the functions must read.
func git(t *testing.T, dir string, args ...string) string {
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
		t.Skip("there is no git program to make repositories with")
	}
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main")
	write(t, filepath.Join(dir, "f"), "1")
	write(t, filepath.Join(dir, ".gitignore"), "ignored\n")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "first")
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
	table := gitfuncs.Table(dir, func() time.Time { return time.Unix(1700000000, 0) })
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
	head := git(t, dir, "rev-parse", "HEAD")
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
	git(t, dir, "tag", "v1")
	want(t, dir, "gitreftag", "v1")
	want(t, dir, "gitrefpretty", "v1")
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "second")
	want(t, dir, "gitreftag", "")
	git(t, dir, "tag", "-a", "-m", "annotated", "v2")
	want(t, dir, "gitrefpretty", "v2")
}

func TestDetachedHeadWorktreeAndShallowClone(t *testing.T) {
	dir := repository(t)
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "second")
	head := git(t, dir, "rev-parse", "HEAD")

	linked := filepath.Join(t.TempDir(), "linked")
	git(t, dir, "worktree", "add", "-q", "--detach", linked)
	want(t, linked, "gitrefhash", head)
	want(t, linked, "gitrefpretty", head[:7])

	shallow := filepath.Join(t.TempDir(), "shallow")
	git(t, dir, "clone", "-q", "--depth", "1", "file://"+filepath.ToSlash(dir), shallow)
	want(t, shallow, "gitrefhash", head)
	want(t, shallow, "gitrefpretty", head[:7])
	if got, err := call(t, shallow, "gitremoteurl", cty.StringVal("origin")); err != nil || !strings.HasPrefix(got, "file://") {
		t.Error(got, err)
	}

	git(t, dir, "checkout", "-q", "--detach", "HEAD~1")
	want(t, dir, "gitrefhash", git(t, dir, "rev-parse", "HEAD"))
}

func TestMistakes(t *testing.T) {
	if _, err := call(t, t.TempDir(), "gitrefhash"); err == nil || !strings.Contains(err.Error(), "not in a git repository") {
		t.Error(err)
	}
	dir := repository(t)
	if _, err := call(t, dir, "gitremoteurl", cty.StringVal("origin")); err == nil || !strings.Contains(err.Error(), "has none") {
		t.Error(err)
	}
	git(t, dir, "remote", "add", "upstream", "https://example.com/x.git")
	if _, err := call(t, dir, "gitremoteurl", cty.StringVal("origin")); err == nil || !strings.Contains(err.Error(), "has upstream") {
		t.Error(err)
	}
	empty := t.TempDir()
	git(t, empty, "init", "-q")
	if _, err := call(t, empty, "gitrefpretty"); err == nil || !strings.Contains(err.Error(), "no commit yet") {
		t.Error(err)
	}
}
