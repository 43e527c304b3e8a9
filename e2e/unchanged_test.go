package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// sameApp is a project with an app of the process plugin that has all that can change.
func (w *world) sameApp(remote bool) (dir string) {
	w.t.Helper()
	dir = filepath.Join(w.dir, "same")
	if err := os.MkdirAll(filepath.Join(dir, "site"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	source := ""
	if remote {
		source = fmt.Sprintf("runner {\n  enabled = true\n  data_source \"git\" {\n    url = \"file://%s\"\n  }\n}\n", dir)
	}
	hcl := fmt.Sprintf(`project = "%[4]s"

%[1]s
variable "secret" {
  type      = string
  default   = "hunter2-hunter2"
  sensitive = true
}

app "web" {
  config {
    env = {
      COLOUR = "green"
    }
  }

  build {
    use "process" {
      path = "site"
    }
    hook {
      when    = "after"
      command = ["sh", "-c", "echo build >> %[2]s/hooks.log"]
    }
  }

  deploy {
    use "process" {
      command = [%[3]q, "e2e-serve", templatefile("${path.app}/web.tpl", { secret = var.secret })]
      env     = { SECRET = var.secret }
    }
    hook {
      when    = "before"
      command = ["sh", "-c", "echo deploy >> %[2]s/hooks.log"]
    }
  }

  release {
    use "process" {}
    hook {
      when    = "after"
      command = ["sh", "-c", "echo release >> %[2]s/hooks.log"]
    }
  }
}
`, source, w.dir, os.Args[0], filepath.Base(w.dir))
	w.write(filepath.Join(dir, "waypoint.hcl"), hcl)
	w.write(filepath.Join(dir, "web.tpl"), "secret = ${secret}\n")
	w.write(filepath.Join(dir, "site", "index.html"), "hello\n")
	if remote {
		w.commit(dir)
		w.must(dir, "init")
	}
	return dir
}

func (w *world) write(path, text string) {
	w.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) replace(path, old, with string) {
	w.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), old) {
		w.t.Fatalf("%s does not have %q: %v", path, old, err)
	}
	w.write(path, strings.Replace(string(text), old, with, 1))
}

// hooks returns how often the hooks of each stage have run, and forgets it.
func (w *world) hooks() string {
	log, _ := os.ReadFile(filepath.Join(w.dir, "hooks.log"))
	_ = os.Remove(filepath.Join(w.dir, "hooks.log"))
	return strings.Join(strings.Fields(string(log)), " ")
}

// killApps kills the apps of this world, and what starts them again.
func (w *world) killApps() {
	w.t.Helper()
	for range 3 { // a supervisor may start another in between
		for pid, line := range w.processes() {
			if strings.Contains(line, "e2e-serve") || strings.Contains(line, "supervise") {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// An up of what has not changed deploys nothing, and an up of anything else does.
func TestUp_UpToDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startServer()
	dir := w.sameApp(false)
	file := filepath.Join(dir, "waypoint.hcl")
	version := 0
	up := func(what string, deploys bool, args ...string) {
		t.Helper()
		out := w.must(dir, append([]string{"up"}, args...)...)
		ran := "build"
		if deploys {
			version++
			ran = "build deploy release"
		}
		same := strings.Contains(out, fmt.Sprintf("web is up to date (v%d), checked in", version))
		if same == deploys || strings.Contains(out, "Brought up web") != deploys {
			t.Fatalf("%s: deploys = %v is expected:\n%s", what, deploys, out)
		}
		if deploys && !strings.Contains(out, fmt.Sprintf("deployment v%d (process)", version)) {
			t.Fatalf("%s: v%d is expected:\n%s", what, version, out)
		}
		if got := w.hooks(); got != ran {
			t.Errorf("%s: the hooks %q ran, not %q", what, got, ran)
		}
	}
	up("the first", true)
	up("the second", false)
	up("with -force", true, "-force")
	up("after -force", false)
	url := urlPattern.FindString(w.must(dir, "open", "-print"))
	get(t, url)

	w.killApps()
	up("an app that died", true)
	get(t, url)
	up("after the app that died", false)

	w.write(filepath.Join(dir, "web.tpl"), "secret: ${secret}\n")
	up("a changed template", true)
	w.write(filepath.Join(dir, "site", "index.html"), "hello again\n")
	up("a changed artifact", true)
	w.replace(file, `echo release`, `echo  release`)
	up("a changed hook", true)
	up("other labels", true, "-label", "env=prod")
	up("the same labels", false, "-label", "env=prod")
	up("the first labels", true)
	up("another secret", true, "-var", "secret=another-one")
	up("the first secret", true)

	w.replace(file, `"green"`, `"blue"`)
	up("configuration that the app fetches", false)
	if got := w.must(dir, "config", "get", "-app", "web", "COLOUR"); !strings.Contains(got, "blue") {
		t.Errorf("the configuration of the file is not set: %s", got)
	}

	w.must(dir, "deploy")
	version++
	if got := w.hooks(); got != "deploy release" {
		t.Errorf("deploy ran %q", got)
	}
	up("what deploy deployed", false)
	w.must(dir, "release", "-d", fmt.Sprint(version-1))
	w.hooks()
	up("another release", true)
	w.must(dir, "deploy", "-release=false")
	version++
	w.hooks()
	up("something newer that is not released", true)

	w.expectTold(dir, version)
	w.expectNoFingerprint(dir)
}

// expectTold checks what programs and the job's record say of an app that is up to date.
func (w *world) expectTold(dir string, version int) {
	w.t.Helper()
	out, err := w.command(dir, "up", "-json").Output()
	if err != nil {
		w.t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var result struct {
		OK   bool
		Apps []struct {
			JobID    string `json:"job_id"`
			UpToDate bool   `json:"up_to_date"`
			Result   struct {
				Deployment struct {
					Meta struct{ Sequence any }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil {
		w.t.Fatal(err)
	}
	if !result.OK || len(result.Apps) != 1 || !result.Apps[0].UpToDate || fmt.Sprint(result.Apps[0].Result.Deployment.Meta.Sequence) != fmt.Sprint(version) {
		w.t.Fatalf("v%d is up to date, and the result is %s", version, lines[len(lines)-1])
	}
	said := w.must(dir, "job", "inspect", result.Apps[0].JobID)
	if !strings.Contains(said, fmt.Sprintf("web is up to date (v%d)", version)) || strings.Contains(said, "deployment v") {
		w.t.Errorf("job inspect says:\n%s", said)
	}
}

// expectNoFingerprint checks that what the records were made of, which is a hash of a secret, is in no answer.
func (w *world) expectNoFingerprint(dir string) {
	w.t.Helper()
	for _, args := range [][]string{{"deployment", "list"}, {"release", "list"}, {"artifact", "list"}, {"artifact", "list-builds"}, {"job", "list"}} {
		if out := w.must(dir, append(args, "-json")...); strings.Contains(strings.ToLower(out), "fingerprint") || strings.Contains(out, "hunter2") {
			w.t.Errorf("%q shows %s", args, out)
		}
	}
}

// A standing runner fetches the source to another directory each time.
func TestUp_UpToDateOnARunner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startServer()
	w.startRunner("r")
	dir := w.sameApp(true)
	w.must(dir, "up")
	if out := w.must(dir, "up"); !strings.Contains(out, "web is up to date (v1)") {
		t.Fatalf("the second up says:\n%s", out)
	}
	w.write(filepath.Join(dir, "web.tpl"), "other: ${secret}\n")
	w.commit(dir)
	if out := w.must(dir, "up"); !strings.Contains(out, "deployment v2 (process)") {
		t.Fatalf("a changed template:\n%s", out)
	}
}
