package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/lease"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// Names of steps, as the server keeps them.
const (
	stepBuild   = "build"
	stepPush    = "push"
	stepDeploy  = "deploy"
	stepRelease = "release"
	stepPrune   = "prune"
	stepDestroy = "destroy"
	stepStatus  = "status"
)

// attempt is what a job has of its claim: the lease under which it works, its output, and the result that it collects.
type attempt struct {
	h     *Host
	claim *waypointv1.ClaimJobResponse
	spec  *waypointv1.JobSpec
	ui    UI
	lease *lease.Renewer
	drain <-chan struct{}
	// secrets are taken out of all that leaves the runner: by ui, by call, and by log.
	secrets *redact.Secrets
	log     *slog.Logger

	// current is the step that runs, for the error.
	current string
	result  *waypointv1.JobResult
}

// lostMost is how often a step is run again because its plugin process ended: with the first try that makes three, as
// many as a job has attempts when runners are lost.
const lostMost = 2

// finished is the step as an earlier attempt finished it; nil if none did.
func (j *attempt) finished(name string) *waypointv1.JobStep {
	for _, s := range j.claim.GetJob().GetSteps() {
		if s.GetName() == name && s.GetEndedUnixMs() != 0 {
			return s
		}
	}
	return nil
}

// ready waits until a step may begin, and stops the job here if the runner drains.
func (j *attempt) ready(ctx context.Context) error {
	select {
	case <-j.drain:
		return errHandBack
	default:
	}
	return j.lease.Ready(ctx)
}

// step runs act as a step: begun on the server before act, ended after it. act returns the record that it made. A step
// that an earlier attempt finished is only run again if what it made is of no use here.
//
// A step that is cut because the lease may have expired is run again once the lease is renewed, if it may be; otherwise
// its error says so. The same holds for a step whose plugin process ended, up to lostMost times. The step's end is
// written only after act succeeded.
func (j *attempt) step(ctx context.Context, name string, rerunnable bool, act func(ctx context.Context) (string, error)) error {
	j.current = name
	lost := 0
	for again := j.finished(name) != nil; ; again = true {
		if err := j.ready(ctx); err != nil {
			return err
		}
		if again {
			// The server passes over what was printed before: nothing may be on its way while it counts that.
			j.flush(ctx, name)
		}
		begin := &waypointv1.BeginStepRequest{Fence: j.claim.GetFence(), Name: name, Rerunnable: rerunnable, Again: again, Output: j.ui.Next()}
		if _, err := call(ctx, j, j.h.Server.Agent.BeginStep, begin); err != nil {
			return err
		}
		record, err := act(ctx)
		if err == nil {
			// An attempt after this one does not run the step again: what it showed must be safe before its end is.
			j.flush(ctx, name)
			end := &waypointv1.EndStepRequest{Fence: j.claim.GetFence(), Name: name, RecordId: record}
			if _, err = call(ctx, j, j.h.Server.Agent.EndStep, end); err != nil {
				return err
			}
			j.current = ""
			return nil
		}
		switch {
		case !rerunnable:
			return err
		case errors.Is(err, lease.ErrLapsed):
			j.ui.Line(plugin.Warning, "The server was away for too long: the step %s is run again.", name)
		case errors.Is(err, plugin.ErrProcessLost) && lost < lostMost:
			lost++
			j.ui.Line(plugin.Warning, "%s: the step %s is run again in a new process.", err, name)
		default:
			return err
		}
	}
}

// flush waits until what a step printed is safe. A step whose output is lost counts all the same.
func (j *attempt) flush(ctx context.Context, step string) {
	if err := j.ui.Flush(ctx); err != nil {
		j.log.WarnContext(ctx, "a step's output is not whole", "step", step, "error", err)
	}
}

// guarded calls a plugin under a context that the lease can end, and returns why it ended rather than what the plugin
// made of that. A plugin that panics fails its job, not the runner.
func (j *attempt) guarded(ctx context.Context, f func(ctx context.Context) error) (err error) {
	work, end := j.lease.Work(ctx)
	defer end()
	defer func() {
		if p := recover(); p != nil {
			j.log.ErrorContext(ctx, "a plugin panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = &plugin.Error{Message: fmt.Sprintf("the plugin panicked: %v", p), Hint: "This is a bug in the plugin; the runner's log has the details."}
		}
	}()
	err = f(work)
	if err == nil {
		return nil
	}
	if cause := context.Cause(work); cause != nil {
		return cause
	}
	return err
}

func (j *attempt) workspace() string {
	if w := j.spec.GetWorkspace(); w != "" {
		return w
	}
	return "default"
}
