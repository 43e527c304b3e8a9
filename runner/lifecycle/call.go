package lifecycle

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	"github.com/waypoint-serverless/waypoint/internal/retry"
	"github.com/waypoint-serverless/waypoint/runner/lease"
	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// typedBound is how long a typed refusal that may pass (throttled, disk full) is waited out.
const typedBound = 2 * time.Minute

// callWaits is how a call of a job waits between its tries.
var callWaits = retry.Policy{First: 100 * time.Millisecond, Most: 5 * time.Second}

// Method is a generated client's method.
type Method[Req, Res any] = func(context.Context, *connect.Request[Req]) (*connect.Response[Res], error)

// call makes a call of the job without its sensitive values; what the apps are to have is sent by syncConfig.
func call[Req, Res any](ctx context.Context, j *attempt, f Method[Req, Res], req *Req) (*Res, error) {
	if m, ok := any(req).(proto.Message); ok {
		req, _ = any(redact.Message(j.secrets, m)).(*Req)
	}
	return Call(ctx, j.lease, f, req)
}

// Call makes a call of the job until it is answered: a server that is away is waited for as long as ctx and the lease
// last. All calls of a job may be repeated: the attempt and the record's id make them so.
func Call[Req, Res any](ctx context.Context, renewer *lease.Renewer, f Method[Req, Res], req *Req) (*Res, error) {
	ctx, cancel := untilLost(ctx, renewer)
	defer cancel()
	return LastCall(ctx, renewer, f, req)
}

// LastCall is Call for the call that ends the attempt, and waits as long as ctx lasts. Only its own answer counts: once
// the server has ended the attempt, a renewal that is on its way is refused as if the lease were lost.
func LastCall[Req, Res any](ctx context.Context, renewer *lease.Renewer, f Method[Req, Res], req *Req) (*Res, error) {
	if m, ok := any(req).(proto.Message); ok {
		req, _ = any(validate.Text(m)).(*Req)
	}
	start := time.Now()
	for waits := callWaits.Start(); ; {
		res, err := f(ctx, connect.NewRequest(req))
		switch {
		case err == nil:
			return res.Msg, nil
		case Stale(err):
			renewer.Lose()
			return nil, lease.ErrStale
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case final(err, time.Since(start)):
			return nil, err
		}
		if !waits.Wait(ctx, err) {
			return nil, context.Cause(ctx)
		}
	}
}

// untilLost ends with ErrStale when the lease is lost.
func untilLost(ctx context.Context, k *lease.Renewer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := make(chan struct{})
	go func() {
		select {
		case <-k.Lost():
			cancel(lease.ErrStale)
		case <-stop:
		case <-ctx.Done():
		}
	}()
	return ctx, func() { close(stop); cancel(context.Canceled) }
}

// Stale reports whether an answer means that the lease is lost for good.
func Stale(err error) bool {
	return fault.Is(err, fault.StaleLease) || fault.Is(err, fault.JobEnded) || fault.Is(err, fault.JobNotFound)
}

// final reports whether an error will not pass by waiting. What is no answer of the server's passes.
func final(err error, waited time.Duration) bool {
	f, typed := fault.From(err)
	if !typed {
		var c *connect.Error
		// A gateway or an older server that does not know the call.
		return errors.As(err, &c) && c.Code() == connect.CodeUnimplemented
	}
	switch f.Reason {
	case fault.Throttled, fault.Conflict, fault.Internal, fault.StorageFull:
		return waited > typedBound
	}
	return true
}

// Final says the same of output's appends, whose refusals are waited out as long as the lease lasts.
func Final(err error) bool { return Stale(err) || final(err, 0) }
