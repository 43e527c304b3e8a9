package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/retry"
)

// tailPause is how often a job's state is asked for where the server holds no reads.
const tailPause = time.Second

// RunJob claims one job that names this runner as soon as it is READY, runs it, and returns at its end, which the job
// itself tells. When ctx ends, the job is canceled: nobody else can reach its source. A server that is away is waited
// for. The error is nil unless this runner could not run the job.
func (r *Runner) RunJob(ctx context.Context, jobID string) error {
	beating, stop := context.WithCancel(ctx)
	defer stop()
	reg, err := r.register(client.WithMaxRetry(ctx, patience), false)
	if err != nil {
		return r.abandon(ctx, jobID, err)
	}
	beats := make(chan struct{})
	go func() { defer close(beats); r.stayKnown(beating, reg) }()
	defer func() { stop(); <-beats }()

	for {
		ready, err := r.awaitReady(ctx, jobID)
		if err != nil {
			return r.abandon(ctx, jobID, err)
		}
		if !ready {
			return nil
		}
		again, err := r.runByID(ctx, jobID)
		if err != nil || !again {
			return err
		}
	}
}

// stayKnown beats while a job waits or runs.
func (r *Runner) stayKnown(ctx context.Context, reg *waypointv1.RegisterResponse) {
	every := milliseconds(reg.GetBeatMs())
	if every <= 0 {
		every = defaultHeartbeat
	}
	for retry.Sleep(ctx, retry.Spread(every)) {
		running, _, _ := r.slots()
		res, err := r.o.Client.Agent.Beat(ctx, connect.NewRequest(&waypointv1.BeatRequest{RunnerId: r.o.ID, Running: int32(running)}))
		if err == nil && !res.Msg.GetRegistered() {
			_, err = r.register(ctx, true)
		}
		if err != nil && ctx.Err() == nil {
			r.log.DebugContext(ctx, "could not send a heartbeat", "error", err)
		}
	}
}

// awaitReady reads the job's state until it is READY (true) or has ended (false).
func (r *Runner) awaitReady(ctx context.Context, jobID string) (bool, error) {
	req := &waypointv1.TailJobRequest{JobId: jobID, WaitMs: validate.MaxTailWaitMS}
	for waits := failing.Start(); ; {
		asked := time.Now()
		res, err := r.o.Client.Tail.TailJob(client.WithMaxRetry(ctx, patience), connect.NewRequest(req))
		switch {
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		case err == nil:
		default:
			if _, typed := fault.From(err); typed {
				return false, fmt.Errorf("waiting for the job: %w", err)
			}
			r.log.WarnContext(ctx, "waiting for the server", "error", err)
			waits.Wait(ctx, err)
			continue
		}
		waits.Reset()
		switch state := res.Msg.GetJob().GetState(); {
		case state == waypointv1.JobState_JOB_STATE_READY, state == waypointv1.JobState_JOB_STATE_RUNNING:
			// RUNNING: an attempt of ours whose answer was lost; the claim says what holds.
			return true, nil
		case state > waypointv1.JobState_JOB_STATE_RUNNING, res.Msg.GetDone():
			return false, nil
		}
		req.Cursor = res.Msg.GetNextCursor()
		if time.Since(asked) < tailPause && len(res.Msg.GetEvents()) == 0 {
			retry.Sleep(ctx, tailPause)
		}
	}
}

// abandon cancels a job that nobody will run any more. It is forced: a claim whose answer was cut off may stand.
func (r *Runner) abandon(ctx context.Context, jobID string, why error) error {
	if ctx.Err() == nil {
		return why
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeBound)
	defer cancel()
	_, err := r.o.Client.Job.CancelJob(ctx, connect.NewRequest(&waypointv1.CancelJobRequest{Id: jobID, Force: true}))
	return errors.Join(why, err)
}

// runByID claims and runs a job. again: it is not to be had yet.
func (r *Runner) runByID(ctx context.Context, jobID string) (again bool, err error) {
	sentAt := time.Now()
	claim, err := r.claim(ctx, jobID)
	if err != nil {
		return false, r.abandon(ctx, jobID, fmt.Errorf("claiming the job: %w", err))
	}
	switch claim.GetOutcome() {
	case waypointv1.ClaimJobResponse_OUTCOME_ENDED:
		return false, nil
	case waypointv1.ClaimJobResponse_OUTCOME_LEASED:
		if !retry.Sleep(ctx, max(milliseconds(claim.GetRetryAfterMs()), tailPause)) {
			return false, r.abandon(ctx, jobID, context.Cause(ctx))
		}
		return true, nil
	case waypointv1.ClaimJobResponse_OUTCOME_CLAIMED:
	default:
		if !retry.Sleep(ctx, tailPause) {
			return false, r.abandon(ctx, jobID, context.Cause(ctx))
		}
		return true, nil
	}
	if r.take(jobID) != taken {
		return false, errors.New("this runner runs the job already, or as many as it may")
	}
	defer r.give(jobID)
	hard, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	// After an interrupt the job has a bounded time to stop and to say so.
	unhook := context.AfterFunc(ctx, func() {
		retry.Sleep(hard, endBound)
		stop()
	})
	defer unhook()
	end := r.execute(hard, claim, sentAt, nil, ctx.Done(), func(context.Context) {})
	switch {
	case end == endLost && ctx.Err() == nil:
		return false, fmt.Errorf("the job %s was taken from this runner", jobID)
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	}
	return false, nil
}
