package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
)

// The ways in which a sensitive value comes to a job, each with a value that nothing else contains, and what functions
// make of one.
const (
	byFlag    = "q7flag3xswordfish"
	byEnv     = "q7env4yswordfish"
	byFile    = "q7file5zswordfish"
	byServer  = "q7server6wswordfish"
	byRunner  = "q8runner7vswordfish"
	byConfig  = "q8config8uswordfish"
	inTheFile = "q8infile9tswordfish"
	upperFlag = "Q7FLAG3XSWORDFISH"
)

// secretVariables declares what is given in the first four ways.
const secretVariables = `
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
`

// secretHCL uses them everywhere: settings of plugins, labels' neighbours, hooks, configuration, templates, errors.
const secretHCL = `project = "secret"
` + secretVariables + `
app "web" {
  config {
    env = {
      FLAG   = var.flag
      SERVER = "before-${var.server}"
    }
  }
  build {
    use "process" {
      command = ["go", "build", "-buildvcs=false", "-o", "bin/hello", "."]
      path    = "bin"
      env = {
        CGO_ENABLED = "0"
        SECRET      = join("-", [var.flag, var.env, var.file.password, var.server])
      }
    }
    hook {
      when    = "before"
      command = ["test", var.env, "=", "${var.env}"]
    }
  }
  deploy {
    use "process" {
      command = ["./hello"]
      env = {
        VERSION = var.file.password
        SERVER  = var.server
        ENV     = var.env
      }
    }
  }
  release {
    use "process" {}
  }
}
`

// secretWorld has a project that is given sensitive values, and all that the commands on it said.
type secretWorld struct {
	*world
	project, dir, values string
	// given are the flags that give values.
	given []string
	said  bytes.Buffer
}

func newSecretWorld(t *testing.T, project string) *secretWorld {
	t.Helper()
	s := &secretWorld{world: newWorld(t), project: project}
	s.startServer()
	s.extra = append(s.extra, "WP_VAR_env="+byEnv)
	s.dir, s.values = filepath.Join(s.world.dir, project), filepath.Join(s.world.dir, "values.wpvars")
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.write(s.values, fmt.Sprintf("file = { password = %q }\n", byFile))
	s.given = []string{"-var", "flag=" + byFlag, "-var-file", s.values}
	return s
}

func (s *secretWorld) write(path, text string) {
	s.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *secretWorld) hcl(text string) {
	s.t.Helper()
	s.write(filepath.Join(s.dir, "waypoint.hcl"), text)
}

// run runs a command and remembers what it says.
func (s *secretWorld) run(args ...string) (out string, err error) {
	out, err = s.waypoint(s.dir, args...)
	fmt.Fprintf(&s.said, "$ waypoint %s\n%s\n", args[0], out)
	return out, err
}

func (s *secretWorld) say(args ...string) string {
	s.t.Helper()
	out, err := s.run(args...)
	if err != nil {
		s.t.Fatalf("waypoint %s: %v\n%s", args[0], err, out)
	}
	return out
}

// up is an `up`, or another operation, with the values.
func (s *secretWorld) up(args ...string) (string, error) { return s.run(append(args, s.given...)...) }

// pipe gives a value by stdin, where no other process can see it.
func (s *secretWorld) pipe(in string, args ...string) {
	s.t.Helper()
	cmd := s.command(s.dir, args...)
	cmd.Stdin = strings.NewReader(in + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// nowhere fails the test if a value, or its base64 after "u:", is in what was said, in the record of a job, or in a file
// that the user did not write.
func (s *secretWorld) nowhere(secrets []string) {
	s.t.Helper()
	for _, job := range s.jobs(s.project) {
		_, _ = s.run("job", "inspect", "--json", job.GetId())
		_, _ = s.run("job", "get-stream", job.GetId())
	}
	for _, text := range secrets {
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte("u:"+text+"\n")))
	}
	expectNone(s.t, "what the commands print", s.said.Bytes(), secrets)
	for _, job := range s.jobs(s.project) {
		record, err := protojson.Marshal(s.job(job.GetId()))
		if err != nil {
			s.t.Fatal(err)
		}
		expectNone(s.t, "the record of job "+job.GetId(), record, secrets)
	}
	err := filepath.WalkDir(s.world.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == s.values || strings.HasPrefix(path, s.dir) || d.Name() == "waypoint.hcl" {
			return nil //nolint:nilerr // what went away holds nothing
		}
		if text, err := os.ReadFile(path); err == nil {
			expectNone(s.t, strings.TrimPrefix(path, s.world.dir), text, secrets)
		}
		return nil
	})
	if err != nil {
		s.t.Error(err)
	}
}

func expectNone(t *testing.T, where string, text []byte, secrets []string) {
	t.Helper()
	for _, s := range secrets {
		if i := bytes.Index(text, []byte(s)); i >= 0 {
			t.Errorf("%s holds a sensitive value: …%s…", where, text[max(0, i-120):min(len(text), i+60)])
		}
	}
}

// watchProcesses looks, until stop, at the processes of this world that outlive a command or serve all of them: server,
// runner, proxy, supervisor, entrypoint, and at those of git. An app's may have what the user gave to the app; a git that
// a command of the user's starts has the user's environment.
func (s *secretWorld) watchProcesses(secrets []string) (stop func() []string) {
	done, ended := make(chan struct{}), make(chan struct{})
	found := map[string]bool{}
	look := func() {
		for pid, line := range s.processes() {
			watched, allowed := secrets, ""
			switch {
			case strings.Contains(line, "server run"), strings.Contains(line, "runner agent"), strings.Contains(line, "plugin-proxy proxy"):
			case strings.HasPrefix(filepath.Base(strings.SplitN(line, " ", 2)[0]), "git"):
				watched = []string{inTheFile} // the password of the source
			case strings.Contains(line, "plugin-proxy supervise"), strings.Contains(line, "waypoint-entrypoint"):
				allowed = byFile // env of the deploy stanza
			default:
				continue
			}
			for _, name := range []string{"environ", "cmdline"} {
				content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
				for _, text := range watched {
					if text != allowed && bytes.Contains(content, []byte(text)) {
						found[fmt.Sprintf("the %s of %s holds %s", name, line, text)] = true
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

// A sensitive value reaches the app, and stands nowhere else: not in the data, the records of jobs, the output, the logs,
// what the commands print, or what the runner keeps.
func TestASensitiveValueIsNowhereToBeFound(t *testing.T) {
	t.Parallel()
	s := newSecretWorld(t, "secret")
	if err := os.CopyFS(s.dir, os.DirFS("../examples/hello")); err != nil {
		t.Fatal(err)
	}
	s.hcl(secretHCL)
	s.say("init")
	s.pipe("server="+byServer, "variable", "set", "-sensitive")
	out, err := s.up("up")
	if err != nil {
		t.Fatal(out)
	}
	urls := urlPattern.FindAllString(out, -1)
	if len(urls) == 0 {
		t.Fatalf("no URL is printed:\n%s", out)
	}
	if page := get(t, urls[len(urls)-1]); !strings.Contains(page, byFile) {
		t.Errorf("the app was not given the value:\n%s", page)
	}
	for _, args := range [][]string{{"plan"}, {"plan", "--json"}} {
		if out, err := s.up(args...); err != nil {
			t.Errorf("%v: %s", args, out)
		}
	}
	for _, args := range [][]string{
		{"variable", "list"}, {"variable", "list", "--json"}, {"status", "--json"}, {"deployment", "list", "--json"}, {"validate", "--json"},
	} {
		s.say(args...)
	}
	// What is wrong is explained without the values.
	for _, broken := range []string{"tonumber(var.flag)", "file(var.env)", "var.file.passwrd", `regex("[0-9]{90}", var.server)`} {
		s.hcl(strings.Replace(secretHCL, "var.file.password\n", broken+"\n", 1))
		if out, err := s.up("deploy"); err == nil {
			t.Errorf("%s is taken:\n%s", broken, out)
		}
	}
	s.hcl(secretHCL)
	s.nowhere([]string{byFlag, byEnv, byFile, byServer})
	if out, err := s.up("destroy", "-auto-approve"); err != nil {
		t.Error(out)
	}
}
