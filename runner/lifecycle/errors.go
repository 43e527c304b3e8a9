package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/command"
	"github.com/waypoint-serverless/waypoint/runner/lease"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/redact"
	"github.com/waypoint-serverless/waypoint/runner/source"
)

// failure is an end of a job that this package words itself.
type failure struct {
	reason        fault.Reason
	message, hint string
	cause         error
}

func (f *failure) Error() string {
	if f.cause == nil {
		return f.message
	}
	return f.message + ": " + f.cause.Error()
}

func (f *failure) Unwrap() error { return f.cause }

// What a job's error says is bounded: a plugin's error can quote a whole page, or megabytes.
const (
	messageMost = 4000
	hintMost    = 1000
)

// jobError words an error for the job's record.
func jobError(err error, step string, secrets *redact.Secrets) *waypointv1.JobError {
	e := &waypointv1.JobError{Reason: string(fault.PluginFailed), Message: clip(err.Error(), messageMost, secrets), Step: step}
	var (
		own  *failure
		plug *plugin.Error
		src  *source.Error
		exit *command.ExitError
	)
	switch {
	case errors.Is(err, lease.ErrCanceled):
		e.Reason, e.Message = string(fault.Canceled), "the job was canceled"
	case errors.Is(err, lease.ErrLapsed), errors.Is(err, plugin.ErrProcessLost):
		e.Reason = string(fault.RunnerLost)
		e.Hint = "The step cannot be run again by itself: look at what it left behind, then run the operation again."
	case errors.As(err, &own):
		e.Reason, e.Hint = string(own.reason), own.hint
	case errors.As(err, &src):
		e.Reason, e.Hint = string(fault.SourceFailed), src.Hint
	case errors.As(err, &plug):
		e.Hint = plug.Hint
	case errors.As(err, &exit):
		e.Hint = "What it printed is shown above."
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Reason = string(fault.Canceled)
	default:
		if f, ok := fault.From(err); ok {
			e.Reason, e.Message, e.Hint = string(f.Reason), clip(f.Message, messageMost, secrets), f.Hint
		}
	}
	e.Hint = clip(e.Hint, hintMost, secrets)
	return e
}

// clip makes a text fit for a record, and says how long it was. What is sensitive is taken out first: half of a value
// would not be recognised.
func clip(s string, most int, secrets *redact.Secrets) string {
	return strings.ToValidUTF8(validate.Shorten(secrets.Hide(s), most), "\uFFFD")
}

// diagnosed turns errors in waypoint.hcl into a failure, after showing them with their lines. Warnings are shown alone.
func (j *evaluation) diagnosed(diags hcl.Diagnostics) error {
	if len(diags) == 0 {
		return nil
	}
	if j.input.Context != nil && j.input.Context.Err() != nil {
		return context.Cause(j.input.Context) // the job was stopped, and with it the evaluation
	}
	var text bytes.Buffer
	config.Render(&text, j.file, diags, false)
	for _, line := range strings.Split(strings.TrimRight(text.String(), "\n"), "\n") {
		j.ui.Line(plugin.Plain, "%s", line)
	}
	if !diags.HasErrors() {
		return nil
	}
	return configFailure(diags)
}

func configFailure(diags hcl.Diagnostics) error {
	first, n := "", 0
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		if n++; n > 1 {
			continue
		}
		first = d.Summary
		if d.Detail != "" {
			first += ": " + d.Detail
		}
		if d.Subject != nil {
			first = fmt.Sprintf("%s:%d:%d: %s", d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column, first)
		}
	}
	if n > 1 {
		first += fmt.Sprintf(" (and %d more)", n-1)
	}
	return &failure{reason: fault.ConfigInvalid, message: first, hint: "Correct waypoint.hcl and run the operation again."}
}
