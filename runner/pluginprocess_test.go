//go:build unix

package runner_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/runner/guard"
	"github.com/waypoint-serverless/waypoint/runner/pluginpipe"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	execplugin "github.com/waypoint-serverless/waypoint/runner/plugins/exec"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// outOfProcess has the plugin "exec" served by the real waypoint-plugins.
func (w *world) outOfProcess() *pluginpipe.Process {
	w.t.Helper()
	process := pluginpipe.NewProcess(pluginpipe.Options{Command: []string{buildPlugins(w.t)}})
	w.t.Cleanup(process.Close)
	w.plugins = []catalog.Definition{execOver(process)}
	w.guard = guard.New(guard.Options{Command: []string{"cat"}}) // it remembers what runs; a process of its own ends nothing here
	w.t.Cleanup(w.guard.Close)
	return process
}

// buildPlugins builds the real waypoint-plugins.
func buildPlugins(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "waypoint-plugins")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", path, "./waypoint-plugins")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building waypoint-plugins: %v\n%s", err, out)
	}
	return path
}

// execOver is the plugin "exec" with its platform in another process.
func execOver(process *pluginpipe.Process) catalog.Definition {
	d := execplugin.Definition()
	d.OutOfProcess = []schema.Kind{schema.Platform}
	return pluginpipe.Remote(d, process)
}

// deployScript writes the numbers of its processes to files named after the try, and waits at the first ones.
const deployScript = `
n=$(ls tries | wc -l); : > tries/$n
echo "deploying $WAYPOINT_DEPLOYMENT_ID, try $n"
if [ $n -lt %d ]; then
  sleep 600 & echo $! > child-$n
  setsid sleep 601 & echo $! > daemon-$n
  echo $PPID > plugins-$n
  echo $$ > shell-$n
  wait
fi
`

// awaitPID waits for a file and returns the number in it.
func (w *world) awaitPID(name string) int {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		data, err := os.ReadFile(filepath.Join(w.dir, name))
		if pid, atoi := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && atoi == nil {
			return pid
		}
	}
	w.t.Fatalf("waited in vain for %s", name)
	return 0
}

func (w *world) wantGone(names ...string) {
	w.t.Helper()
	for _, name := range names {
		pid := w.awaitPID(name)
		deadline := time.Now().Add(10 * time.Second)
		for alive(pid) {
			if time.Now().After(deadline) {
				w.t.Errorf("the process %d (%s) is left", pid, name)
				_ = syscall.Kill(pid, syscall.SIGKILL)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// alive reports whether a process runs; one that nobody has waited for yet does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func newDeployWorld(t *testing.T, rerunnable bool, waits int) *world {
	t.Helper()
	stage := fmt.Sprintf("use \"exec\" {\n command = [\"sh\", \"deploy.sh\"]\n rerunnable = %v\n}", rerunnable)
	w := newWorld(t, file(use("true"), stage, ""))
	w.write("deploy.sh", fmt.Sprintf(deployScript, waits))
	if err := os.Mkdir(filepath.Join(w.dir, "tries"), 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

// killAt kills the plugin process once a try of the deploy waits.
func (w *world) killAt(process *pluginpipe.Process, tries ...int) {
	go func() {
		for _, n := range tries {
			w.awaitPID(fmt.Sprintf("shell-%d", n))
			_ = syscall.Kill(process.PID(), syscall.SIGKILL)
		}
	}()
}

// The plugin's process is killed in the middle of a deploy that may be repeated: it is, in a new process, and nothing of the
// first is left.
func TestAKilledPluginProcessRepeatsARerunnableStep(t *testing.T) {
	w := newDeployWorld(t, true, 1)
	process := w.outOfProcess()
	w.killAt(process, 0)
	j := w.do(spec(up(-1)))
	wantState(t, j, succeeded, "")
	text := w.api.text(j.GetId())
	want := `the process that runs the plugin "exec" ended in the middle of its work (signal: killed): the step deploy is run again in a new process.`
	if !strings.Contains(text, want) || !strings.Contains(text, "try 1") {
		t.Errorf("the output:\n%s", text)
	}
	w.wantGone("shell-0", "child-0", "daemon-0")
}

// The same with a deploy that may not be repeated: one sentence, and the job has failed as after a lost runner.
func TestAKilledPluginProcessFailsAStepThatIsNotRerunnable(t *testing.T) {
	w := newDeployWorld(t, false, 1)
	process := w.outOfProcess()
	w.killAt(process, 0)
	j := w.do(spec(up(-1)))
	wantState(t, j, failed, string(fault.RunnerLost))
	if got := j.GetError(); got.GetMessage() != `the process that runs the plugin "exec" ended in the middle of its work (signal: killed)` || got.GetStep() != "deploy" {
		t.Errorf("%v", got)
	}
	w.wantGone("shell-0", "child-0", "daemon-0")
}

// A process that ends at every try does not keep the job for ever.
func TestAPluginProcessThatAlwaysEndsFailsTheJob(t *testing.T) {
	w := newDeployWorld(t, true, 9)
	process := w.outOfProcess()
	w.killAt(process, 0, 1, 2)
	wantState(t, w.do(spec(up(-1))), failed, string(fault.RunnerLost))
	w.wantGone("shell-0", "child-0", "shell-1", "daemon-1", "shell-2", "child-2", "daemon-2")
}
