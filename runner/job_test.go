package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/runner"
	"github.com/waypoint-serverless/waypoint/runner/command"
	"github.com/waypoint-serverless/waypoint/runner/guard"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/dockerref"
	"github.com/waypoint-serverless/waypoint/runner/plugins/null"
)

// shell is a plugin for tests: it runs what its script says, and notes what it was asked for.
type shell struct {
	mu        sync.Mutex
	deploys   []string // deployment ids
	destroyed []string
	portable  bool
	rerun     bool
	gen       string
}

type shellConfig struct {
	Script string `hcl:"script,optional"`
}

type shellPart struct {
	s *shell
	c shellConfig
}

func (p *shellPart) Config() any { return &p.c }

func (p *shellPart) run(ctx context.Context, env *plugin.Call) error {
	return command.Run(ctx, command.Spec{
		Args: []string{"sh", "-c", p.c.Script}, Dir: env.Dir, Env: env.Environ,
		Stdout: env.UI.Stdout(), Stderr: env.UI.Stderr(), Grace: 100 * time.Millisecond,
	})
}

func (p *shellPart) Build(ctx context.Context, env *plugin.Call) (*plugin.Result, error) {
	return &plugin.Result{State: map[string]string{"n": "1"}, Template: map[string]any{"n": "1"}, Portable: p.s.portable}, p.run(ctx, env)
}

func (p *shellPart) Deploy(ctx context.Context, env *plugin.Call, req *plugin.DeployRequest) (*plugin.DeployResult, error) {
	p.s.mu.Lock()
	p.s.deploys = append(p.s.deploys, req.DeploymentID)
	p.s.mu.Unlock()
	if req.EntrypointEnv["WAYPOINT_ENTRYPOINT_TOKEN"] == "" || req.EntrypointEnv["WAYPOINT_DEPLOYMENT_ID"] != req.DeploymentID {
		return nil, errors.New("the entrypoint's environment is not whole")
	}
	return &plugin.DeployResult{
		Result: plugin.Result{State: map[string]string{"id": req.DeploymentID}}, URL: fmt.Sprintf("http://v%d.test", req.Sequence),
	}, p.run(ctx, env)
}

func (p *shellPart) DeployRerunnable() bool { return p.s.rerun }

func (p *shellPart) Generation(_ context.Context, _ *plugin.Call) (string, error) {
	if p.s.gen == "" {
		return ulid.Make().String(), nil
	}
	return p.s.gen, nil
}

func (p *shellPart) DestroyDeployment(_ context.Context, _ *plugin.Call, d *plugin.Deployment) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.destroyed = append(p.s.destroyed, d.ID)
	return nil
}

func (p *shellPart) Release(ctx context.Context, env *plugin.Call, d *plugin.Deployment) (*plugin.ReleaseResult, error) {
	return &plugin.ReleaseResult{URL: "http://stable.test?" + d.URL}, p.run(ctx, env)
}

func (s *shell) definition() catalog.Definition {
	return catalog.Definition{
		Name:     "shell",
		Builder:  func() plugin.Builder { return &shellPart{s: s} },
		Platform: func() plugin.Platform { return &shellPart{s: s} },
		Releaser: func() plugin.Releaser { return &shellPart{s: s} },
	}
}

// world is a stand-in server, a runner and a project's directory.
type world struct {
	t     *testing.T
	api   *standIn
	c     *client.Client
	shell *shell
	// plugins are there besides the shell.
	plugins []catalog.Definition
	guard   *guard.Guard
	dir     string
}

func newWorld(t *testing.T, files map[string]string) *world {
	t.Helper()
	w := &world{t: t, shell: &shell{portable: true}, dir: t.TempDir()}
	w.api, w.c = newStandIn(t)
	for name, text := range files {
		w.write(name, text)
	}
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) runner() *runner.Runner {
	w.t.Helper()
	r, err := runner.New(runner.Options{
		Client: w.c, Guard: w.guard, Kind: waypointv1.RunnerKind_RUNNER_KIND_CLI, LocalDir: w.dir, Concurrency: 2,
		Catalog: catalog.NewCatalog(append(w.plugins, w.shell.definition(), null.Definition(), dockerref.Definition())...),
		Environ: append(os.Environ(), "WP_VAR_from_env=env", "WAYPOINT_SERVER_TOKEN=leak"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func spec(op *waypointv1.Operation) *waypointv1.JobSpec {
	return &waypointv1.JobSpec{
		Project: "p", App: "web", Operation: op,
		DataSource: &waypointv1.DataSource{Source: &waypointv1.DataSource_Local{Local: &waypointv1.LocalSource{}}},
	}
}

func up(retain int32) *waypointv1.Operation {
	return &waypointv1.Operation{Operation: &waypointv1.Operation_Up{Up: &waypointv1.UpOp{Prune: &waypointv1.Prune{Enabled: true, Retain: retain}}}}
}

// do queues a job and runs it to its end.
func (w *world) do(s *waypointv1.JobSpec) *waypointv1.Job {
	w.t.Helper()
	id := ulid.Make().String()
	w.api.add(id, s, waypointv1.JobState_JOB_STATE_READY)
	if err := w.runner().RunJob(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
	return w.api.job(id)
}

const hello = `
project = "p"
app "web" {
  build {
    use "shell" { script = "seq 1 300; echo 100% done" }
  }
  deploy {
    use "shell" { script = "echo deploying ${artifact.n}" }
  }
  release {
    use "shell" { script = "echo releasing" }
  }
}
`

func file(build, deploy, release string) map[string]string {
	text := "project = \"p\"\napp \"web\" {\n build {\n" + build + "\n}\n deploy {\n" + deploy + "\n}\n"
	if release != "" {
		text += " release {\n" + release + "\n}\n"
	}
	return map[string]string{"waypoint.hcl": text + "}\n"}
}

func use(script string) string {
	quoted, _ := json.Marshal(script)
	return "use \"shell\" {\n script = " + string(quoted) + "\n}"
}

func wantState(t *testing.T, j *waypointv1.Job, state waypointv1.JobState, reason string) {
	t.Helper()
	if j.GetState() != state || j.GetError().GetReason() != reason {
		t.Fatalf("the job is %s: %v", j.GetState(), j.GetError())
	}
}

const (
	succeeded = waypointv1.JobState_JOB_STATE_SUCCEEDED
	failed    = waypointv1.JobState_JOB_STATE_FAILED
	canceled  = waypointv1.JobState_JOB_STATE_CANCELED
)

func TestUpFromBuildToRelease(t *testing.T) {
	w := newWorld(t, map[string]string{"waypoint.hcl": hello})
	j := w.do(spec(up(-1)))
	wantState(t, j, succeeded, "")
	if j.GetResult().GetReleaseUrl() != "http://stable.test?http://v1.test" || j.GetResult().GetDeployUrl() != "http://v1.test" {
		t.Fatalf("got %v", j.GetResult())
	}
	var steps []string
	for _, s := range j.GetSteps() {
		steps = append(steps, s.GetName())
		if s.GetEndedUnixMs() == 0 {
			t.Errorf("step %s did not end", s.GetName())
		}
	}
	if strings.Join(steps, " ") != "build deploy release" {
		t.Fatalf("steps: %v", steps)
	}
	text := w.api.text(j.GetId())
	for _, line := range []string{"\n300\n100% done\n", "deploying 1\n", "releasing\n"} {
		if !strings.Contains(text, line) {
			t.Errorf("%q is missing", line)
		}
	}
	if len(w.api.records) != 4 {
		t.Fatalf("%d records", len(w.api.records))
	}
	for _, r := range w.api.records {
		if meta(r).GetState() != waypointv1.RecordState_RECORD_STATE_SUCCESS || meta(r).GetSequence() != 1 || meta(r).GetCompletedUnixMs() == 0 {
			t.Errorf("got %v", r)
		}
	}
}

func TestOutputHasNoGapOrRepeatWhateverIsLost(t *testing.T) {
	for _, what := range []string{"lose", "refuse"} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t, map[string]string{"waypoint.hcl": strings.Replace(hello, "seq 1 300", "seq 1 30000", 1)})
			w.api.broken = func(_ string, n int) string {
				if n%2 == 1 {
					return what
				}
				return ""
			}
			j := w.do(spec(up(-1)))
			wantState(t, j, succeeded, "")
			next := 1
			for line := range strings.Lines(w.api.text(j.GetId())) {
				var n int
				if _, err := fmt.Sscanf(line, "%d\n", &n); err != nil || strings.TrimSpace(line) != fmt.Sprint(n) {
					continue
				}
				if n != next {
					t.Fatalf("line %d where %d was next", n, next)
				}
				next++
			}
			if next != 30001 || len(w.api.records) != 4 {
				t.Fatalf("%d lines, %d records", next-1, len(w.api.records))
			}
		})
	}
}

func TestWhatFails(t *testing.T) {
	cases := map[string]struct {
		files       map[string]string
		change      func(*waypointv1.JobSpec)
		reason      string
		message     string
		step        string
		shows       string
		deployments int
	}{
		"a build command": {
			files: file(use("echo so far; exit 3"), use("true"), ""), reason: "PLUGIN_FAILED",
			message: "exit code 3", step: "build", shows: "so far\n",
		},
		"a deploy: the old release stays": {
			files: file(use("true"), use("echo unhealthy; false"), use("true")), reason: "PLUGIN_FAILED", step: "deploy",
			shows: "unhealthy\n", deployments: 1,
		},
		"a hook": {
			files:  file("hook {\n when = \"before\"\n command = [\"sh\", \"-c\", \"echo hooked; exit 5\"]\n}\n"+use("echo built"), use("true"), ""),
			reason: "HOOK_FAILED", message: "exit code 5", step: "build", shows: "hooked\n",
		},
		"a broken file, with its place": {
			files: map[string]string{"waypoint.hcl": "project = \"p\"\napp \"web\" {\n  build {\n"}, reason: "CONFIG_INVALID", message: "waypoint.hcl:",
		},
		"no file":           {files: map[string]string{}, reason: "CONFIG_INVALID", message: "no waypoint.hcl"},
		"an unknown plugin": {files: file(`use "nope" {}`, use("true"), ""), reason: "CONFIG_INVALID", message: `no plugin "nope"`},
		"a plugin of another kind": {
			files: file(use("true"), `use "docker-ref" {
 image = "x"
 tag = "y"
}`, ""), reason: "CONFIG_INVALID", message: "cannot be used as a platform",
		},
		"an unknown app": {
			files: map[string]string{"waypoint.hcl": hello}, change: func(s *waypointv1.JobSpec) { s.App = "other" },
			reason: "CONFIG_INVALID", message: `no app "other"`,
		},
		"an undeclared variable": {
			files: map[string]string{"waypoint.hcl": hello},
			change: func(s *waypointv1.JobSpec) {
				s.Variables = []*waypointv1.Variable{{Name: "x", Value: "1", Source: waypointv1.VariableSource_VARIABLE_SOURCE_FLAG}}
			},
			reason: "CONFIG_INVALID", message: "x",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.files)
			s := spec(up(-1))
			if c.change != nil {
				c.change(s)
			}
			j := w.do(s)
			wantState(t, j, failed, c.reason)
			if !strings.Contains(j.GetError().GetMessage(), c.message) || j.GetError().GetStep() != c.step {
				t.Fatalf("got %v", j.GetError())
			}
			if !strings.Contains(w.api.text(j.GetId()), c.shows) {
				t.Fatalf("%q is not shown in\n%s", c.shows, w.api.text(j.GetId()))
			}
			if len(w.shell.deploys) != c.deployments {
				t.Fatalf("%d deployments", len(w.shell.deploys))
			}
			for _, r := range w.api.records {
				if r.GetRelease() != nil {
					t.Fatal("released")
				}
			}
		})
	}
}

func TestHooksRunInOrderAndMayFail(t *testing.T) {
	hook := func(when, script, failure string) string {
		return fmt.Sprintf("hook {\n when = %q\n command = [\"sh\", \"-c\", %q]\n on_failure = %q\n}\n", when, script, failure)
	}
	w := newWorld(t, file(hook("before", "echo one; exit 1", "continue")+hook("before", "echo two", "fail")+hook("after", "echo four", "fail")+use("echo three"), use("true"), ""))
	j := w.do(spec(up(-1)))
	wantState(t, j, succeeded, "")
	var got []string
	for line := range strings.Lines(w.api.text(j.GetId())) {
		if w := strings.TrimSpace(line); slices.Contains([]string{"one", "two", "three", "four"}, w) {
			got = append(got, w)
		}
	}
	if strings.Join(got, " ") != "one two three four" {
		t.Fatalf("got %v", got)
	}
}

func TestVariables(t *testing.T) {
	w := newWorld(t, map[string]string{
		"waypoint.hcl": `
project = "p"
variable "a" { default = "default" }
variable "b" { default = "default" }
variable "from_env" { default = "default" }
variable "secret" {
  type = string
  sensitive = true
}
app "web" {
  build {
    use "shell" { script = "echo ${var.a} ${var.b} ${var.from_env}; env | grep -c leak || true; echo $FROM_RUNNER $${#FROM_RUNNER}" }
  }
  deploy {
    use "null" {}
  }
}
`,
		"x.auto.wpvars": `b = "auto"`,
	})
	s := spec(up(-1))
	s.Variables = []*waypointv1.Variable{
		{Name: "a", Value: "flag", Source: waypointv1.VariableSource_VARIABLE_SOURCE_FLAG, Origin: "-var"},
		{Name: "secret", Value: "hush", Source: waypointv1.VariableSource_VARIABLE_SOURCE_ENV, Sensitive: true},
	}
	id := ulid.Make().String()
	item := w.api.add(id, s, waypointv1.JobState_JOB_STATE_READY)
	item.env = map[string]string{"FROM_RUNNER": "configured"}
	item.vars = []*waypointv1.Variable{{Name: "a", Value: "server"}, {Name: "b", Value: "server"}}
	if err := w.runner().RunJob(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	j := w.api.job(id)
	wantState(t, j, succeeded, "")
	if text := w.api.text(id); !strings.Contains(text, "flag auto env\n0\n(sensitive) 10\n") {
		t.Fatalf("got %s", text)
	}
	used := map[string]string{}
	for _, v := range j.GetVariablesUsed() {
		used[v.GetName()] = v.GetValue() + " " + v.GetSource().String()
	}
	if used["secret"] != "(sensitive) VARIABLE_SOURCE_ENV" || !strings.HasSuffix(used["a"], "VARIABLE_SOURCE_FLAG") ||
		!strings.HasSuffix(used["b"], "VARIABLE_SOURCE_AUTO_FILE") || !strings.HasSuffix(used["from_env"], "VARIABLE_SOURCE_RUNNER_ENV") {
		t.Fatalf("got %v", used)
	}
}

func TestWithoutAReleaserTheReleaseSaysWhichDeploymentCounts(t *testing.T) {
	w := newWorld(t, file(use("true"), use("true"), ""))
	j := w.do(spec(up(-1)))
	wantState(t, j, succeeded, "")
	if r := j.GetResult().GetRelease(); !r.GetUnimplemented() || r.GetDeploymentSequence() != 1 || j.GetResult().GetDeployUrl() == "" {
		t.Fatalf("got %v", j.GetResult())
	}
}

func TestPruneKeepsTheReleasedOneAndTheRetained(t *testing.T) {
	for _, c := range []struct {
		retain int32
		kept   int
	}{{-1, 2}, {0, 1}, {2, 3}} {
		t.Run(fmt.Sprintf("retain %d", c.retain), func(t *testing.T) {
			w := newWorld(t, map[string]string{"waypoint.hcl": hello})
			for range 4 {
				wantState(t, w.do(spec(up(c.retain))), succeeded, "")
			}
			kept := 0
			for _, r := range w.api.records {
				if r.GetDeployment().GetPhysicalState() == waypointv1.PhysicalState_PHYSICAL_STATE_CREATED {
					kept++
				}
			}
			if kept != c.kept || len(w.shell.destroyed) != 4-c.kept {
				t.Fatalf("%d kept, %d destroyed", kept, len(w.shell.destroyed))
			}
		})
	}
}

func TestADeploymentReplacedInPlaceIsNotReleasedAgainNorPruned(t *testing.T) {
	w := newWorld(t, map[string]string{"waypoint.hcl": hello})
	w.shell.gen = "one thing"
	for range 3 {
		wantState(t, w.do(spec(up(0))), succeeded, "")
	}
	releases := 0
	for _, r := range w.api.records {
		if r.GetRelease() != nil {
			releases++
		}
	}
	if releases != 1 || len(w.shell.destroyed) != 0 {
		t.Fatalf("%d releases, %d destroyed", releases, len(w.shell.destroyed))
	}
}

func TestDestroyRemovesEverythingOnce(t *testing.T) {
	w := newWorld(t, map[string]string{"waypoint.hcl": hello})
	for range 2 {
		wantState(t, w.do(spec(up(-1))), succeeded, "")
	}
	destroy := spec(&waypointv1.Operation{Operation: &waypointv1.Operation_Destroy{Destroy: &waypointv1.DestroyOp{}}})
	for _, n := range []int32{2, 0} {
		j := w.do(destroy)
		wantState(t, j, succeeded, "")
		if j.GetResult().GetDestroyed() != n {
			t.Fatalf("%d destroyed, want %d", j.GetResult().GetDestroyed(), n)
		}
	}
}
