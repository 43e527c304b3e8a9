package git

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestVersions(t *testing.T) {
	for text, fails := range map[string]string{
		"git version 2.30.0\n":                   "",
		"git version 2.39.5 (Apple Git-154)\n":   "",
		"git version 2.51.0.windows.1\n":         "",
		"git version 3.0.0-rc1\n":                "",
		"git version 2.29.3\n":                   "too old: it is 2.29",
		"git version 1.99.0\n":                   "too old: it is 1.99",
		"usage: something else\n":                "instead of its version",
		"":                                       "instead of its version",
		"\x1b[31mgit version 2.40.0 (colored)\n": "instead of its version",
	} {
		err := checkVersion(text)
		if fails == "" && err != nil || fails != "" && (err == nil || !strings.Contains(err.Error(), fails)) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestOwnershipIsToldWithTheCommandThatHelps(t *testing.T) {
	for stderr, command := range map[string]string{
		"fatal: detected dubious ownership in repository at '/srv/repo'\nTo add an exception": "git config --global --add safe.directory /srv/repo",
		"fatal: unsafe repository ('/srv/repo' is owned by someone else)\n":                   "git config --global --add safe.directory /srv/repo",
		"fatal: detected dubious ownership in repository at '/srv/my repo'\n":                 "git config --global --add safe.directory '/srv/my repo'",
		"fatal: detected dubious ownership in repository at 'C:/repo'\n":                      "git config --global --add safe.directory C:/repo",
	} {
		if err := Ownership(stderr); err == nil || !strings.HasSuffix(err.Hint, command) {
			t.Errorf("%q: got %v", stderr, err)
		}
	}
	if err := Ownership("fatal: not a git repository"); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestAReasonIsOneSafeLine(t *testing.T) {
	stderr := "debug1: a\nremote: \x1b[31mred\x1b[0m \u202eevil\nhint: try\nfatal: no\rfatal: yes\n"
	if got := Reason(stderr, errors.New("x")); got != "remote: [31mred[0m evil; fatal: no; fatal: yes" {
		t.Errorf("got %q", got)
	}
	if got := Reason("\n", errors.New("exit 1")); got != "exit 1" {
		t.Errorf("got %q", got)
	}
	if got := Reason(strings.Repeat("é", 10_000), nil); len(got) > 700 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestTheEnvironmentOfFetchedContent(t *testing.T) {
	got := strings.Join(FetchedEnvironment([]string{
		"PATH=/bin", "GIT_DIR=/x", "GIT_TRACE_CURL=1", "GIT_CONFIG_COUNT=1", "SSH_ASKPASS=x", "AWS_SECRET_ACCESS_KEY=x", "https_proxy=p", "SSL_CERT_FILE=/ca",
		"GIT_SSL_NO_VERIFY=1", "HOME=/root", "LC_ALL=de_DE.UTF-8",
	}, "/h"), "\n")
	for _, expected := range []string{"PATH=/bin", "https_proxy=p", "GIT_SSL_CAINFO=/ca", "HOME=/h", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/h/.gitconfig", "GIT_TERMINAL_PROMPT=0"} {
		if !strings.Contains(got+"\n", expected+"\n") {
			t.Errorf("%s is missing in\n%s", expected, got)
		}
	}
	for _, wrong := range []string{"GIT_DIR", "TRACE", "COUNT", "SSH_ASKPASS", "AWS", "NO_VERIFY", "/root", "de_DE"} {
		if strings.Contains(got, wrong) {
			t.Errorf("%s is in\n%s", wrong, got)
		}
	}
}

// A filter of the user's that hangs is ended with its question.
func TestAQuestionEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{
		{"init", "-q"}, {"config", "filter.slow.clean", "sleep 300"}, {"-c", "filter.slow.clean=cat", "add", "."},
		{"-c", "filter.slow.clean=cat", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "first"},
	} {
		if args[0] == "-c" && args[2] == "add" {
			for name, text := range map[string]string{".gitattributes": "*.bin filter=slow\n", "a.bin": "a"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v %s", args, err, out)
		}
	}
	old := time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(dir, "a.bin"), old, old); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := Repo{Dir: dir}.Changed(ctx, false)
		done <- err
	}()
	time.AfterFunc(200*time.Millisecond, cancel)
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("the question did not end")
	}
}

// watcher notes what it is told.
type watcher struct {
	calls []string
	pid   int
}

func (w *watcher) Environ(env []string) []string {
	w.calls = append(w.calls, "environ")
	return append(env, "WATCHED=by-the-test")
}

func (w *watcher) Started(pid int) { w.calls, w.pid = append(w.calls, "started"), pid }
func (w *watcher) Ended()          { w.calls = append(w.calls, "ended") }

func TestQuestionsAreWatched(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("git", "-C", dir, "init").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if _, err := Program(t.Context()); err != nil { // the question about the version is asked once
		t.Fatal(err)
	}
	w := &watcher{}
	ctx := WithWatcher(t.Context(), func() Watcher { return w })
	out, err := Repo{Dir: dir}.Output(ctx, nil, "-c", "alias.mark=!echo $WATCHED", "mark")
	if err != nil || strings.TrimSpace(string(out)) != "by-the-test" {
		t.Fatalf("%q %v", out, err)
	}
	if got := strings.Join(w.calls, " "); got != "environ started ended" || w.pid == 0 {
		t.Errorf("it was told %s, pid %d", got, w.pid)
	}
}
