package runner

import (
	"context"
	"errors"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/oklog/ulid/v2"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/retry"
	"github.com/waypoint-serverless/waypoint/runner/lifecycle"
)

// failing is how the loops that talk to the server and the queue wait after errors. An incident of minutes must not be
// answered by each runner of a large pool every two seconds with a call and a new set of keys.
var failing = retry.Policy{First: 2 * time.Second, Most: time.Minute}

// Run runs jobs from the pool's queue until ctx ends; then it drains: it receives nothing more, hands its jobs back
// between two steps, and waits for them no longer than DrainTimeout. It returns an error only if the server refuses
// this runner for good.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.registerPatiently(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	hard, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s := &session{r: r, hard: hard, drain: ctx.Done(), refuse: cancel}

	var loops sync.WaitGroup
	loops.Go(func() { lifecycle.RemoveDead(ctx, r.log) })
	loops.Go(func() { s.beat(ctx) })
	loops.Go(func() { s.receive(ctx) })
	loops.Wait()

	running, _, _ := r.slots()
	r.log.InfoContext(hard, "draining", "running", running)
	timer := time.AfterFunc(r.o.DrainTimeout, stop)
	s.jobs.Wait()
	timer.Stop()
	if err := r.Close(hard); err != nil {
		r.log.DebugContext(hard, "could not deregister", "error", err)
	}
	var refused *refusal
	if errors.As(context.Cause(ctx), &refused) {
		return refused.err
	}
	return nil
}

// refusal is an answer that no waiting changes.
type refusal struct{ err error }

func (e *refusal) Error() string { return e.err.Error() }

// refused reports whether the server will never have this runner.
func refused(err error) bool {
	f, ok := fault.From(err)
	if !ok {
		return false
	}
	switch f.Reason {
	case fault.TokenMissing, fault.TokenInvalid, fault.TokenExpired, fault.TokenRevoked, fault.PermissionDenied,
		fault.VersionUnsupported, fault.InvalidArgument:
		return true
	}
	return false
}

// registerPatiently waits for a server that is not there yet.
func (r *Runner) registerPatiently(ctx context.Context) error {
	for waits := failing.Start(); ; {
		_, err := r.register(ctx, false)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return nil //nolint:nilerr // told to stop, which is no failure
		case refused(err):
			return err
		}
		wait := waits.Next(err)
		r.log.WarnContext(ctx, "could not register; trying again", "error", err, "after", wait)
		retry.Sleep(ctx, wait)
	}
}

// session is one Run.
type session struct {
	r      *Runner
	hard   context.Context // ends the jobs
	drain  <-chan struct{}
	refuse context.CancelCauseFunc
	jobs   sync.WaitGroup
}

// beat says each minute that the runner lives, and takes the jobs that the answer names: the path without a queue.
func (s *session) beat(ctx context.Context) {
	for waits := failing.Start(); ; {
		every := retry.Spread(defaultHeartbeat)
		running, free, _ := s.r.slots()
		res, err := s.r.o.Client.Agent.Beat(client.WithMaxRetry(ctx, patience), connect.NewRequest(&waypointv1.BeatRequest{
			RunnerId: s.r.o.ID, Running: int32(running), Free: int32(free),
		}))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && refused(err):
			s.refuse(&refusal{err})
			return
		case err != nil:
			every = waits.Next(err)
			s.r.log.WarnContext(ctx, "could not send a heartbeat", "error", err, "after", every)
		case !res.Msg.GetRegistered():
			s.again(ctx)
			every = waits.Next(nil)
		default:
			waits.Reset()
			if reg, err := s.r.register(ctx, false); err == nil && reg.GetBeatMs() > 0 {
				every = retry.Spread(milliseconds(reg.GetBeatMs()))
			}
			for _, id := range res.Msg.GetJobIds() {
				s.start(id, nil)
			}
		}
		if !retry.Sleep(ctx, every) {
			return
		}
	}
}

// again registers once more: the server, or its pool, has forgotten the runner.
func (s *session) again(ctx context.Context) {
	if _, err := s.r.register(ctx, true); err != nil && ctx.Err() == nil {
		if refused(err) {
			s.refuse(&refusal{err})
			return
		}
		s.r.log.WarnContext(ctx, "could not register again", "error", err)
	}
}

// receive takes messages, never more than there are free slots.
func (s *session) receive(ctx context.Context) {
	var q *queue
	waits := failing.Start()
	for ctx.Err() == nil {
		if q == nil {
			var err error
			if q, err = s.r.openQueue(ctx); err != nil {
				s.queueFailed(ctx, err, waits)
				continue
			}
		}
		_, free, freed := s.r.slots()
		if free <= 0 {
			select {
			case <-freed:
			case <-ctx.Done():
			}
			continue
		}
		messages, err := q.receive(ctx, free)
		if err != nil {
			// Meanwhile the heartbeat brings jobs.
			if refusesKeys(err) {
				q.keys.Invalidate() // perhaps it is a new server
			}
			if gone(err) {
				s.again(ctx)
				q = nil
			}
			s.queueFailed(ctx, err, waits)
			continue
		}
		waits.Reset()
		for _, m := range messages {
			s.message(ctx, q, m)
		}
	}
}

// queueFailed waits after a failure of the queue, longer after each one.
func (s *session) queueFailed(ctx context.Context, err error, waits *retry.Backoff) {
	switch {
	case ctx.Err() != nil:
	case refused(err):
		s.refuse(&refusal{err})
	case fault.Is(err, fault.RunnerNotFound):
		s.again(ctx)
		waits.Wait(ctx, err)
	default:
		wait := waits.Next(err)
		s.r.log.WarnContext(ctx, "could not receive from the queue", "error", err, "after", wait)
		retry.Sleep(ctx, wait)
	}
}

// message starts the job that a message names.
func (s *session) message(ctx context.Context, q *queue, m types.Message) {
	msg := &message{r: s.r, q: q, receipt: aws.ToString(m.ReceiptHandle)}
	wakeUp, ok := jobOf(m)
	switch {
	case !ok:
		s.r.log.WarnContext(ctx, "a message names no job")
		msg.delete(ctx)
		return
	case wakeUp.RunnerID != "" && wakeUp.RunnerID != s.r.o.ID:
		s.jobs.Go(func() { msg.passOn(s.hard, m) })
		return
	}
	switch s.start(wakeUp.JobID, msg) {
	case alreadyRunning:
		s.jobs.Go(func() { msg.hide(s.hard, hideOwn) })
	case noSlot:
		s.jobs.Go(func() { msg.hide(s.hard, 0) }) // somebody else may have one
	}
}

// start claims and runs a job in a slot of its own, if there is one.
func (s *session) start(id string, msg *message) int {
	got := s.r.take(id)
	if got == taken {
		s.jobs.Go(func() {
			defer s.r.give(id)
			s.claimAndRun(id, msg)
		})
	}
	return got
}

// claimAndRun does what the answer to a claim asks for (protocol, rows 4 and 5).
func (s *session) claimAndRun(id string, msg *message) {
	select {
	case <-s.drain:
		msg.hide(s.hard, 0)
		return
	default:
	}
	sentAt := time.Now()
	claim, err := s.r.claim(s.hard, id)
	if err != nil {
		if fault.Is(err, fault.JobNotFound) {
			msg.delete(s.hard)
		} else if s.hard.Err() == nil {
			s.r.log.WarnContext(s.hard, "could not claim a job", "job", id, "error", err)
		}
		return
	}
	switch claim.GetOutcome() {
	case waypointv1.ClaimJobResponse_OUTCOME_LEASED:
		msg.hide(s.hard, max(secondsOf(claim.GetRetryAfterMs()), 1))
	case waypointv1.ClaimJobResponse_OUTCOME_ENDED, waypointv1.ClaimJobResponse_OUTCOME_NOT_READY:
		msg.delete(s.hard)
	case waypointv1.ClaimJobResponse_OUTCOME_CLAIMED:
		end := s.r.execute(s.hard, claim, sentAt, s.drain, nil, func(ctx context.Context) { msg.hide(ctx, hideClaimed) })
		switch end {
		case endWritten:
			msg.delete(s.hard)
		case endHandedBack:
			msg.hide(s.hard, 0)
		}
	}
}

// claim asks for a job with a nonce of its own: a repeat of the call gets the same answer.
func (r *Runner) claim(ctx context.Context, id string) (*waypointv1.ClaimJobResponse, error) {
	res, err := r.o.Client.Agent.ClaimJob(client.WithMaxRetry(ctx, patience), connect.NewRequest(&waypointv1.ClaimJobRequest{
		RunnerId: r.o.ID, JobId: id, Nonce: ulid.Make().String(),
	}))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}
