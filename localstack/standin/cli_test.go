package standin_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/release/pack"
	"github.com/waypoint-serverless/waypoint/localstack/standin"
)

// cliVersion is what the command says it is.
const cliVersion = "1.2.3"

// goCache is this machine's, so that users with homes of their own need not build the standard library anew.
var goCache string

// buildCLI makes the command as `make build` does: the functions' code and the entrypoint lie beside it.
func buildCLI(dir string) error {
	binary, err := pack.Bootstrap(code)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "bootstrap"), binary, 0o700); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-ldflags", "-X github.com/waypoint-serverless/waypoint/internal/version.release="+cliVersion, "-o", dir+string(filepath.Separator), "../../cli/waypoint", "../../entrypoint/waypoint-entrypoint")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the CLI: %w\n%s", err, out)
	}
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	goCache = strings.TrimSpace(string(cache))
	return err
}

// user is somebody with the CLI and the operator's keys to an endpoint.
type user struct {
	t   *testing.T
	bin string
	env []string
	dir string
}

func newUser(t *testing.T, s *standin.StandIn, endpoint string) *user {
	t.Helper()
	keys, err := s.Config().Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	return &user{t: t, bin: filepath.Join(cliDir, "waypoint"), dir: home, env: append(os.Environ(),
		"HOME="+home, "GOCACHE="+goCache, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "WAYPOINT_SERVER_ADDR=", "WAYPOINT_CONTEXT=", "AWS_PROFILE=",
		"AWS_ENDPOINT_URL="+endpoint, "AWS_REGION="+standin.Region, "AWS_ACCESS_KEY_ID="+keys.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY="+keys.SecretAccessKey, "AWS_SESSION_TOKEN=", "AWS_EC2_METADATA_DISABLED=true", "NO_COLOR=1")}
}

func (u *user) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, u.bin, args...)
	cmd.Env, cmd.Dir = u.env, u.dir
	return cmd
}

// run wants success, within five minutes; it gives stdout and stderr.
func (u *user) run(args ...string) string {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	out, err := u.command(ctx, args...).CombinedOutput()
	u.t.Logf("%5.1f s: waypoint %s", time.Since(began).Seconds(), strings.Join(args, " "))
	if err != nil {
		u.t.Fatalf("waypoint %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (u *user) refused(says string, args ...string) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), 5*time.Minute)
	defer cancel()
	out, err := u.command(ctx, args...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), says) {
		u.t.Fatalf("waypoint %s: %v, want a refusal that says %q\n%s", strings.Join(args, " "), err, says, out)
	}
}

// hello copies the example, which listens, prints and ends with its deployment.
func (u *user) hello() {
	u.t.Helper()
	if err := os.CopyFS(u.dir, os.DirFS("../../examples/hello")); err != nil {
		u.t.Fatal(err)
	}
}

// logs follows the app's logs until a line comes.
func (u *user) logs(line string) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := u.command(ctx, "logs")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		u.t.Fatal(err)
	}
	text := ""
	for lines := bufio.NewScanner(out); !strings.Contains(text, line) && lines.Scan(); text += lines.Text() + "\n" {
	}
	cancel()
	_ = cmd.Wait() // it was killed, or has said why it ended
	if !strings.Contains(text, line) {
		u.t.Fatalf("the app's logs have no %q:\n%s", line, text)
	}
}

// A user's whole way: install, use, upgrade, look, remove.
func TestTheCommandInstallsUsesUpgradesAndRemoves(t *testing.T) {
	t.Parallel()
	s := start(t, standin.Options{})
	u := newUser(t, s, s.URL)
	u.refused("stdin is not a terminal", "install", "--platform=aws")
	if left := s.Left(); len(left) > 0 {
		t.Fatalf("a plan that nobody agreed to left %q", left)
	}
	out := u.run("install", "--platform=aws", "--yes", "--tag", "team=web", "--parameter", "LogRetentionDays=14")
	for _, want := range []string{"+ Table ", "CREATE_COMPLETE", "waypoint is installed", "$0.0", "may write the installation's table", `The context "aws" is the default`} {
		if !strings.Contains(out, want) {
			t.Errorf("install does not say %q:\n%s", want, out)
		}
	}
	u.hello()
	u.run("init")
	if out := u.run("up", "-var", "port=18917"); !strings.Contains(out, "Brought up web") {
		t.Errorf("up says:\n%s", out)
	}
	if out := u.run("status", "--json"); !strings.Contains(out, `"hello"`) {
		t.Errorf("status says:\n%s", out)
	}
	u.logs("hello listens")
	var health struct {
		OK     bool
		Checks []struct{ Name, Status, Detail string }
	}
	if err := json.Unmarshal([]byte(u.run("doctor", "--json")), &health); err != nil || !health.OK || len(health.Checks) < 14 {
		t.Errorf("%v: the doctor says %+v", err, health)
	}
	u.run("destroy", "--yes")
	// Once more changes nothing, and makes no second token.
	before := u.run("token", "list", "--json")
	if out := u.run("install", "--platform=aws", "--yes"); !strings.Contains(out, "was already installed") {
		t.Errorf("a second install says:\n%s", out)
	}
	if after := u.run("token", "list", "--json"); strings.Count(after, `"id"`) != strings.Count(before, `"id"`) {
		t.Errorf("a second install made a token:\n%s", after)
	}
	if out := u.run("upgrade", "--platform=aws", "--yes", "--parameter", "LogRetentionDays=30"); !strings.Contains(out, "~ ApiLogs") {
		t.Errorf("upgrade says:\n%s", out)
	}
	if out := u.run("uninstall", "--platform=aws", "--yes"); !strings.Contains(out, "the table waypoint with all data") {
		t.Errorf("uninstall says:\n%s", out)
	}
	u.refused("No Waypoint server is configured", "status")
	// The table and its key were kept: a later installation has the projects.
	u.run("install", "--platform=aws", "--yes")
	if out := u.run("project", "list", "--json"); !strings.Contains(out, `"hello"`) {
		t.Errorf("the kept table has no project:\n%s", out)
	}
	if out := u.run("uninstall", "--platform=aws", "--yes", "--purge"); !strings.Contains(out, "Nothing is left") {
		t.Errorf("uninstall --purge says:\n%s", out)
	}
	if left := s.Left(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// changes says whether a request makes, changes or removes something. (The installer itself is cut off at each of all its
// requests in another test.)
func changes(t *testing.T, r *http.Request) bool {
	switch {
	case r.Method == http.MethodPut || r.Method == http.MethodDelete || strings.HasSuffix(r.URL.Path, "/invocations"):
		return true
	case r.Method != http.MethodPost:
		return false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	action := r.Header.Get("X-Amz-Target")
	if form, err := url.ParseQuery(string(body)); action == "" && err == nil {
		action = form.Get("Action")
	}
	for _, verb := range []string{"Create", "Execute", "Put", "Update", "Delete"} {
		if strings.Contains(action, verb) {
			return true
		}
	}
	return false
}

// A kill -9 of the command at each request that changes something, before or after the request was served: the next
// run completes, and an uninstall after any of them leaves nothing.
func TestAKilledCommandIsCompletedOrRemovedByTheNext(t *testing.T) {
	for _, way := range []string{"before", "after"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := start(t, standin.Options{})
			var at, seen atomic.Int64
			var kill atomic.Pointer[context.CancelFunc]
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				hit := changes(t, r) && seen.Add(1) == at.Load()
				if !hit {
					s.ServeHTTP(w, r)
					return
				}
				if way == "after" {
					s.ServeHTTP(httptest.NewRecorder(), r)
				}
				(*kill.Load())()
				_, _ = io.Copy(io.Discard, r.Body) // only then is the end of the connection noticed
				select {
				case <-r.Context().Done(): // the command is dead, and its connection with it
				case <-time.After(2 * time.Minute):
					t.Error("the command outlived its kill")
				}
			}))
			defer front.Close()
			u := newUser(t, s, front.URL)
			for n := int64(1); ; n++ {
				ctx, cancel := context.WithCancel(t.Context())
				cmd := u.command(ctx, "install", "--platform=aws", "--yes")
				kill.Store(&cancel)
				seen.Store(0)
				at.Store(n)
				out, err := cmd.CombinedOutput()
				cancel()
				at.Store(0)
				killed := seen.Load() >= n
				if !killed {
					if err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
					u.run("uninstall", "--platform=aws", "--yes", "--purge")
					t.Logf("killed at each of %d requests", n-1)
					if n < 8 {
						t.Errorf("only %d requests changed something", n-1)
					}
					return
				}
				if err == nil {
					t.Fatalf("request %d: the command was to be killed\n%s", n, out)
				}
				if n%2 == 0 {
					u.run("install", "--platform=aws", "--yes")
				}
				u.run("uninstall", "--platform=aws", "--yes", "--purge")
				if left := s.Left(); len(left) > 0 {
					t.Fatalf("after a kill %s request %d and a removal these are left: %q", way, n, left)
				}
			}
		})
	}
}
