package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
)

// More ways in which a sensitive value comes to a job, and what functions make of one.
const (
	byRunner   = "q8runner7vswordfish"
	byConfig   = "q8config8uswordfish"
	inTheFile  = "q8infile9tswordfish"
	upperFlag  = "Q7FLAG3XSWORDFISH"
	markerHead = `project = "marker"
variable "flag" {
  type      = string
  sensitive = true
}
variable "env" {
  type      = string
  sensitive = true
}
variable "file" {
  type      = object({ password = string })
  sensitive = true
}
variable "server" {
  type = string
}
runner {
  data_source "git" {
    url      = "https://example.com/x.git"
    password = "` + inTheFile + `"
  }
}
`
	// shout prints all that it was given, in pieces, quoted and encoded.
	shout = `printf %s "$0" | cut -c1-8 | tr -d '\n'; sleep 0.1; printf '%s\n' "$0" | cut -c9-; ` +
		`echo "u:$0" | base64; echo "{\"t\":\"$1\"}" >&2; echo "$2 $3 $RUNNERSECRET"; echo "` + inTheFile + `"; env`
)

// markerApp is an app whose stages are given; secrets are given to the build as arguments.
func markerApp(script, deploy string) string {
	return markerHead + fmt.Sprintf(`app "web" {
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

// A marker given in each way is in nothing that is printed, kept or shown of a process, when all goes well and when it fails.
func TestAMarkerIsNowhereWhenAJobFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startServer()
	w.extra = append(w.extra, "WP_VAR_env="+byEnv)
	dir := filepath.Join(w.dir, "marker")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	values := filepath.Join(w.dir, "values.wpvars")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(values, fmt.Sprintf("file = { password = %q }\n", byFile))
	well := markerApp(shout, `command = ["sleep", "1000"]`)
	write(filepath.Join(dir, "waypoint.hcl"), well)
	var said bytes.Buffer
	run := func(args ...string) error {
		out, err := w.waypoint(dir, args...)
		fmt.Fprintf(&said, "$ waypoint %s\n%s\n", args[0], out)
		return err
	}
	pipe := func(in string, args ...string) {
		t.Helper()
		cmd := w.command(dir, args...)
		cmd.Stdin = strings.NewReader(in)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	given := []string{"-local", "-var", "flag=" + byFlag, "-var-file", values}
	if err := run("init"); err != nil {
		t.Fatal(said.String())
	}
	pipe("server="+byServer+"\n", "variable", "set", "-sensitive")
	pipe("RUNNERSECRET="+byRunner+"\n", "config", "set", "-runner", "-sensitive")
	pipe("APPSECRET="+byConfig+"\n", "config", "set", "-app", "web", "-sensitive")
	secrets := []string{byFlag, byEnv, byFile, byServer, byRunner, byConfig, inTheFile, upperFlag}
	stop := w.watchProcesses(secrets)
	for name, c := range map[string]struct{ hcl, want string }{
		"build":    {markerApp(shout+"; exit 3", `command = ["sleep", "1000"]`), "exit code 3"},
		"hook":     {strings.Replace(well, "before\"\n      command = [\"sh\", \"-c\", \"", "before\"\n      command = [\"sh\", \"-c\", \"set -x; : $0 $1; ", 1), ""},
		"no such":  {markerApp(shout, `command = ["./${var.flag}"]`), "was not found"},
		"app ends": {markerApp(shout, `command = ["sh", "-c", "echo $SECRET $FLAG; exit 4"]`+"\n      health_check {\n        timeout = \"3s\"\n      }"), ""},
		"argument": {strings.Replace(well, `"--password=`, `"--password=${tonumber(var.env)}`, 1), ""},
		"diagnose": {strings.Replace(well, "upper(var.flag)]", "file(var.flag)]", 1), ""},
	} {
		write(filepath.Join(dir, "waypoint.hcl"), c.hcl)
		before := said.Len()
		err := run(append([]string{"up"}, given...)...)
		if out := said.String()[before:]; name != "hook" && err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	// A build that is canceled while it has printed half of a value.
	write(filepath.Join(dir, "waypoint.hcl"), markerApp(`printf %s "$0" | cut -c1-12 | tr -d '\n'; touch started; sleep 1000`, `command = ["sleep", "1000"]`))
	cmd := w.command(dir, append([]string{"build"}, given...)...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.waitFor("the build to begin", 60*time.Second, func() error { _, err := os.Stat(filepath.Join(dir, "started")); return err })
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
		_ = run(args...)
	}
	var jobs []string
	for _, job := range w.jobs("marker") {
		jobs = append(jobs, job.GetId())
	}
	for _, id := range jobs {
		_ = run("job", "inspect", "--json", id)
		_ = run("job", "get-stream", id)
	}
	if len(jobs) < 7 || !strings.Contains(said.String(), "(sensitive)") {
		t.Errorf("only %d jobs ran, or nothing was hidden:\n%s", len(jobs), said.String())
	}
	for _, s := range secrets {
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte("u:"+s+"\n")))
	}
	expectNone(t, "what the commands print", said.Bytes(), secrets)
	if job := w.latestJob("marker"); job != nil {
		record, _ := protojson.Marshal(job)
		expectNone(t, "the job's record", record, secrets)
	}
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == values || strings.HasPrefix(path, dir) || filepath.Base(path) == "waypoint.hcl" {
			return nil //nolint:nilerr // what went away holds nothing
		}
		if text, err := os.ReadFile(path); err == nil {
			expectNone(t, strings.TrimPrefix(path, w.dir), text, secrets)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// watchProcesses looks, until stop, at the processes of this world that outlive a command or serve all of them: server,
// runner, proxy, supervisor, entrypoint. An app's may have what the user gave to the app.
func (w *world) watchProcesses(secrets []string) (stop func() []string) {
	done, ended := make(chan struct{}), make(chan struct{})
	found := map[string]bool{}
	look := func() {
		for pid, line := range w.processes() {
			allowed := ""
			switch {
			case strings.Contains(line, "server run"), strings.Contains(line, "runner agent"), strings.Contains(line, "plugin-proxy proxy"):
			case strings.Contains(line, "plugin-proxy supervise"), strings.Contains(line, "waypoint-entrypoint"):
				allowed = byFile // env of the deploy stanza
			default:
				continue
			}
			for _, name := range []string{"environ", "cmdline"} {
				content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
				for _, s := range secrets {
					if s != allowed && bytes.Contains(content, []byte(s)) {
						found[fmt.Sprintf("the %s of %s holds %s", name, line, s)] = true
					}
				}
			}
		}
	}
	go func() {
		defer close(ended)
		for {
			look()
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() (all []string) {
		close(done)
		<-ended
		for at := range found {
			all = append(all, at)
		}
		return all
	}
}
