package source

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func TestRepositoriesOfThisMachine(t *testing.T) {
	cases := map[string]struct {
		// from makes the repository that is fetched out of one with two commits.
		from  func(t *testing.T, h history) string
		want  func(h history) string
		check func(t *testing.T, dir string)
		fails string
	}{
		"a worktree": {
			from: func(t *testing.T, h history) string {
				dir := filepath.Join(t.TempDir(), "linked")
				runGit(t, h.dir, "worktree", "add", "-q", dir, "feature/x")
				return dir
			},
			want: func(h history) string { return h.branch },
		},
		"a sparse checkout": {
			from: func(t *testing.T, h history) string {
				writeFile(t, filepath.Join(h.dir, "left", "out"), "x")
				commitAll(t, h.dir, "More")
				runGit(t, h.dir, "sparse-checkout", "set", "app")
				return h.dir
			},
			check: func(t *testing.T, dir string) {
				if !exists(filepath.Join(dir, "left", "out")) {
					t.Error("the sparse checkout was taken over")
				}
			},
		},
		"a shallow clone": {
			from: func(t *testing.T, h history) string {
				dir := filepath.Join(t.TempDir(), "shallow")
				runGit(t, "", "clone", "-q", "--depth=1", "file://"+h.dir, dir)
				return dir
			},
			want: func(h history) string { return h.second },
			check: func(t *testing.T, dir string) {
				if got := runGit(t, dir, "log", "--format=%H"); strings.Count(got, "\n") != 0 {
					t.Errorf("log: %s", got)
				}
				if !exists(filepath.Join(dir, ".git", "shallow")) {
					t.Error("the checkout does not know that it is shallow")
				}
			},
		},
		"a clone with alternates": {
			from: func(t *testing.T, h history) string {
				dir := filepath.Join(t.TempDir(), "borrows")
				runGit(t, "", "clone", "-q", "--shared", h.dir, dir)
				return dir
			},
			want: func(h history) string { return h.second },
		},
		"a bare repository": {
			from: func(t *testing.T, h history) string {
				dir := filepath.Join(t.TempDir(), "bare.git")
				runGit(t, "", "clone", "-q", "--bare", h.dir, dir)
				return dir
			},
			want: func(h history) string { return h.second },
		},
		"a detached HEAD": {
			from: func(t *testing.T, h history) string {
				runGit(t, h.dir, "checkout", "-q", "--detach", h.first)
				return h.dir
			},
			want: func(h history) string { return h.first },
		},
		"uncommitted changes": {
			from: func(t *testing.T, h history) string {
				writeFile(t, filepath.Join(h.dir, "app", "waypoint.hcl"), "changed")
				writeFile(t, filepath.Join(h.dir, "new"), "new")
				return h.dir
			},
			want: func(h history) string { return h.second },
			check: func(t *testing.T, dir string) {
				if exists(filepath.Join(dir, "new")) {
					t.Error("an uncommitted file was taken over")
				}
			},
		},
		"packed references": {
			from: func(t *testing.T, h history) string { runGit(t, h.dir, "gc", "-q"); return h.dir },
			want: func(h history) string { return h.second },
		},
		"a name with a space and a percent sign": {
			from: func(t *testing.T, h history) string {
				dir := filepath.Join(t.TempDir(), "a b%41")
				runGit(t, "", "clone", "-q", h.dir, dir)
				return strings.ReplaceAll(strings.ReplaceAll(dir, "%", "%25"), " ", "%20")
			},
			want: func(h history) string { return h.second },
		},
		"an empty repository": {
			from: func(t *testing.T, _ history) string {
				dir := t.TempDir()
				runGit(t, dir, "init", "-q")
				return dir
			},
			fails: "is empty",
		},
		"a HEAD that leads nowhere": {
			from: func(t *testing.T, h history) string {
				runGit(t, h.dir, "symbolic-ref", "HEAD", "refs/heads/gone")
				return h.dir
			},
			fails: "default branch of",
		},
		"a repository of another user": {
			from:  func(t *testing.T, h history) string { giveAway(t, h.dir); return h.dir },
			fails: "belongs to another user",
		},
		"a repository of another user that the runner's trusts": {
			from: func(t *testing.T, h history) string {
				giveAway(t, h.dir)
				home := t.TempDir()
				t.Setenv("HOME", home)
				writeFile(t, filepath.Join(home, ".gitconfig"), "[safe]\n\tdirectory = "+h.dir+"\n\tdirectory = "+h.dir+"/.git\n")
				return h.dir
			},
			want: func(h history) string { return h.second },
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHistory(t)
			from := c.from(t, h)
			got, err := fetchInto(t, &waypointv1.GitSource{Url: "file://" + from})
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.want != nil && got.Ref.GetCommit() != c.want(h) {
				t.Errorf("got %v", got.Ref)
			}
			if text, err := os.ReadFile(filepath.Join(got.Root, "app", "waypoint.hcl")); err != nil || string(text) == "changed" {
				t.Errorf("got %q, %v", text, err)
			}
			runGit(t, got.Root, "fsck")
			if status := runGit(t, got.Root, "status", "--porcelain"); status != "" {
				t.Errorf("the checkout has changes: %s", status)
			}
			if c.check != nil {
				c.check(t, got.Root)
			}
		})
	}
}

// giveAway makes a directory another user's.
func giveAway(t *testing.T, dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can give a directory to another user")
	}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, 12345, 12345)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestADirectoryOfAnotherUserIsTold(t *testing.T) {
	h := newHistory(t)
	giveAway(t, h.dir)
	local := &waypointv1.DataSource{Source: &waypointv1.DataSource_Local{Local: &waypointv1.LocalSource{}}}
	got, err := Fetch(t.Context(), Request{Source: local, LocalDir: h.dir})
	if err != nil || got.Ref != nil || !strings.Contains(got.Warning, "git config --global --add safe.directory "+h.dir) {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestTheHintAboutAnotherUsersDirectoryHelps(t *testing.T) {
	h := newHistory(t)
	giveAway(t, h.dir)
	t.Setenv("HOME", t.TempDir())
	source := &waypointv1.GitSource{Url: "file://" + h.dir}
	_, err := fetchInto(t, source)
	var own *Error
	if !errors.As(err, &own) {
		t.Fatalf("got %v", err)
	}
	_, command, ok := strings.Cut(own.Hint, "run: git ")
	if !ok {
		t.Fatalf("the hint is %q", own.Hint)
	}
	runGit(t, "", strings.Fields(command)...)
	if _, err := fetchInto(t, source); err != nil {
		t.Errorf("after `git %s`: %v", command, err)
	}
}

func TestFilesOfLFSComeFromARepositoryOfThisMachine(t *testing.T) {
	required(t, "git-lfs", "git-lfs")
	dir := t.TempDir()
	newRepo(t, dir, map[string]string{".gitattributes": "*.bin filter=lfs -text\n"})
	for _, setting := range [][]string{{"filter.lfs.clean", "git-lfs clean -- %f"}, {"filter.lfs.smudge", "git-lfs smudge -- %f"}} {
		runGit(t, dir, append([]string{"config"}, setting...)...)
	}
	writeFile(t, filepath.Join(dir, "a.bin"), "content")
	commitAll(t, dir, "LFS")
	got, err := fetchInto(t, &waypointv1.GitSource{Url: "file://" + dir})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(got.Root, "a.bin")); err != nil || string(text) != "content" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestADirectoryKeepsItsCommitWhateverGitDoesThere(t *testing.T) {
	h := newHistory(t)
	runGit(t, h.dir, "sparse-checkout", "set", "app")
	local := &waypointv1.DataSource{Source: &waypointv1.DataSource_Local{Local: &waypointv1.LocalSource{}}}
	got, err := Fetch(t.Context(), Request{Source: local, LocalDir: filepath.Join(h.dir, "app")})
	if err != nil || got.Ref.GetCommit() != h.second || got.Ref.GetDirty() || got.Warning != "" || got.Ref.GetCommitMessage() != "Second" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestWithoutGit(t *testing.T) {
	h := newHistory(t)
	t.Setenv("PATH", t.TempDir())
	_, err := fetchInto(t, &waypointv1.GitSource{Url: "file://" + h.dir})
	if err == nil || !strings.Contains(err.Error(), "the git program is not installed") {
		t.Errorf("got %v", err)
	}
	local := &waypointv1.DataSource{Source: &waypointv1.DataSource_Local{Local: &waypointv1.LocalSource{}}}
	got, err := Fetch(t.Context(), Request{Source: local, LocalDir: h.dir})
	if err != nil || !strings.Contains(got.Warning, "the git program is not installed") {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err = Fetch(t.Context(), Request{Source: local, LocalDir: t.TempDir()}); err != nil || got.Warning != "" {
		t.Errorf("outside a repository: got %+v, %v", got, err)
	}
}

// nested makes four repositories in one another: main holds sub, which holds sub, and so on.
func nested(t *testing.T, root string) {
	t.Helper()
	below, commit := "", ""
	for _, name := range []string{"three", "two", "one", "main"} {
		dir := filepath.Join(root, name)
		newRepo(t, dir, map[string]string{"name": name})
		if below != "" {
			addSubmodule(t, dir, "sub", "../"+below, commit)
		}
		below, commit = name, runGit(t, dir, "rev-parse", "HEAD")
	}
}

func TestSubmodulesAreFetchedToTheLevelThatWasAsked(t *testing.T) {
	root := t.TempDir()
	nested(t, root)
	server := serveGit(t, root, serving{})
	cases := map[string]struct {
		git       *waypointv1.GitSource
		overrides map[string]string
		levels    int
	}{
		"none":             {git: &waypointv1.GitSource{}, levels: 0},
		"one":              {git: &waypointv1.GitSource{RecurseSubmodules: true, SubmoduleLevels: 1}, levels: 1},
		"two":              {git: &waypointv1.GitSource{RecurseSubmodules: true, SubmoduleLevels: 2}, levels: 2},
		"more than it has": {git: &waypointv1.GitSource{RecurseSubmodules: true, SubmoduleLevels: 7}, levels: 3},
		"all":              {git: &waypointv1.GitSource{RecurseSubmodules: true}, levels: 3},
		"a number instead": {git: &waypointv1.GitSource{RecurseSubmodules: true}, overrides: map[string]string{"recurse_submodules": "2"}, levels: 2},
		"none instead":     {git: &waypointv1.GitSource{RecurseSubmodules: true}, overrides: map[string]string{"recurse_submodules": "false"}, levels: 0},
	}
	for _, base := range []string{"file://" + root, server.url} {
		for name, c := range cases {
			t.Run(strings.Split(base, ":")[0]+"/"+name, func(t *testing.T) {
				c.git.Url = base + "/main"
				if strings.HasPrefix(base, "http") {
					// The backend serves a work tree's repository under its name, so that ../one leads to one.
					c.git.Url = base + "/main"
				}
				got, err := Fetch(t.Context(), Request{Source: gitSource(c.git), Overrides: c.overrides, Dir: filepath.Join(t.TempDir(), "s")})
				if err != nil {
					t.Fatal(err)
				}
				dir := got.Root
				for level, want := range []string{"main", "one", "two", "three"} {
					text, err := os.ReadFile(filepath.Join(dir, "name"))
					if level <= c.levels && (err != nil || string(text) != want) || level > c.levels && err == nil {
						t.Errorf("level %d: %q, %v", level, text, err)
					}
					dir = filepath.Join(dir, "sub")
				}
				if status := runGit(t, got.Root, "status", "--porcelain"); status != "" {
					t.Errorf("the checkout has changes: %s", status)
				}
				if c.levels > 0 {
					if status := runGit(t, got.Root, "submodule", "status"); strings.HasPrefix(status, "-") || strings.HasPrefix(status, "+") {
						t.Errorf("git says of the submodule: %s", status)
					}
				}
			})
		}
	}
}

func TestASubmodulesCommitNeedNotBeOnABranch(t *testing.T) {
	root := t.TempDir()
	lib := filepath.Join(root, "lib")
	newRepo(t, lib, map[string]string{"name": "lib"})
	runGit(t, lib, "checkout", "-q", "--detach")
	hidden := commitAll(t, lib, "Hidden")
	runGit(t, lib, "checkout", "-q", "master")
	newRepo(t, filepath.Join(root, "main"), nil)
	addSubmodule(t, filepath.Join(root, "main"), "sub", "../lib", hidden)
	newRepo(t, filepath.Join(root, "bad"), nil)
	addSubmodule(t, filepath.Join(root, "bad"), "sub", "../lib", strings.Repeat("ab", 20))
	server := serveGit(t, root, serving{})
	if _, err := fetchInto(t, &waypointv1.GitSource{Url: server.url + "/main", RecurseSubmodules: true}); err != nil {
		t.Error(err)
	}
	_, err := fetchInto(t, &waypointv1.GitSource{Url: server.url + "/bad", RecurseSubmodules: true})
	if err == nil || !strings.Contains(err.Error(), "has no commit abab") {
		t.Errorf("got %v", err)
	}
}

func TestASubmoduleThatIsSetToNoneIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	commit := newRepo(t, filepath.Join(dir, "main"), nil)
	addSubmodule(t, filepath.Join(dir, "main"), "sub", "https://127.0.0.1:1/x", commit)
	runGit(t, filepath.Join(dir, "main"), "config", "-f", ".gitmodules", "submodule.sub.update", "none")
	runGit(t, filepath.Join(dir, "main"), "add", ".gitmodules")
	commitAllIndex(t, filepath.Join(dir, "main"))
	if _, err := fetchInto(t, &waypointv1.GitSource{Url: "file://" + filepath.Join(dir, "main"), RecurseSubmodules: true}); err != nil {
		t.Error(err)
	}
}

func TestTooManySubmodulesAreRefused(t *testing.T) {
	f := &fetch{fetched: maxSubmodules}
	root := t.TempDir()
	commit := newRepo(t, root, nil)
	addSubmodule(t, root, "sub", "https://127.0.0.1:1/x", commit)
	var err error
	if f.program, err = programPath(); err != nil {
		t.Fatal(err)
	}
	f.control = &control{dir: t.TempDir(), env: os.Environ()}
	err = f.submodules(t.Context(), address{kind: "https"}, root, root, 1)
	if err == nil || !strings.Contains(err.Error(), "more than "+strconv.Itoa(maxSubmodules)) {
		t.Errorf("got %v", err)
	}
}

func programPath() (string, error) {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if path := filepath.Join(dir, "git"); exists(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no git")
}
