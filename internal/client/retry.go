package client

import (
	"context"
	"errors"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/waypoint-serverless/waypoint/api/access"
	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/retry"
	"github.com/waypoint-serverless/waypoint/internal/version"
)

// Headers of the contract.
const (
	HeaderProtocol    = "Waypoint-Protocol"
	HeaderClient      = "Waypoint-Client"
	HeaderIdempotency = "Idempotency-Key"
	HeaderCost        = "Waypoint-Cost"
)

// mediaType is that of all answers but errors. API Gateway goes by Accept when it decides whether an answer is binary;
// LocalStack's takes none for binary without it, and hands out base64.
const mediaType = "application/proto"

// backoff is how a call waits between its tries.
var backoff = retry.Policy{First: 50 * time.Millisecond, Most: 3 * time.Second}

type maxRetryKey struct{}

// WithMaxRetry changes Options.MaxRetry for the calls of a context.
func WithMaxRetry(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, maxRetryKey{}, d)
}

// newInterceptor adds the headers, tries again what may be tried again, and adds up the cost.
func newInterceptor(o Options, m *meter) func(connect.UnaryFunc) connect.UnaryFunc {
	protocol := strconv.Itoa(version.ProtocolCurrent)
	caller := o.Component + "/" + o.Version
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			h := req.Header()
			h.Set(HeaderProtocol, protocol)
			h.Set(HeaderClient, caller)
			h.Set("Accept", mediaType)
			if o.Token != "" {
				h.Set("Authorization", "Bearer "+o.Token)
			}
			method := methodOf(req.Spec())
			if h.Get(HeaderIdempotency) == "" && method.Keyed() {
				h.Set(HeaderIdempotency, ulid.Make().String())
			}
			maxRetry := o.MaxRetry
			if d, ok := ctx.Value(maxRetryKey{}).(time.Duration); ok {
				maxRetry = d
			}
			if !method.Repeatable() {
				maxRetry = 0
			}
			return callAgain(ctx, o, m, maxRetry, func(ctx context.Context) (connect.AnyResponse, error) {
				return next(ctx, req)
			})
		}
	}
}

// callAgain makes the call until it is answered for good, or until maxRetry has passed.
func callAgain(ctx context.Context, o Options, m *meter, maxRetry time.Duration,
	call func(context.Context) (connect.AnyResponse, error),
) (connect.AnyResponse, error) {
	start, waits := time.Now(), backoff.Start()
	var elsewhere time.Time // since when something else answers
	for {
		var a answered
		res, err := attempt(context.WithValue(ctx, answerKey{}, &a), call)
		m.add(res, err)
		if f := a.foreign(err); f == nil {
			elsewhere = time.Time{}
		} else if err = f; ctx.Err() == nil {
			if elsewhere.IsZero() {
				elsewhere = time.Now()
			}
			if !f.mayChange(o.Address) || time.Since(elsewhere) >= min(o.foreignWithin, maxRetry) {
				return res, f.askEmulator(ctx, o.Address)
			}
		}
		if err == nil || !mayRetry(ctx, err) || time.Since(start) >= maxRetry {
			return res, err
		}
		wait := waits.Next(err)
		if time.Since(start)+wait > maxRetry+backoff.Most {
			return res, err // the server asked for more patience than this call has
		}
		if o.OnWait != nil {
			o.OnWait(err, time.Since(start))
		}
		o.Logger.DebugContext(ctx, "calling again", "error", err, "after", wait)
		if !retry.Sleep(ctx, wait) {
			return nil, err
		}
	}
}

func attempt(ctx context.Context, call func(context.Context) (connect.AnyResponse, error)) (connect.AnyResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return call(ctx)
}

// mayRetry reports whether a failed call may succeed later. A typed answer of ours is final, but for throttling;
// a bare refusal by a gateway, a closed connection or a time-out is not.
func mayRetry(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if f, typed := fault.From(err); typed {
		return f.Reason == fault.Throttled
	}
	var foreign *ForeignAnswer
	if errors.As(err, &foreign) {
		return true // its time is bounded by the caller
	}
	var c *connect.Error
	if !errors.As(err, &c) {
		return true
	}
	switch c.Code() {
	case connect.CodeUnavailable, connect.CodePermissionDenied, connect.CodeResourceExhausted,
		connect.CodeUnknown, connect.CodeInternal, connect.CodeDeadlineExceeded, connect.CodeAborted,
		connect.CodeCanceled: // Connect's word for a connection that was reset, since the context has not ended
		return true
	}
	return false
}

// Unreachable reports whether err means that no server of ours answered.
func Unreachable(err error) bool {
	if err == nil {
		return false
	}
	if _, typed := fault.From(err); typed {
		return false
	}
	var foreign *ForeignAnswer
	if errors.As(err, &foreign) {
		return false
	}
	var c *connect.Error
	if !errors.As(err, &c) {
		return false
	}
	switch c.Code() {
	case connect.CodeUnavailable, connect.CodeDeadlineExceeded:
		return true
	case connect.CodeCanceled:
		return !errors.Is(err, context.Canceled)
	}
	return false
}

// undeclared stands for a method that declares nothing: it gets no key, and is sent once.
var undeclared = &access.Method{Mutation: true, Callers: []waypointv1.Caller{waypointv1.Caller_CALLER_NONE}}

// methodOf is what the contract declares of a call.
func methodOf(spec connect.Spec) *access.Method {
	descriptor, _ := spec.Schema.(protoreflect.MethodDescriptor)
	if m, ok := access.Of(descriptor); ok {
		return m
	}
	return undeclared
}
