package ignore

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func TestCopyLeavesOutWhatTheRulesName(t *testing.T) {
	cases := map[string]struct{ rules, want string }{
		"without rules, all but .git":   {"", ".waypointignore a.txt dir/b.txt dir/keep.txt dir/sub/c.log node_modules/x/y.js"},
		"a directory":                   {"node_modules\n# comment\n", ".waypointignore a.txt dir/b.txt dir/keep.txt dir/sub/c.log"},
		"a glob at any depth":           {"**/*.log", ".waypointignore a.txt dir/b.txt dir/keep.txt node_modules/x/y.js"},
		"a file taken back in":          {"dir\n!dir/keep.txt", ".waypointignore a.txt dir/keep.txt node_modules/x/y.js"},
		".git stays out with negations": {"*.txt\n!a.txt", ".waypointignore a.txt dir/b.txt dir/keep.txt dir/sub/c.log node_modules/x/y.js"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			from, to := t.TempDir(), filepath.Join(t.TempDir(), "new")
			write(t, from, map[string]string{
				File: c.rules, "a.txt": "a", "dir/b.txt": "b", "dir/keep.txt": "k", "dir/sub/c.log": "c",
				"node_modules/x/y.js": "y", ".git/HEAD": "ref",
			})
			rules, err := Load(from)
			if err != nil {
				t.Fatal(err)
			}
			n, err := rules.Copy(from, to)
			if err != nil {
				t.Fatal(err)
			}
			got := list(t, to)
			if strings.Join(got, " ") != c.want || n.Files != len(got) {
				t.Fatalf("got  %s (%d)\nwant %s", strings.Join(got, " "), n.Files, c.want)
			}
		})
	}
}

func TestCopyIntoItselfEnds(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.txt": "a"})
	rules, _ := Load(dir)
	if _, err := rules.Copy(dir, filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	if got := list(t, dir); strings.Join(got, " ") != "a.txt out/a.txt" {
		t.Fatal(got)
	}
}

func TestLinksStayInside(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.txt": "a"})
	if err := os.Symlink("a.txt", filepath.Join(dir, "good")); err != nil {
		t.Skipf("symbolic links cannot be made here: %v", err)
	}
	rules, _ := Load(dir)
	to := filepath.Join(t.TempDir(), "to")
	if _, err := rules.Copy(dir, to); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(filepath.Join(to, "good")); err != nil || target != "a.txt" {
		t.Fatal(target, err)
	}
	// Absolute links are an app's own affair: a Python venv has one to the interpreter.
	if err := os.Symlink("/usr/bin/python3", filepath.Join(dir, "python")); err != nil {
		t.Fatal(err)
	}
	if _, err := rules.Copy(dir, to); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(filepath.Join(to, "python")); err != nil || target != "/usr/bin/python3" {
		t.Fatal(target, err)
	}
	if err := os.Symlink("../secret", filepath.Join(dir, "bad")); err != nil {
		t.Fatal(err)
	}
	_, err := rules.Copy(dir, filepath.Join(t.TempDir(), "to"))
	if err == nil || !strings.Contains(err.Error(), "bad points to ../secret") || !strings.Contains(err.Error(), File) {
		t.Fatalf("a link that leads out: %v", err)
	}
	write(t, dir, map[string]string{File: "bad"})
	if rules, err = Load(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := rules.Copy(dir, filepath.Join(t.TempDir(), "to")); err != nil {
		t.Fatalf("the link is named in %s, and still: %v", File, err)
	}
}

func TestABrokenPatternIsRefused(t *testing.T) {
	if _, err := Parse(strings.NewReader("[")); err == nil {
		t.Fatal("accepted")
	}
}
