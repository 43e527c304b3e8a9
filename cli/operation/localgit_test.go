package operation

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func TestAddressesOfOneRepository(t *testing.T) {
	for _, same := range [][2]string{
		{"https://github.com/acme/shop.git", "git@github.com:acme/shop"},
		{"https://user:pass@GitHub.com/acme/shop", "ssh://git@github.com/acme/shop.git/"},
		{"/srv/shop.git", "file:///srv/shop"},
	} {
		if !sameRepository(same[0], same[1]) {
			t.Errorf("%s and %s differ: %s, %s", same[0], same[1], repositoryName(same[0]), repositoryName(same[1]))
		}
	}
	for _, other := range [][2]string{{"https://github.com/acme/shop", "https://github.com/acme/shop2"}, {"https://a/x", "https://b/x"}, {"", ""}} {
		if sameRepository(other[0], other[1]) {
			t.Errorf("%s and %s are taken for one", other[0], other[1])
		}
	}
}

func TestTheDirectoryIsComparedWithTheSource(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	root := t.TempDir()
	bare, work := filepath.Join(root, "shop.git"), filepath.Join(root, "work")
	run := func(dir string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source := &waypointv1.GitSource{Url: "file://" + bare, Ref: "main"}
	expect := func(want string) {
		t.Helper()
		if got := localDifference(t.Context(), work, source); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	expect("") // no repository
	run(root, "init", "-q", "--bare", "-b", "main", bare)
	run(work, "init", "-q", "-b", "main")
	write("a", "1")
	expect("") // a repository of something else
	run(work, "remote", "add", "origin", bare)
	run(work, "add", ".")
	run(work, "commit", "-qm", "one")
	expect("commits that are not pushed")
	run(work, "push", "-q", "origin", "main")
	expect("")
	write("b", "new")
	expect("changes that are not committed")
	run(work, "add", ".")
	run(work, "commit", "-qm", "two")
	write("b", "newer")
	expect("changes that are not committed and commits that are not pushed")
	run(work, "checkout", "-q", "b")
	run(work, "push", "-q", "origin", "main")
	expect("")
	run(work, "checkout", "-q", "HEAD~1")
	expect("another commit checked out than main of the source")
	source.Ref = "nothing-known"
	expect("")
}
