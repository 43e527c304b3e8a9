package operation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/internal/release"
	"github.com/waypoint-serverless/waypoint/localstack/server"
	"github.com/waypoint-serverless/waypoint/runner"
	"github.com/waypoint-serverless/waypoint/runner/guard"
	"github.com/waypoint-serverless/waypoint/runner/lifecycle"
)

// localRunner is the runner in this process: it claims by id the one job that it was made for.
type localRunner struct {
	id     string
	runner *runner.Runner
	guard  *guard.Guard
}

// newLocalRunner makes the runner of a job; turn, if it is set, is awaited before the job changes what runs.
func (r *run) newLocalRunner(turn func(context.Context) error) (*localRunner, error) {
	id := NewID()
	o, err := r.options() // the runners of several apps share the plugins
	if err != nil {
		return nil, err
	}
	o.Client, o.ID, o.Name = r.client, id, "cli"
	o.Kind, o.Concurrency = waypointv1.RunnerKind_RUNNER_KIND_CLI, 1
	o.LocalDir, o.BeforeDeploy = r.scope.Dir, turn
	o.Logger = r.sh.Logger(slog.LevelError)
	o.Guard = r.sh.NewGuard(r.sh.Server().Token, o.Logger)
	made, err := runner.New(o)
	if err != nil {
		return nil, fmt.Errorf("starting a runner on this machine: %w", err)
	}
	return &localRunner{id: id, runner: made, guard: o.Guard}, nil
}

// report has the job cancelled if this process is killed before its runner claims it. It is announced before it is
// queued: the answer may not arrive any more.
func (l *localRunner) report(o *outcome, jobID string) (done func()) {
	return l.guard.Report(l.id, guard.Work{RunnerID: l.id, Project: o.project, App: o.app, Workspace: o.workspace, JobID: jobID})
}

// RunnerOptions returns the options that all runners of this binary share.
func RunnerOptions(sh Host) (runner.Options, error) {
	state, err := sh.Env().RunnersDir()
	if err != nil {
		return runner.Options{}, err
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return runner.Options{}, fmt.Errorf("making the runner's directory: %w", err)
	}
	entrypoint, err := Entrypoint(sh)
	if err != nil {
		return runner.Options{}, err
	}
	o := runner.Options{
		Catalog: sh.Deps().Catalog(), StateDir: state, Entrypoint: entrypoint, EntrypointDigest: &lifecycle.EntrypointDigest{},
		QueueHTTPClient:      server.QueueClient(sh.Server().Address),
		QueueEndpoint:        queueEndpoint(sh.Server().Address),
		EntrypointServerAddr: sh.Server().Address,
	}
	if local := server.LocalClientOf(sh.Server().Address); local != nil {
		o.LocalServer = local
	}
	return o, nil
}

// queueEndpoint is where a server in an emulator of AWS has its queues: at the emulator's one address. The names that
// emulators give queues need a resolver that knows them. "" for every other server.
func queueEndpoint(server string) string {
	u, err := url.Parse(server)
	if err != nil || !strings.HasPrefix(u.Path, infra.EmulatorAPIs) {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// Entrypoint finds the waypoint-entrypoint for this machine: beside this binary, else the one embedded in a release,
// else in the PATH; empty if there is none.
func Entrypoint(sh Host) (string, error) {
	name := "waypoint-entrypoint"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	beside := sh.Env().Executable
	if real, err := filepath.EvalSymlinks(beside); err == nil {
		beside = real
	}
	for _, dir := range []string{filepath.Dir(sh.Env().Executable), filepath.Dir(beside)} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
			return filepath.Join(dir, name), nil
		}
	}
	state, err := sh.Env().StateDir()
	if err != nil {
		return "", err
	}
	path, err := release.ExtractEntrypoint(filepath.Join(state, "entrypoint"))
	if !errors.Is(err, release.ErrNone) {
		return path, err
	}
	if path, err = exec.LookPath(name); err != nil {
		return "", nil //nolint:nilerr // none: apps then run without it, and the deployment says so
	}
	return path, nil
}
