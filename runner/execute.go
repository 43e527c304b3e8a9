package runner

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/runner/guard"
	"github.com/waypoint-serverless/waypoint/runner/lease"
	"github.com/waypoint-serverless/waypoint/runner/lifecycle"
	"github.com/waypoint-serverless/waypoint/runner/output"
	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// ending is how a claimed job left this runner.
type ending int

const (
	// endWritten: the job's end is with the server.
	endWritten ending = iota
	// endHandedBack: another runner may have it now.
	endHandedBack
	// endLost: the lease is another's, or the runner was stopped; nothing was written.
	endLost
)

// execution is one claimed job on this runner.
type execution struct {
	r       *Runner
	claim   *waypointv1.ClaimJobResponse
	renewer *lease.Renewer
	out     *output.Writer
	// secrets are the job's sensitive values: nothing that is sent or logged for it shows them.
	secrets *redact.Secrets
}

// execute runs a claimed job to its end. ctx stops it hard; drain stops it between steps; interrupt cancels it. kept is
// called while the lease lives, about every 10 s, and at once.
func (r *Runner) execute(ctx context.Context, claim *waypointv1.ClaimJobResponse, sentAt time.Time, drain, interrupt <-chan struct{}, kept func(context.Context)) ending {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx = guard.NewContext(ctx, r.o.Guard)
	e := &execution{r: r, claim: claim, secrets: redact.New()}
	defer e.guarded(false)()
	e.renewer = lease.Start(ctx, lease.Options{
		Renew: e.renew, Stale: lifecycle.Stale, Lease: milliseconds(claim.GetLeaseMs()), SentAt: sentAt, Logger: r.log,
	})
	defer e.renewer.Stop()
	e.out = output.New(ctx, output.Options{
		Append: e.append, Permanent: lifecycle.Final, Next: claim.GetNextOutput(),
		Prefix: fmt.Sprintf("%d.", claim.GetFence().GetAttempt()), Secrets: e.secrets, Rate: r.outputRate,
		Failed: func(err error) {
			if lifecycle.Stale(err) {
				e.renewer.Lose()
				return
			}
			r.log.ErrorContext(ctx, "a job's output was refused", "job", claim.GetJob().GetId(), "error", err)
		},
	})
	stop := e.watch(ctx, interrupt, kept)
	defer stop()

	r.log.InfoContext(ctx, "running a job", "job", claim.GetJob().GetId(), "attempt", claim.GetFence().GetAttempt())
	outcome := lifecycle.Run(ctx, r.host, claim, e.renewer, e.out, e.secrets, drain)
	end := e.finish(ctx, cancel, outcome)
	if lines, bytes := e.out.LeftOut(); bytes > 0 {
		r.log.WarnContext(ctx, "output of a job was left out", "job", claim.GetJob().GetId(), "lines", lines, "bytes", bytes)
	}
	r.log.InfoContext(ctx, "a job left", "job", claim.GetJob().GetId(), "lost", end == endLost, "handed_back", end == endHandedBack,
		"error", outcome.Err.GetReason())
	return end
}

// watch keeps the message hidden and passes an interrupt on, until the function returned is called.
func (e *execution) watch(ctx context.Context, interrupt <-chan struct{}, kept func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(extendEvery)
		defer ticker.Stop()
		kept(ctx)
		for {
			select {
			case <-ticker.C:
				if e.renewer.Fresh() {
					kept(ctx)
				}
			case <-interrupt:
				e.guarded(true)
				e.renewer.Cancel()
				interrupt = nil
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// guarded has the attempt reported if this process is killed, until the function returned is called.
func (e *execution) guarded(canceled bool) (done func()) {
	f := e.claim.GetFence()
	return e.r.o.Guard.Report(f.GetJobId(), guard.Work{
		RunnerID: f.GetRunnerId(), JobID: f.GetJobId(), Attempt: f.GetAttempt(), Canceled: canceled,
	})
}

// finish writes the job's end, or gives it back.
func (e *execution) finish(ctx context.Context, cancel context.CancelFunc, o lifecycle.Outcome) ending {
	if o.Stale || ctx.Err() != nil {
		cancel() // the output has nobody to go to
		_ = e.out.Close(ctx)
		return endLost
	}
	// A writer that failed has said so already; its positions are those that were accepted.
	_ = e.out.Close(ctx)
	if o.HandBack {
		_, err := lifecycle.LastCall(ctx, e.renewer, e.r.o.Client.Agent.HandBackJob, &waypointv1.HandBackJobRequest{Fence: e.claim.GetFence()})
		if err != nil {
			e.r.log.WarnContext(ctx, "could not hand a job back", "job", e.claim.GetJob().GetId(), "error", err)
			return endLost
		}
		return endHandedBack
	}
	req := redact.Message(e.secrets, &waypointv1.CompleteJobRequest{Fence: e.claim.GetFence(), Error: o.Err, Result: o.Result, NextOutput: e.out.Next()})
	req.Result = validate.ShortResult(req.GetResult()) // after what is sensitive was taken out: half of a value would not be recognised
	_, err := lifecycle.LastCall(ctx, e.renewer, e.r.o.Client.Agent.CompleteJob, req)
	if err != nil {
		e.r.log.WarnContext(ctx, "could not complete a job", "job", e.claim.GetJob().GetId(), "error", err)
		return endLost
	}
	return endWritten
}

func (e *execution) renew(ctx context.Context) (lease.Renewal, error) {
	ctx = client.WithMaxRetry(ctx, 0) // the renewer asks again by itself
	res, err := e.r.o.Client.Agent.RenewLease(ctx, connect.NewRequest(&waypointv1.RenewLeaseRequest{Fence: e.claim.GetFence()}))
	if err != nil {
		return lease.Renewal{}, err
	}
	return lease.Renewal{Lease: milliseconds(res.Msg.GetLeaseMs()), CancelRequested: res.Msg.GetCancelRequested()}, nil
}

func (e *execution) append(ctx context.Context, position int64, events []*waypointv1.OutputEvent) (int64, error) {
	ctx = client.WithMaxRetry(ctx, 0) // the writer repeats by itself
	sentAt := time.Now()
	res, err := e.r.o.Client.Agent.AppendOutput(ctx, connect.NewRequest(&waypointv1.AppendOutputRequest{
		Fence: e.claim.GetFence(), Position: position, Events: events,
	}))
	if err != nil {
		return 0, err
	}
	e.renewer.Observe(sentAt, lease.Renewal{Lease: milliseconds(res.Msg.GetLeaseMs()), CancelRequested: res.Msg.GetCancelRequested()})
	e.out.SetInterval(milliseconds(res.Msg.GetIntervalMs()))
	return res.Msg.GetNextOutput(), nil
}

func milliseconds(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }
