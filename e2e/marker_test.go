package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// shout prints all that it was given, in pieces, quoted and encoded.
const shout = `printf %s "$0" | cut -c1-8 | tr -d '\n'; sleep 0.1; printf '%s\n' "$0" | cut -c9-; ` +
	`echo "u:$0" | base64; echo "{\"t\":\"$1\"}" >&2; echo "$2 $3 $RUNNERSECRET"; echo "` + inTheFile + `"; env`

// markerSource is where a project's source is, with the password for it.
func markerSource(url string) string {
	return fmt.Sprintf(`
runner {
  enabled = true
  data_source "git" {
    url      = %q
    username = "git"
    password = %q
  }
}
`, url, inTheFile)
}

// markerApp is a project with an app whose stages are given; secrets are given to the build as arguments.
func markerApp(project, source, script, deploy string) string {
	return fmt.Sprintf("project = %q\n", project) + secretVariables + source + fmt.Sprintf(`app "web" {
  config {
    env = { FLAG = "x-${upper(var.flag)}" }
  }
  build {
    hook {
      when    = "before"
      command = ["sh", "-c", %[1]q, var.flag, var.env, var.file.password, var.server]
    }
    use "process" {
      command = ["sh", "-c", %[2]q, var.flag, var.env, "--password=${var.file.password}", upper(var.flag)]
    }
  }
  deploy {
    use "process" {
      %[3]s
      env = { SECRET = var.file.password }
    }
  }
}
`, shout, script, deploy)
}

const sleeps = `command = ["sleep", "1000"]`

// markers are the values that are looked for.
var markers = []string{byFlag, byEnv, byFile, byServer, byRunner, byConfig, inTheFile, upperFlag}

// giveMarkers gives the values that the server keeps.
func (s *secretWorld) giveMarkers() {
	s.t.Helper()
	s.pipe("server="+byServer, "variable", "set", "-sensitive")
	s.pipe("RUNNERSECRET="+byRunner, "config", "set", "-runner", "-sensitive")
	s.pipe("APPSECRET="+byConfig, "config", "set", "-app", "web", "-sensitive")
}

// A marker given in each way is in nothing that is printed, kept or shown of a process, when all goes well and when it fails.
func TestAMarkerIsNowhereWhenAJobFails(t *testing.T) {
	t.Parallel()
	s := newSecretWorld(t, "marker")
	app := func(script, deploy string) string {
		return markerApp("marker", markerSource("https://example.com/x.git"), script, deploy)
	}
	well := app(shout, sleeps)
	s.hcl(well)
	s.say("init")
	s.giveMarkers()
	stop := s.watchProcesses(markers)
	for name, c := range map[string]struct{ hcl, want string }{
		"build":    {app(shout+"; exit 3", sleeps), "exit code 3"},
		"hook":     {strings.Replace(well, "before\"\n      command = [\"sh\", \"-c\", \"", "before\"\n      command = [\"sh\", \"-c\", \"set -x; : $0 $1; ", 1), ""},
		"no such":  {app(shout, `command = ["./${var.flag}"]`), "was not found"},
		"app ends": {app(shout, `command = ["sh", "-c", "echo $SECRET $FLAG; exit 4"]`+"\n      health_check {\n        timeout = \"3s\"\n      }"), ""},
		"argument": {strings.Replace(well, `"--password=`, `"--password=${tonumber(var.env)}`, 1), ""},
		"diagnose": {strings.Replace(well, "upper(var.flag)]", "file(var.flag)]", 1), ""},
	} {
		s.hcl(c.hcl)
		if out, err := s.up("up", "-local"); name != "hook" && err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	// A build that is canceled while it has printed half of a value.
	s.hcl(app(`printf %s "$0" | cut -c1-12 | tr -d '\n'; touch started; sleep 1000`, sleeps))
	cmd := s.command(s.dir, append([]string{"build", "-local"}, s.given...)...)
	cmd.Stdout, cmd.Stderr = &s.said, &s.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.waitFor("the build to begin", patience, func() error { _, err := os.Stat(filepath.Join(s.dir, "started")); return err })
	_ = cmd.Process.Signal(syscall.SIGINT)
	_ = cmd.Wait()
	for _, at := range stop() {
		t.Error(at)
	}
	for _, args := range [][]string{
		{"config", "get"}, {"config", "get", "--json"}, {"config", "get", "-runner"}, {"config", "get", "-runner", "--json"},
		{"config", "get", "-app", "web", "-raw", "APPSECRET"}, {"config", "get", "-app", "web", "-raw", "FLAG"}, {"variable", "list", "--json"},
		{"job", "list", "--json"}, {"deployment", "list", "--json"}, {"status", "--json"}, {"artifact", "list-builds", "--json"},
	} {
		_, _ = s.run(args...)
	}
	if jobs := s.jobs("marker"); len(jobs) < 7 || !strings.Contains(s.said.String(), "(sensitive)") {
		t.Errorf("only %d jobs ran, or nothing was hidden:\n%s", len(jobs), s.said.String())
	}
	s.nowhere(markers)
}

// The same with a standing runner that fetches the source from a git server, which wants a password.
func TestAMarkerIsNowhereWithARunnerAndAGitServer(t *testing.T) {
	t.Parallel()
	s := newSecretWorld(t, "remote")
	url, asked := s.serveGit("git", inTheFile)
	commit := func(script string) {
		t.Helper()
		s.hcl(markerApp("remote", markerSource(url+"/remote/.git"), script, fmt.Sprintf(`command = [%q, "e2e-serve"]`, os.Args[0])))
		s.commit(s.dir)
	}
	commit(shout)
	s.say("init")
	s.giveMarkers()
	stop := s.watchProcesses(markers)
	given := s.extra
	s.extra = nil // what the user's environment gives is not in the runner's
	s.startRunner("r")
	s.extra = given
	if out, err := s.up("up"); err != nil || !strings.Contains(out, "on a remote runner") {
		t.Errorf("%v\n%s", err, out)
	}
	commit(shout + "; exit 3")
	if out, err := s.up("up"); err == nil || !strings.Contains(out, "exit code 3") {
		t.Errorf("%v\n%s", err, out)
	}
	// The server does not take the password any more: the failure is explained without it.
	asked.closed.Store(true)
	if out, err := s.up("up"); err == nil {
		t.Errorf("fetched without a password that is good:\n%s", out)
	}
	for _, at := range stop() {
		t.Error(at)
	}
	for _, args := range [][]string{{"project", "inspect", "--json"}, {"config", "get", "-runner", "--json"}, {"job", "list", "--json"}, {"runner", "list", "--json"}} {
		_, _ = s.run(args...)
	}
	if asked.taken.Load() == 0 || !strings.Contains(s.said.String(), "(sensitive)") {
		t.Errorf("the password was taken %d times, or nothing was hidden:\n%s", asked.taken.Load(), s.said.String())
	}
	s.nowhere(markers)
}

// gitAnswers counts the requests with the right password, and says when there is none that is right.
type gitAnswers struct {
	taken  atomic.Int64
	closed atomic.Bool
}

// serveGit serves the repositories of this world over HTTP to who has the password.
func (s *secretWorld) serveGit(user, password string) (url string, asked *gitAnswers) {
	s.t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		s.t.Fatal(err)
	}
	backend := &cgi.Handler{
		Path: git, Args: []string{"http-backend"}, Env: []string{"GIT_PROJECT_ROOT=" + s.world.dir, "GIT_HTTP_EXPORT_ALL=1"}, Stderr: io.Discard,
	}
	asked = &gitAnswers{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password || asked.closed.Load() {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		asked.taken.Add(1)
		backend.ServeHTTP(w, r)
	}))
	s.t.Cleanup(server.Close)
	return server.URL, asked
}
