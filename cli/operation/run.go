package operation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/runner"
)

// run is an operation on its way.
type run struct {
	sh     Host
	client *client.Client
	op     Operation
	scope  *scope.Scope
	in     *inputs
	at     placement
	order  order
	out    sink
	// options are those of every runner in this process.
	options func() (runner.Options, error)
}

// outcome is what became of one app.
type outcome struct {
	project, app, workspace string
	remote                  bool
	job                     *waypointv1.Job
	took                    time.Duration
	err                     error
	// left: nothing was begun, because the command was interrupted or detached before.
	left bool
}

// all runs the operation for each app. Once one app's job is left to itself, or the command is interrupted, no further
// app is begun; those that were begun are followed to their end.
func (r *run) all(ctx context.Context, apps []string) (results []*outcome, err error) {
	begin, stop := context.WithCancel(ctx) // ends the beginning of further apps, not those that have begun
	defer stop()
	r.sh.OnWaiting(r.out.note)
	outcomes, sinks := make([]*outcome, len(apps)), make([]appSink, len(apps))
	for n, app := range apps {
		outcomes[n] = &outcome{project: r.scope.Project, app: app, workspace: r.sh.Workspace(), remote: r.at.remote, left: true}
		sinks[n] = r.out.app(app)
	}
	q := newQueue(r.order.most, apps)
	var group sync.WaitGroup
	for n, o := range outcomes {
		p := q.enter(begin, n)
		if p == nil {
			break
		}
		o.left = false
		group.Go(func() {
			defer p.exit()
			began := r.sh.Env().Now()
			o.job, o.err = r.one(ctx, o, sinks[n], p)
			o.took = r.sh.Env().Now().Sub(began)
			sinks[n].ended(r.op, o)
			if errors.Is(o.err, errDetached) {
				stop()
			}
		})
	}
	group.Wait()
	for _, o := range outcomes {
		if o.left {
			continue
		}
		results = append(results, o)
		if o.err != nil {
			err = errors.Join(err, r.ofApp(o, len(apps)))
		}
	}
	return results, err
}

// ofApp returns an outcome's error, which names its app if there are several: the error of a job does so itself.
func (r *run) ofApp(o *outcome, apps int) error {
	var own *problem.Problem
	if apps < 2 || errors.As(o.err, &own) || errors.Is(o.err, problem.ErrSilent) {
		return o.err
	}
	return problem.Of(o.app, o.err)
}

// one runs the operation for an app.
func (r *run) one(ctx context.Context, o *outcome, out appSink, p *ticket) (*waypointv1.Job, error) {
	ctx = client.WithMaxRetry(ctx, shell.RetryOperation)
	what, err := r.op.Spec(ctx, r.client, o.project, o.app)
	if errors.Is(err, ErrNothingToDo) {
		out.note("")
		r.sh.Progressf("Nothing to %s of %s in workspace %s.\n", r.op.Name, o.app, o.workspace)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	turn := func(ctx context.Context) error {
		defer out.note("")
		return p.awaitTurn(ctx, func(before string) { out.note("Waiting until " + before + " is through") })
	}
	switch {
	case !r.at.remote && r.order.turns:
		return r.here(ctx, o, out, what, turn)
	case !r.at.remote:
		return r.here(ctx, o, out, what, nil)
	case r.order.turns:
		return r.builtFirst(ctx, o, out, what.GetUp(), turn)
	}
	return r.remotely(ctx, r.op, o, out, what)
}

// here runs an operation of an app with a runner in this process, which awaits the app's turn before it changes what runs.
func (r *run) here(ctx context.Context, o *outcome, out appSink, what *waypointv1.Operation, turn func(context.Context) error) (*waypointv1.Job, error) {
	spec := r.jobSpec(o, what)
	local, err := r.newLocalRunner(turn)
	if err != nil {
		return nil, err
	}
	defer local.report(o, "")()
	spec.Target = &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: local.id}}
	job, err := r.queue(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("queueing the job: %w", err)
	}
	out.queued(r.op, o, job, r.at)
	local.report(o, job.GetId()) // ends with the one above
	return r.runHere(ctx, local, job, out)
}

// remotely runs an operation of an app on a standing runner.
func (r *run) remotely(ctx context.Context, op Operation, o *outcome, out appSink, what *waypointv1.Operation) (*waypointv1.Job, error) {
	job, err := r.queue(ctx, r.jobSpec(o, what))
	if err != nil {
		return nil, fmt.Errorf("queueing the job: %w", err)
	}
	out.queued(op, o, job, r.at)
	return r.watchRemote(ctx, job, out)
}

// builtFirst is an up on standing runners whose build is a job of its own, since a job that waited for its turn would
// keep a runner from working. The up takes the artifact if its runner can reach it, and builds again if not.
func (r *run) builtFirst(ctx context.Context, o *outcome, out appSink, up *waypointv1.UpOp, turn func(context.Context) error) (*waypointv1.Job, error) {
	build := Operation{Name: "build", Doing: "Building"}
	job, err := r.remotely(ctx, build, o, out, &waypointv1.Operation{Operation: &waypointv1.Operation_Build{Build: &waypointv1.BuildOp{}}})
	if err != nil {
		return job, err
	}
	if err := turn(ctx); err != nil {
		return job, errDetached // the build is done, and nothing else was begun
	}
	what := &waypointv1.UpOp{Prune: up.GetPrune(), Force: up.GetForce(), ArtifactId: job.GetResult().GetArtifact().GetMeta().GetId()}
	return r.remotely(ctx, r.op, o, out, &waypointv1.Operation{Operation: &waypointv1.Operation_Up{Up: what}})
}
