package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/localstack/server"
)

// hello copies the example to a project of this world, with a stable port that nobody else uses.
func (w *world) hello(port int, remote bool) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, "hello")
	if err := os.CopyFS(dir, os.DirFS("../examples/hello")); err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(dir, "waypoint.hcl")
	hcl, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	text := strings.ReplaceAll(string(hcl), "8787", fmt.Sprint(port))
	if remote {
		text = strings.Replace(text, "\n\n", fmt.Sprintf("\n\nrunner {\n  enabled = true\n  data_source \"git\" {\n    url = \"file://%s\"\n  }\n}\n\n", dir), 1)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if remote {
		w.commit(dir)
		w.must(dir, "init")
	}
	return dir
}

var urlPattern = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

func get(t *testing.T, url string) string {
	t.Helper()
	c := &http.Client{Timeout: patience}
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %s: %v", url, res.Status, err)
	}
	return string(body)
}

// The main job: a real app answers at the printed URL, its configuration reaches it, and destroy leaves nothing.
func TestUp_HelloAnswers(t *testing.T) {
	for i, remote := range []bool{false, true} {
		t.Run(map[bool]string{false: "local", true: "remote"}[remote], func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.startServer()
			if remote {
				w.startRunner("r")
			}
			dir := w.hello(18787+i, remote)
			out := w.must(dir, "up")
			url := urlPattern.FindString(out[strings.LastIndex(out, fmt.Sprint(18787+i))-30:])
			if url == "" {
				t.Fatalf("no URL is printed:\n%s", out)
			}
			get(t, url)
			w.expectCheap("the first up")
			expectNoListeners(t, w, "waypoint-entrypoint")
			w.must(dir, "config", "set", "GREETING=Good evening")
			// The app gets it while it runs: an up deploys nothing for it.
			w.must(dir, "up")
			w.waitFor("the configuration in the app", time.Minute, func() error {
				if page := body(url); !strings.Contains(page, "Good evening") {
					return fmt.Errorf("it says %q", page)
				}
				return nil
			})
			if status := w.must(dir, "status", "--json"); !strings.Contains(status, "web") && !strings.Contains(status, "hello") {
				t.Fatalf("status: %s", status)
			}
			w.must(dir, "destroy", "-auto-approve")
			if res, err := (&http.Client{Timeout: time.Second}).Get(url); err == nil {
				_ = res.Body.Close()
				t.Fatalf("the app still answers after destroy: %s", res.Status)
			}
		})
	}
}

// The same through the Lambda bootstrap binary under the Runtime API emulator, instead of in-process handlers.
func TestUp_ThroughTheBootstrapBinary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(ctx, server.ServeOptions{Dir: w.data(), Listen: "none", Bootstrap: filepath.Join(binaries, "bootstrap")})
	}()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	w.waitFor("the server", 30*time.Second, func() error {
		token, err := os.ReadFile(filepath.Join(w.data(), "admin-token"))
		w.token = strings.TrimSpace(string(token))
		return err
	})
	dir := w.project("count", false)
	w.must(dir, "up")
	expectLines(t, w.numbers(w.latestJob("count").GetId()), 40)
}

// Two `up`s of one app at once: the second waits, says for which job, then runs.
func TestTwoUps_TheSecondWaitsAndSaysForWhichJob(t *testing.T) {
	for _, remote := range []bool{false, true} {
		t.Run(map[bool]string{false: "local", true: "remote"}[remote], func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.startServer()
			dir := w.project("count", remote)
			if remote {
				w.startRunner("r")
			}
			held, letGo := w.hold()
			first, out1 := w.start(dir, "up", held)
			w.waitFor("the first to build", 20*time.Second, func() error {
				if !strings.Contains(out1.String(), "line 3.") {
					return fmt.Errorf("not yet: %s", out1)
				}
				return nil
			})
			holder := w.latestJob("count").GetId()
			second, out2 := w.start(dir, "up")
			w.waitFor("the second to say what it waits for", 10*time.Second, func() error {
				if !strings.Contains(out2.String(), holder) {
					return fmt.Errorf("not said: %s", out2)
				}
				return nil
			})
			letGo()
			for _, c := range []*exec.Cmd{first, second} {
				if err := wait(t, c, time.Minute); err != nil {
					t.Fatalf("%v\n%s\n%s", err, out1, out2)
				}
			}
		})
	}
}

// What people get wrong, and what they are told.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startServer()
	dir := w.project("count", false)
	fails := func(wants []string, dir string, args ...string) {
		t.Helper()
		out, err := w.waypoint(dir, args...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() < 1 || exit.ExitCode() > 4 {
			t.Errorf("waypoint %v: exit %v, expected a failure\n%s", args, err, out)
		}
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("waypoint %v does not say %q:\n%s", args, want, out)
			}
		}
		if strings.Contains(out, "goroutine ") || strings.Contains(out, "panic:") {
			t.Errorf("waypoint %v prints a stack trace:\n%s", args, out)
		}
	}
	t.Run("no waypoint.hcl", func(*testing.T) { fails([]string{"waypoint.hcl"}, w.dir, "up") })
	t.Run("unknown app", func(*testing.T) { fails([]string{"nosuch"}, dir, "up", "-app", "nosuch") })
	t.Run("bad workspace", func(*testing.T) { fails([]string{"workspace"}, dir, "up", "-workspace", "Not Valid") })
	t.Run("unknown job", func(*testing.T) { fails([]string{"job"}, dir, "job", "inspect", "01JD2Z6Q0V9X8W7R5T3P1N4M6K") })
	t.Run("undeclared variable", func(*testing.T) { fails([]string{"nosuch"}, dir, "up", "-var", "nosuch=1") })
	t.Run("broken file", func(t *testing.T) {
		broken := filepath.Join(w.dir, "broken")
		_ = os.MkdirAll(broken, 0o755)
		if err := os.WriteFile(filepath.Join(broken, "waypoint.hcl"), []byte("project = \"x\"\n\napp \"web\" {\n  buid {\n  }\n}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		fails([]string{"waypoint.hcl:4", "build"}, broken, "up")
	})
	t.Run("failing build", func(t *testing.T) {
		failing := filepath.Join(w.dir, "failing")
		_ = os.MkdirAll(failing, 0o755)
		hcl := strings.Replace(fmt.Sprintf(countHCL, "failing", ""), `"sh", "-c", "`, `"sh", "-c", "echo the reason is here; exit 7; `, 1)
		if err := os.WriteFile(filepath.Join(failing, "waypoint.hcl"), []byte(hcl), 0o600); err != nil {
			t.Fatal(err)
		}
		fails([]string{"the reason is here", "7"}, failing, "up")
		if out := w.must(failing, "deployment", "list", "--json"); strings.Contains(out, `"sequence"`) {
			t.Errorf("something was deployed: %s", out)
		}
	})
	t.Run("wrong token", func(t *testing.T) {
		cmd := w.command(dir, "project", "list")
		cmd.Env = append(cmd.Env, "WAYPOINT_SERVER_TOKEN=wp_user_wrong")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "token") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("server not reachable", func(t *testing.T) {
		cmd := w.command(dir, "project", "list")
		cmd.Env = append(cmd.Env, "WAYPOINT_SERVER_ADDR=http://127.0.0.1:1")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "127.0.0.1:1") {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// install → up → uninstall --purge leaves nothing that runs, and the same again works: the fence of the new server's
// lanes begins at 1.
func TestInstall_PurgeAndAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := w.hello(18807, false)
	w.noServer = true // the context that install makes is used
	for range 2 {
		w.must(dir, "install", "--platform=local", "--listen", "none")
		w.must(dir, "up")
		get(t, "http://127.0.0.1:18807")
		w.must(dir, "up")
		w.must(dir, "uninstall", "--platform=local", "--purge", "--yes")
		w.nothingRuns()
	}
}

// A stopped local server is started again by the next command, which says so.
func TestInstall_StartedAgainByTheNextCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.noServer = true
	w.must(w.dir, "install", "--platform=local", "--listen", "none")
	w.must(w.dir, "install", "--platform=local", "--listen", "none")
	w.killAll()
	if out := w.must(w.dir, "project", "list"); !strings.Contains(out, "tarted") {
		t.Fatalf("it is not said that the server was started: %s", out)
	}
	w.must(w.dir, "uninstall", "--platform=local")
	w.nothingRuns()
}
