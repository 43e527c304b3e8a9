//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// several is a project of apps with a build command each.
func (w *world) several(name, source string, builds map[string]string, order ...string) (dir string) {
	w.t.Helper()
	dir = filepath.Join(w.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	hcl := fmt.Sprintf("project = %q\n%s\n", name, source)
	for _, app := range order {
		hcl += fmt.Sprintf("app %q {\n  build {\n    use \"process\" {\n      command = [\"sh\", \"-c\", %q]\n    }\n  }\n"+
			"  deploy {\n    use \"process\" {\n      command = [%q, \"e2e-serve\"]\n    }\n  }\n}\n", app, builds[app], os.Args[0])
	}
	w.write(filepath.Join(dir, "waypoint.hcl"), hcl)
	return dir
}

// Ctrl-C cancels every app of the command: those that build, those that wait for their turn, and those that have not
// begun; no lane stays taken.
func TestSeveralApps_AnInterruptCancelsAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startServer()
	forever := "touch %s/$0; while :; do sleep 0.1; done"
	builds := map[string]string{}
	apps := []string{"first", "second", "third", "fourth"}
	for _, app := range apps {
		builds[app] = strings.ReplaceAll(fmt.Sprintf(forever, w.dir), "$0", app)
	}
	builds["second"] = "exit 0" // it waits for the first
	name := "several-" + filepath.Base(w.dir)
	dir := w.several(name, "", builds, apps...)
	w.must(dir, "init")
	cmd, out := w.start(dir, "up")
	w.waitFor("the first to build and the second to wait", patience, func() error {
		if _, err := os.Stat(filepath.Join(w.dir, "first")); err != nil || !strings.Contains(out.String(), "Waiting until first is through") {
			return fmt.Errorf("not yet: %s", out)
		}
		return nil
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, cmd, patience); err == nil || cmd.ProcessState.ExitCode() != 130 {
		t.Fatalf("it ended with %v\n%s", err, out)
	}
	for _, job := range w.jobs(name) {
		if job.GetState() != waypointv1.JobState_JOB_STATE_CANCELED {
			t.Errorf("the job of %s is %s", job.GetSpec().GetApp(), job.GetState())
		}
	}
	for i, app := range apps {
		builds[app] = "echo " + fmt.Sprint(i) + " > built"
	}
	w.several(name, "", builds, apps...)
	if out := w.must(dir, "up"); strings.Count(out, "Brought up") != len(apps) {
		t.Errorf("the next up:\n%s", out)
	}
}

// On a standing runner builds are jobs of their own, and the up of each app takes what was built.
func TestSeveralApps_OnARunner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startServer()
	w.startRunner("r")
	name := "remote-" + filepath.Base(w.dir)
	dir := filepath.Join(w.dir, name)
	builds := map[string]string{}
	for _, app := range []string{"one", "two"} {
		builds[app] = fmt.Sprintf("echo %s >> %s/built", app, w.dir)
	}
	source := fmt.Sprintf("runner {\n  enabled = true\n  data_source \"git\" {\n    url = \"file://%s\"\n  }\n}\n", dir)
	w.several(name, source, builds, "one", "two")
	w.commit(dir)
	w.must(dir, "init")
	out := w.must(dir, "up")
	if strings.Count(out, "Brought up") != 2 || strings.Count(out, "deployment v1 (process)") != 2 {
		t.Fatalf("the first up:\n%s", out)
	}
	built, err := os.ReadFile(filepath.Join(w.dir, "built"))
	if err != nil || len(strings.Fields(string(built))) != 2 {
		t.Errorf("the apps were built %q times, %v", built, err)
	}
	operations := map[string]int{}
	for _, job := range w.jobs(name) {
		operations[fmt.Sprintf("%s %T", job.GetSpec().GetApp(), job.GetSpec().GetOperation().GetOperation())]++
	}
	for _, app := range []string{"one", "two"} {
		if operations[app+" *waypointv1.Operation_Build"] != 1 || operations[app+" *waypointv1.Operation_Up"] != 1 {
			t.Errorf("the jobs are %v", operations)
		}
	}
	if out = w.must(dir, "up"); strings.Count(out, "is up to date (v1)") != 2 {
		t.Errorf("the second up:\n%s", out)
	}
	if out = w.must(dir, "up", "-parallel", "2", "-force"); strings.Count(out, "deployment v2 (process)") != 2 {
		t.Errorf("an up with -parallel:\n%s", out)
	}
}
