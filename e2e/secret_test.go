package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
)

// The ways in which a sensitive value comes to a job, each with a value that nothing else contains.
const (
	byFlag   = "q7flag3xswordfish"
	byEnv    = "q7env4yswordfish"
	byFile   = "q7file5zswordfish"
	byServer = "q7server6wswordfish"
)

// secretHCL uses them everywhere: settings of plugins, labels' neighbours, hooks, configuration, templates, errors.
const secretHCL = `project = "secret"

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

// A sensitive value reaches the app, and stands nowhere else: not in the data, the records of jobs, the output, the logs,
// what the commands print, or what the runner keeps.
func TestASensitiveValueIsNowhereToBeFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startServer()
	w.extra = append(w.extra, "WP_VAR_env="+byEnv)
	dir := filepath.Join(w.dir, "secret")
	if err := os.CopyFS(dir, os.DirFS("../examples/hello")); err != nil {
		t.Fatal(err)
	}
	values := filepath.Join(w.dir, "values.wpvars")
	for path, text := range map[string]string{filepath.Join(dir, "waypoint.hcl"): secretHCL, values: fmt.Sprintf("file = { password = %q }\n", byFile)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var said strings.Builder
	say := func(args ...string) string {
		out := w.must(dir, args...)
		fmt.Fprintf(&said, "$ waypoint %s\n%s\n", strings.ReplaceAll(strings.Join(args, " "), byFlag, "…"), out)
		return out
	}
	given := []string{"-var", "flag=" + byFlag, "-var-file", values}
	say("init")
	set := w.command(dir, "variable", "set", "-sensitive")
	set.Stdin = strings.NewReader("server=" + byServer + "\n")
	if out, err := set.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out := say(append([]string{"up"}, given...)...)
	urls := urlPattern.FindAllString(out, -1)
	if len(urls) == 0 {
		t.Fatalf("no URL is printed:\n%s", out)
	}
	if page := get(t, urls[len(urls)-1]); !strings.Contains(page, byFile) {
		t.Errorf("the app was not given the value:\n%s", page)
	}
	job := w.latestJob("secret")
	say(append([]string{"plan"}, given...)...)
	say(append([]string{"plan", "--json"}, given...)...)
	say("variable", "list")
	say("variable", "list", "--json")
	say("job", "inspect", "--json", job.GetId())
	say("job", "get-stream", job.GetId())
	say("status", "--json")
	say("deployment", "list", "--json")
	say("validate", "--json")
	// What is wrong is explained without the values.
	for _, broken := range []string{"tonumber(var.flag)", "file(var.env)", "var.file.passwrd", `regex("[0-9]{90}", var.server)`} {
		wrong := strings.Replace(secretHCL, "var.file.password\n", broken+"\n", 1)
		if err := os.WriteFile(filepath.Join(dir, "waypoint.hcl"), []byte(wrong), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := w.waypoint(dir, append([]string{"deploy"}, given...)...)
		if err == nil {
			t.Errorf("%s is taken:\n%s", broken, out)
		}
		said.WriteString(out)
	}
	record, err := protojson.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "waypoint.hcl"), []byte(secretHCL), 0o600); err != nil {
		t.Fatal(err)
	}
	secrets := []string{byFlag, byEnv, byFile, byServer}
	expectNone(t, "what the commands print", []byte(said.String()), secrets)
	expectNone(t, "the job's record", record, secrets)
	err = filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == values || strings.HasPrefix(path, dir) {
			return err
		}
		text, err := os.ReadFile(path)
		expectNone(t, strings.TrimPrefix(path, w.dir), text, secrets)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	say(append([]string{"destroy", "-auto-approve"}, given...)...)
}

func expectNone(t *testing.T, where string, text []byte, secrets []string) {
	t.Helper()
	for _, s := range secrets {
		if i := bytes.Index(text, []byte(s)); i >= 0 {
			t.Errorf("%s holds a sensitive value: …%s…", where, text[max(0, i-120):min(len(text), i+60)])
		}
	}
}
