//go:build unix

package runner_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/runner"
	"github.com/waypoint-serverless/waypoint/runner/guard"
	"github.com/waypoint-serverless/waypoint/runner/pluginpipe"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/null"
)

// envRole makes this test binary a runner that runs one job, and that a test can kill. Its arguments are the server's address,
// the job, the project's directory, waypoint-plugins, and "guard", or "no-guard" for one whose guard was killed too.
const envRole = "RUNNER_TEST_ROLE"

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == guard.Argument:
		guard.Main(context.Background(), os.Stdin)
	case os.Getenv(envRole) == "runner":
		fmt.Fprintln(os.Stderr, runnerProcess(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5] == "guard"))
		os.Exit(1)
	default:
		os.Exit(m.Run())
	}
}

func runnerProcess(address, job, dir, plugins string, guarded bool) error {
	c, err := client.New(client.Options{Address: address, Token: "t", Component: "runner", MaxRetry: patience})
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	line := []string{self, guard.Argument}
	if !guarded {
		line = []string{"cat"}
	}
	process := pluginpipe.NewProcess(pluginpipe.Options{Command: []string{plugins}})
	r, err := runner.New(runner.Options{
		Client: c, Kind: waypointv1.RunnerKind_RUNNER_KIND_CLI, LocalDir: dir, Concurrency: 2, Environ: os.Environ(),
		Guard:   guard.New(guard.Options{Command: line, Server: guard.Server{Address: address, Token: "t"}}),
		Catalog: catalog.NewCatalog(execOver(process), (&shell{portable: true}).definition(), null.Definition()),
	})
	if err != nil {
		return err
	}
	return r.RunJob(context.Background(), job)
}

// pluginsBound is how long the process that serves plugins may take to end after its runner was killed: its calls have 10 s,
// and the rest is for a busy machine.
const pluginsBound = 25 * time.Second

// The runner is killed in the middle of a deploy that a plugin process makes: that process ends by itself, nothing that it
// started is left, and the next runner's attempt repeats the step with the same deployment.
func TestAKilledRunnerEndsItsPluginProcess(t *testing.T) {
	for _, guarded := range []string{"guard", "no-guard"} {
		t.Run(guarded, func(t *testing.T) {
			t.Parallel()
			w := newDeployWorld(t, true, 1)
			id := ulid.Make().String()
			w.api.add(id, spec(up(-1)), waypointv1.JobState_JOB_STATE_READY)
			plugins := buildPlugins(t)
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			first := exec.CommandContext(t.Context(), self, w.c.Address(), id, w.dir, plugins, guarded)
			first.Env, first.Stderr = append(os.Environ(), envRole+"=runner"), os.Stderr
			if err := first.Start(); err != nil {
				t.Fatal(err)
			}
			w.awaitPID("shell-0")
			pid := w.awaitPID("plugins-0")
			killed := time.Now()
			if err := first.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = first.Wait() // it was killed
			for alive(pid) {
				if time.Since(killed) > pluginsBound {
					t.Fatalf("the plugin process %d is there %s after its runner was killed", pid, pluginsBound)
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Logf("the plugin process ended after %s", time.Since(killed).Round(time.Millisecond))
			w.wantGone("shell-0", "child-0", "daemon-0")
			if guarded == "guard" { // it reports the attempt's end once nothing is left
				awaitThat(t, "the job is given back", func() bool { return w.api.job(id).GetState() == waypointv1.JobState_JOB_STATE_READY })
			} else { // the lease expires
				w.cut(id)
			}
			w.plugins = []catalog.Definition{execOver(w.plugin(plugins))}
			if err := w.runner().RunJob(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			j := w.api.job(id)
			wantState(t, j, succeeded, "")
			text, deployment := w.api.text(id), j.GetResult().GetDeployment().GetMeta().GetId()
			if j.GetAttempt() != 2 || strings.Count(text, "deploying "+deployment+", try ") == 0 || !strings.Contains(text, "try 1") {
				t.Errorf("attempt %d of the deployment %s:\n%s", j.GetAttempt(), deployment, text)
			}
			for _, r := range w.api.records {
				if d := r.GetDeployment(); d != nil && d.GetMeta().GetId() != deployment {
					t.Errorf("the first attempt's deployment was another one: %v", d)
				}
			}
		})
	}
}

// plugin is a process that serves plugins for this world's own runner.
func (w *world) plugin(path string) *pluginpipe.Process {
	p := pluginpipe.NewProcess(pluginpipe.Options{Command: []string{path}})
	w.t.Cleanup(p.Close)
	return p
}
