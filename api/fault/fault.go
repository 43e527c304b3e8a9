// Package fault is the contract's error type: every error that the server answers carries a stable
// reason, a message and a hint, and every component reads them with this package.
//
// It wraps Connect errors and does not depend on any service. A fault is made where the fact is known and
// shown once, at the edge.
package fault

import (
	"errors"
	"fmt"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Reason is a stable name for what went wrong, SCREAMING_SNAKE. Programs decide on it.
type Reason string

// Reasons that the server answers. A client gives up only on an error that carries one of them.
const (
	TokenMissing       Reason = "TOKEN_MISSING"
	TokenInvalid       Reason = "TOKEN_INVALID"
	TokenExpired       Reason = "TOKEN_EXPIRED"
	TokenRevoked       Reason = "TOKEN_REVOKED"
	IdentityRefused    Reason = "IDENTITY_REFUSED"
	PermissionDenied   Reason = "PERMISSION_DENIED"
	VersionUnsupported Reason = "VERSION_UNSUPPORTED"
	InvalidArgument    Reason = "INVALID_ARGUMENT"
	TooLarge           Reason = "TOO_LARGE"
	NotFound           Reason = "NOT_FOUND"
	ProjectNotFound    Reason = "PROJECT_NOT_FOUND"
	ProjectDestroying  Reason = "PROJECT_BEING_DESTROYED"
	ProjectInUse       Reason = "PROJECT_IN_USE"
	AppNotFound        Reason = "APP_NOT_FOUND"
	JobNotFound        Reason = "JOB_NOT_FOUND"
	RecordNotFound     Reason = "RECORD_NOT_FOUND"
	RunnerNotFound     Reason = "RUNNER_NOT_FOUND"
	AlreadyExists      Reason = "ALREADY_EXISTS"
	IdempotencyReuse   Reason = "IDEMPOTENCY_KEY_REUSED"
	StaleLease         Reason = "STALE_LEASE"
	OutputGap          Reason = "OUTPUT_GAP"
	JobEnded           Reason = "JOB_ENDED"
	Conflict           Reason = "CONFLICT"
	StorageFull        Reason = "STORAGE_FULL"
	Throttled          Reason = "THROTTLED"
	Unavailable        Reason = "UNAVAILABLE"
	Internal           Reason = "INTERNAL"
)

// Reasons with which jobs end or wait; they stand in JobError.reason and WhyNot.reason.
const (
	RunnerLost           Reason = "RUNNER_LOST"
	PluginFailed         Reason = "PLUGIN_FAILED"
	ConfigInvalid        Reason = "CONFIG_INVALID"
	SourceFailed         Reason = "SOURCE_FAILED"
	HookFailed           Reason = "HOOK_FAILED"
	Canceled             Reason = "CANCELED"
	Expired              Reason = "EXPIRED"
	DependencyFailed     Reason = "DEPENDENCY_FAILED"
	Replaced             Reason = "REPLACED"
	WaitingForLane       Reason = "WAITING_FOR_LANE"
	WaitingForDependency Reason = "WAITING_FOR_DEPENDENCY"
	WaitingForCLI        Reason = "WAITING_FOR_CLI"
	NoRunner             Reason = "NO_RUNNER"
	RunnersBusy          Reason = "RUNNERS_BUSY"
	WakeUpPending        Reason = "WAKE_UP_PENDING"
	RunnerSilent         Reason = "RUNNER_SILENT"
)

// Error is a fault. It is what handlers return; Connect puts Detail on the wire.
type Error struct {
	Code    connect.Code
	Reason  Reason
	Message string
	// Hint says what to do next; may be empty.
	Hint  string
	Facts map[string]string
	// Cause is for logs, never for the wire.
	Cause error
}

// New makes a fault with a formatted message.
func New(code connect.Code, reason Reason, format string, args ...any) *Error {
	return &Error{Code: code, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns a copy that also says what to do next.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithFact returns a copy that carries one more fact for programs.
func (e *Error) WithFact(key, value string) *Error {
	c := *e
	c.Facts = make(map[string]string, len(e.Facts)+1)
	for k, v := range e.Facts {
		c.Facts[k] = v
	}
	c.Facts[key] = value
	return &c
}

// WithCause returns a copy that keeps the error it came from, for logs.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Connect turns any error into what Connect sends. Errors that are not faults become INTERNAL, their text kept from the wire.
func Connect(err error) *connect.Error {
	if err == nil {
		return nil
	}
	var sent *connect.Error
	if errors.As(err, &sent) {
		return sent
	}
	var f *Error
	if !errors.As(err, &f) {
		f = New(connect.CodeInternal, Internal, "the server failed to answer this request").
			WithHint("Try again; the server's log names the cause.")
	}
	out := connect.NewError(f.Code, errors.New(f.Message))
	detail, detailErr := connect.NewErrorDetail(&waypointv1.ErrorDetail{
		Reason: string(f.Reason), Message: f.Message, Hint: f.Hint, Facts: f.Facts,
	})
	if detailErr == nil {
		out.AddDetail(detail)
	}
	return out
}

// From reads a fault out of any error: one made here, or one that came over the wire. ok is false for an
// error without a reason of ours, such as a gateway's bare 403, which a client retries.
func From(err error) (f *Error, ok bool) {
	if errors.As(err, &f) {
		return f, true
	}
	var c *connect.Error
	if !errors.As(err, &c) {
		return nil, false
	}
	for _, d := range c.Details() {
		msg, valueErr := d.Value()
		if valueErr != nil {
			continue
		}
		if detail, is := msg.(*waypointv1.ErrorDetail); is {
			return &Error{
				Code: c.Code(), Reason: Current(Reason(detail.GetReason())), Message: detail.GetMessage(),
				Hint: detail.GetHint(), Facts: detail.GetFacts(), Cause: err,
			}, true
		}
	}
	return nil, false
}

// Current returns the present name of a reason that a server of the previous minor version sent under its old name.
func Current(r Reason) Reason {
	if r == "DOORBELL_PENDING" {
		return WakeUpPending
	}
	return r
}

// Is reports whether err is a fault of that reason.
func Is(err error, reason Reason) bool {
	f, ok := From(err)
	return ok && f.Reason == reason
}
