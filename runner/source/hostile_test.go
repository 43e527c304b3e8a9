package source

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// hostile serves a repository over http, whose tree make fills. mark is a file that no fetch may make.
func hostile(t *testing.T, make func(t *testing.T, tree, commit, mark string)) (url, mark string) {
	t.Helper()
	root, tree := t.TempDir(), filepath.Join(t.TempDir(), "main")
	mark = filepath.Join(t.TempDir(), "mark")
	commit := newRepo(t, tree, map[string]string{"main.txt": "main"})
	make(t, tree, commit, mark)
	published(t, root, tree)
	return serveGit(t, root, serving{}).url + "/main.git", mark
}

func TestHostileRepositories(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	newRepo(t, secret, map[string]string{"secret": "x"})
	submodule := func(url func(mark string) string) func(*testing.T, string, string, string) {
		return func(t *testing.T, tree, commit, mark string) { addSubmodule(t, tree, "sub", url(mark), commit) }
	}
	cases := map[string]struct {
		make  func(t *testing.T, tree, commit, mark string)
		fails string
	}{
		"a program as a submodule": {submodule(func(mark string) string { return "ext::sh -c touch% " + mark }), "git over ext is not supported"},
		"an option of ssh":         {submodule(func(mark string) string { return "ssh://-oProxyCommand=touch%20" + mark + "/x" }), "is not a git url"},
		"an option of ssh, short":  {submodule(func(mark string) string { return "-oProxyCommand=touch " + mark + ":x" }), "sub"},
		"an option of git":         {submodule(func(mark string) string { return "--upload-pack=touch " + mark }), "sub"},
		"a url of this machine":    {submodule(func(string) string { return "file://" + secret }), "is on this machine, and the repository that names it is not"},
		"a path of this machine":   {submodule(func(string) string { return secret }), "is not a git url"},
		"a credential of another":  {submodule(func(string) string { return "https://127.0.0.1:1?%0ahost=github.com/x" }), "sub"},
		"a git daemon":             {submodule(func(string) string { return "git://127.0.0.1:1/x" }), "git over git is not supported"},
		"an open file":             {submodule(func(string) string { return "fd::17" }), "git over fd is not supported"},
		"a submodule without its url": {func(t *testing.T, tree, commit, _ string) {
			runGit(t, tree, "config", "-f", ".gitmodules", "submodule.x.path", "sub")
			runGit(t, tree, "add", ".gitmodules")
			runGit(t, tree, "update-index", "--add", "--cacheinfo", "160000,"+commit+",sub")
			commitAllIndex(t, tree)
		}, "sub"},
		"a command in .gitmodules": {func(t *testing.T, tree, commit, mark string) {
			addSubmodule(t, tree, "sub", "./x", commit)
			runGit(t, tree, "config", "-f", ".gitmodules", "submodule.sub.update", "!touch "+mark)
			runGit(t, tree, "add", ".gitmodules")
			commitAllIndex(t, tree)
		}, ".gitmodules"},
		"a name that climbs": {func(t *testing.T, tree, commit, mark string) {
			runGit(t, tree, "config", "-f", ".gitmodules", "submodule.../../../x.path", "sub")
			runGit(t, tree, "config", "-f", ".gitmodules", "submodule.../../../x.url", "ext::touch "+mark)
			runGit(t, tree, "add", ".gitmodules")
			runGit(t, tree, "update-index", "--add", "--cacheinfo", "160000,"+commit+",sub")
			commitAllIndex(t, tree)
		}, "sub"},
		"a link as .gitmodules": {func(t *testing.T, tree, commit, _ string) {
			// git itself refuses to add one.
			list := hashObject(t, tree, "[submodule \"x\"]\n\tpath = sub\n\turl = ../x\n")
			link := hashObject(t, tree, "list")
			made := treeOf(t, tree, "100644 blob "+list+"\tlist\n120000 blob "+link+"\t.gitmodules\n160000 commit "+commit+"\tsub\n")
			runGit(t, tree, "reset", "-q", "--soft", runGit(t, tree, "commit-tree", "-m", "Link", "-p", "HEAD", made))
		}, ".gitmodules"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			url, mark := hostile(t, c.make)
			_, err := fetchInto(t, &waypointv1.GitSource{Url: url, RecurseSubmodules: true})
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("got %v", err)
			}
			if exists(mark) {
				t.Error("a program of the repository ran")
			}
		})
	}
}

func hashObject(t *testing.T, dir, text string) string {
	t.Helper()
	cmd := gitCommand(dir, "hash-object", "-w", "--stdin")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func treeOf(t *testing.T, dir, entries string) string {
	t.Helper()
	cmd := gitCommand(dir, "mktree", "--missing")
	cmd.Stdin = strings.NewReader(entries)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// commitAllIndex commits the index as it is: the files of submodules are not there.
func commitAllIndex(t *testing.T, tree string) {
	t.Helper()
	runGit(t, tree, "commit", "-q", "-m", "More")
}

func TestASubmodulesPlaceIsAnEmptyDirectoryOfTheCheckout(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"sub", "a/b", "full/x", ".git/modules"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"link": "a", "hooks": ".git"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, fine := range map[string]bool{
		"sub": true, "a/b": true, "link/b": false, "hooks/modules": false, ".git/modules": false, ".GIT/modules": false,
		"full": false, "missing": false, "../x": false, "/tmp": false, "a/../sub": true,
	} {
		if err := checkPlace(dir, path); (err == nil) != fine {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestHostileURLs(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	for url, fails := range map[string]string{
		"ext::sh -c touch% " + mark:    "git over ext is not supported",
		"ext://sh":                     "git over ext is not supported",
		"fd::17":                       "git over fd is not supported",
		"-oProxyCommand=touch " + mark: "is not a git url",
		"--upload-pack=touch " + mark:  "is not a git url",
		"-u:x":                         "is not a git url",
		"ssh://-oProxyCommand=touch%20" + mark + "/x": "is not a git url",
		"ssh://-x@host/y":               "is not a git url",
		"ssh://a%20b@host/y":            "is not a git url",
		"-oProxyCommand=x@host:path":    "is not a git url",
		"git://example.com/x":           "git over git is not supported",
		"gopher://127.0.0.1/x":          "git over gopher is not supported",
		"file://etc":                    "not an absolute path",
		"file://../x":                   "not an absolute path",
		"/srv/repo":                     "is not a git url",
		"../repo":                       "is not a git url",
		`C:\repo`:                       "is not a git url",
		"https://exa mple.com/x":        "is not a git url",
		"https://a\nb/x":                "is not a git url",
		"https:///x":                    "is not a git url",
		"bob:s3cret@host:path":          "is not a git url",
		"https://bob:s3cret%@host/path": "is not a git url",
	} {
		t.Run(url, func(t *testing.T) {
			_, err := fetchInto(t, &waypointv1.GitSource{Url: url, RecurseSubmodules: true})
			if err == nil || !strings.Contains(err.Error(), fails) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v", err)
			}
			if exists(mark) {
				t.Error("a program ran")
			}
		})
	}
}

func TestTheMachinesConfigurationDoesNotApplyToWhatIsFetched(t *testing.T) {
	home := t.TempDir()
	mark := filepath.Join(home, "mark")
	hook := filepath.Join(home, "hooks", "post-checkout")
	writeFile(t, hook, "#!/bin/sh\ntouch "+mark+"\n")
	writeFile(t, filepath.Join(home, "template", "hooks", "post-checkout"), "#!/bin/sh\ntouch "+mark+"\n")
	for _, path := range []string{hook, filepath.Join(home, "template", "hooks", "post-checkout")} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	url, _ := hostile(t, func(t *testing.T, tree, _, _ string) {
		writeFile(t, filepath.Join(tree, ".gitattributes"), "* filter=up\n")
		commitAll(t, tree, "Attributes")
	})
	writeFile(t, filepath.Join(home, ".gitconfig"), strings.ReplaceAll(`[core]
	hooksPath = `+filepath.Dir(hook)+`
	fsmonitor = MARK; false
	sshCommand = MARK
[init]
	templateDir = `+filepath.Join(home, "template")+`
[filter "up"]
	smudge = MARK; cat
	clean = MARK; cat
[credential]
	helper = "!MARK; true"
[url "file:///nowhere/"]
	insteadOf = http://127.0.0.1
[http]
	proxy = http://127.0.0.1:1
`, "MARK", "touch "+mark))
	for name, value := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, ".config"), "GIT_TEMPLATE_DIR": filepath.Join(home, "template"),
		"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "url.file:///nowhere/.insteadOf", "GIT_CONFIG_VALUE_0": "http://127.0.0.1",
		"GIT_SSH_COMMAND": "touch " + mark, "GIT_ASKPASS": hook, "GIT_PROXY_COMMAND": hook, "GIT_DIR": "/nowhere", "GIT_INDEX_FILE": "/nowhere",
	} {
		t.Setenv(name, value)
	}
	got, err := fetchInto(t, &waypointv1.GitSource{Url: url})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(got.Dir, "main.txt")); err != nil || string(text) != "main" {
		t.Errorf("got %q, %v", text, err)
	}
	if exists(mark) {
		t.Error("a program of the machine's configuration ran")
	}
	if exists(filepath.Join(got.Root, ".git", "hooks", "post-checkout")) {
		t.Error("hooks of a template are in the checkout")
	}
}

// running lists processes that name dir in their arguments.
func running(dir string) (found []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), dir) {
			found = append(found, file+": "+strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return found
}

func TestAFetchHasBounds(t *testing.T) {
	root, tree := t.TempDir(), filepath.Join(t.TempDir(), "main")
	files := map[string]string{"big": strings.Repeat("0123456789abcdef", 1<<17)} // 2 MB
	for i := range 50 {
		files["f"+strconv.Itoa(i)] = "x"
	}
	newRepo(t, tree, files)
	published(t, root, tree)
	server := serveGit(t, root, serving{first: func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/endless.git") {
			return false
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		for r.Context().Err() == nil { // fast enough for a server that is alive
			if _, err := w.Write([]byte("001e# service=git-upload-pack\n")); err != nil {
				break
			}
			_ = http.NewResponseController(w).Flush()
			time.Sleep(50 * time.Millisecond)
		}
		return true
	}})
	canceled, cancel := context.WithCancel(t.Context())
	time.AfterFunc(500*time.Millisecond, cancel)
	cases := map[string]struct {
		ctx    context.Context
		path   string
		limits Limits
		fails  string
	}{
		"that never ends":       {t.Context(), "/endless.git", Limits{Time: 2 * time.Second}, "did not end within 2s"},
		"that is canceled":      {canceled, "/endless.git", Limits{}, context.Canceled.Error()},
		"of a large file":       {t.Context(), "/main.git", Limits{Bytes: 1 << 20}, "larger than 1 MB"},
		"of many files":         {t.Context(), "/main.git", Limits{Files: 40}, "more than 40 files"},
		"within all its bounds": {t.Context(), "/main.git", Limits{Bytes: 64 << 20, Files: 400}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			_, err := Fetch(c.ctx, Request{
				Source: gitSource(&waypointv1.GitSource{Url: server.url + c.path}), Dir: filepath.Join(parent, "source"), Limits: c.limits,
			})
			if c.fails == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Fatalf("got %v", err)
			}
			var own *Error
			if !errors.Is(err, context.Canceled) && !errors.As(err, &own) {
				t.Errorf("%T is not in words for a person", err)
			}
			deadline := time.Now().Add(2 * time.Minute)
			for len(running(parent)) > 0 && time.Now().Before(deadline) {
				time.Sleep(20 * time.Millisecond)
			}
			if left := running(parent); len(left) > 0 {
				t.Errorf("processes are left: %v", left)
			}
		})
	}
}

func TestLimitsFromTheEnvironment(t *testing.T) {
	got, err := LimitsFrom([]string{"A=b", "WAYPOINT_SOURCE_TIMEOUT=90m", "WAYPOINT_SOURCE_MAX_MB=3"})
	if err != nil || got.Time != 90*time.Minute || got.Bytes != 3<<20 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"WAYPOINT_SOURCE_TIMEOUT=soon", "WAYPOINT_SOURCE_TIMEOUT=-1s", "WAYPOINT_SOURCE_MAX_MB=big", "WAYPOINT_SOURCE_MAX_MB=0"} {
		if _, err := LimitsFrom([]string{bad}); err == nil || !strings.Contains(err.Error(), bad[:strings.Index(bad, "=")]) {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}
