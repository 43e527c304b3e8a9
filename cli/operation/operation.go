package operation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner"
)

// Operation is one command that queues a job for each app.
type Operation struct {
	// name as people know it: "up", "deploy", ….
	Name string
	// doing and done begin sentences: "Deploying", "Deployed".
	Doing, Done string
	// spec makes the operation for an app.
	Spec func(ctx context.Context, c *client.Client, project, app string) (*waypointv1.Operation, error)
	// side is what may run side by side for several apps.
	Side Side
	// oneApp: fail unless exactly one app is meant.
	OneApp bool
	// next are commands that a person may run next.
	Next []string
	// confirm, if set, is asked once the apps are known.
	Confirm func(project string, apps []string) error
}

// Destroy is the operation that destroys all that runs of an app in a workspace.
func Destroy() Operation {
	return Operation{
		Name: "destroy", Doing: "Destroying", Done: "Destroyed",
		Spec: Same(&waypointv1.Operation{Operation: &waypointv1.Operation_Destroy{Destroy: &waypointv1.DestroyOp{}}}),
	}
}

// Run queues the operation for each app, side by side as far as the operation allows it, follows it and shows its
// result. An app's failure does not stop the others.
func Run(cmd *cobra.Command, sh Host, flags *Flags, op Operation) error {
	ctx := cmd.Context()
	if flags.parallel < 0 {
		return problem.New("USAGE", "invalid -parallel %d: use 1 or more, or 0 for the default", flags.parallel)
	}
	s, err := scope.Find(sh)
	if err != nil {
		return err
	}
	if err := scope.CheckWorkspace(sh); err != nil {
		return err
	}
	if !s.Foreign() { // a mistyped app is said before a server is asked
		if _, err := scope.PickApps(sh.Flags().App, s.LocalApps(), nil); err != nil {
			return err
		}
	}
	in, err := flags.gather(sh, s)
	if err != nil {
		return err
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	if !s.Foreign() {
		if unused := s.File.Ignored(); len(unused) > 0 {
			config.Render(sh.Env().Err, s.File, unused, sh.ErrSetting().Color())
		}
	}
	project, known, err := ensureRegistered(ctx, sh, c, s)
	if err != nil {
		return err
	}
	apps, err := scope.PickApps(sh.Flags().App, s.LocalApps(), known)
	if err != nil {
		return err
	}
	if op.OneApp && len(apps) != 1 {
		return problem.New("APP_NEEDED", "the project has several apps, and this command works on exactly one").WithHint("Name it with -app: %s.", render.OrNone(apps))
	}
	if op.Confirm != nil {
		if err := op.Confirm(s.Project, apps); err != nil {
			return err
		}
	}
	at, err := placeFor(ctx, c, flags.local, s, project)
	if err != nil {
		return err
	}
	if source := project.GetDataSource().GetGit(); at.remote && !s.Foreign() && source != nil && readsSource(op) {
		if difference := localDifference(ctx, s.Dir, source); difference != "" {
			sh.Warnf("the operation runs remotely with the project's git source, and this directory has %s: they are not in what runs. "+
				"Commit and push, or use -local.", difference)
		}
	}
	order := orderOf(op.Side, flags.parallel, len(apps), at.remote, processors())
	var out sink
	if flags.JSON {
		out = newJSONSink(sh)
	} else {
		out = newHumanSink(sh, order.sideBySide())
	}
	r := &run{
		sh: sh, client: c, op: op, scope: s, in: in, at: at, order: order, out: out,
		options: sync.OnceValues(func() (runner.Options, error) { return RunnerOptions(sh) }),
	}
	results, err := r.all(ctx, apps)
	out.finish(op, results)
	return err
}

// queueGrace is how long an interrupt waits for the answer of a call that queues a job.
const queueGrace = time.Second

// queue queues a job. An interrupt does not cut the call off at once: the job may be queued already, and one that
// nobody knows of would hold its lane until it expires.
func (r *run) queue(ctx context.Context, spec *waypointv1.JobSpec) (*waypointv1.Job, error) {
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(queueGrace, cancel)
	})()
	res, err := r.client.Job.QueueJob(call, connect.NewRequest(&waypointv1.QueueJobRequest{Spec: spec}))
	if err != nil {
		return nil, err
	}
	return res.Msg.GetJob(), nil
}

func (r *run) jobSpec(o *outcome, what *waypointv1.Operation) *waypointv1.JobSpec {
	spec := &waypointv1.JobSpec{
		Project: o.project, App: o.app, Workspace: o.workspace, Operation: what,
		Variables: r.in.variables, Labels: r.in.labels,
		Target: &waypointv1.Target{Target: &waypointv1.Target_Any{Any: &waypointv1.AnyRunner{}}},
	}
	if r.at.remote {
		spec.DataSourceOverrides = r.in.overrides
		return spec
	}
	spec.DataSource = &waypointv1.DataSource{Source: &waypointv1.DataSource_Local{Local: &waypointv1.LocalSource{}}}
	// No expiry: it would count from queueing, and this CLI may wait long for the lane. The server gives a local job that
	// is READY 30 s to be claimed, as in Waypoint.
	return spec
}

// ErrNothingToDo reports that no job is necessary for an app.
var ErrNothingToDo = errors.New("nothing to do")

// errDetached ends a command whose job goes on without it.
var errDetached = fmt.Errorf("detached: %w", problem.ErrSilent)

// watchRemote follows a job that runs elsewhere. An interrupt detaches: the job goes on.
func (r *run) watchRemote(ctx context.Context, job *waypointv1.Job, out appSink) (*waypointv1.Job, error) {
	ended, err := follow(ctx, r.client, job, out, r.sh.Env().Now)
	if ctx.Err() != nil && (err != nil || !render.HasEnded(ended)) {
		out.detached(job)
		return job, errDetached
	}
	if err != nil {
		return job, err
	}
	return ended, jobError(r.op, ended)
}

// stopGrace is how long a cancelled local job may take to end.
const stopGrace = 30 * time.Second

// runHere runs a job with a runner in this process and follows it like any other. The end of the command's context,
// which is an interrupt, cancels the job, whose end is still followed.
func (r *run) runHere(command context.Context, local *localRunner, job *waypointv1.Job, out appSink) (*waypointv1.Job, error) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(command))
	defer cancel(nil)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel(nil)

	runnerEnded := make(chan struct{})
	running, stopRunner := context.WithCancelCause(context.WithoutCancel(command))
	defer stopRunner(nil)
	tasks.Go(func() {
		err := local.runner.RunJob(running, job.GetId())
		if err != nil && ctx.Err() == nil { // nobody will finish the job: stop following it
			if running.Err() != nil {
				err = errInterrupted
			}
			cancel(err)
		}
		close(runnerEnded)
	})
	tasks.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-command.Done():
		}
		out.canceling()
		stopRunner(context.Cause(command)) // the runner cancels the job
		out.note("Cancelling; press Ctrl-C again to stop immediately")
		select {
		case <-ctx.Done():
		case <-time.After(stopGrace):
			cancel(errInterrupted)
		}
	})

	ended, err := followHere(ctx, r.client, job, out, r.sh.Env().Now)
	if err == nil {
		// The runner is told of the end by the same server; it has little left to do.
		select {
		case <-runnerEnded:
		case <-time.After(stopGrace):
		}
		return ended, jobError(r.op, ended)
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
		// Its end, if the server has one, says more than the runner's error.
		bounded, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer done()
		if got, getErr := r.client.Job.GetJob(bounded, connect.NewRequest(&waypointv1.GetJobRequest{Id: job.GetId()})); getErr == nil && render.HasEnded(got.Msg.GetJob()) {
			return got.Msg.GetJob(), jobError(r.op, got.Msg.GetJob())
		}
		_, _ = r.client.Job.CancelJob(bounded, connect.NewRequest(&waypointv1.CancelJobRequest{Id: job.GetId(), Force: true}))
	}
	return job, err
}

// errInterrupted ends a local job whose cancelling did not get through.
var errInterrupted = errors.New("interrupted; the job could not be cancelled")

// NewID makes a new ULID.
func NewID() string { return ulid.Make().String() }
