package pluginpipe

import (
	"context"
	"errors"

	pluginv1 "github.com/waypoint-serverless/waypoint/api/waypoint/plugin/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// toFailure carries an error: its text, and the message, hint and cause of the plugin.Error in it.
func toFailure(err error) *pluginv1.Failure {
	f := &pluginv1.Failure{Text: err.Error()}
	var own *plugin.Error
	if errors.As(err, &own) {
		f.Actionable, f.Message, f.Hint = true, own.Message, own.Hint
		if own.Cause != nil {
			f.Cause = own.Cause.Error()
		}
	}
	f.Canceled = errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	f.NoCredential = errors.Is(err, plugin.ErrNoCredential)
	return f
}

// fromFailure makes the error again. canceled stands for the end of the call's context in it.
func fromFailure(f *pluginv1.Failure, canceled error) error {
	var within []error
	if f.GetActionable() {
		own := &plugin.Error{Message: f.GetMessage(), Hint: f.GetHint()}
		if f.GetCause() != "" {
			own.Cause = errors.New(f.GetCause())
		}
		if own.Error() == f.GetText() && !f.GetCanceled() {
			return own
		}
		within = append(within, own)
	}
	if f.GetCanceled() && canceled != nil {
		within = append(within, canceled)
	}
	if f.GetNoCredential() {
		within = append(within, plugin.ErrNoCredential)
	}
	return &carried{text: f.GetText(), within: within}
}

// carried is an error of the other process: its text, and what errors.Is and errors.As find in it.
type carried struct {
	text   string
	within []error
}

func (e *carried) Error() string   { return e.text }
func (e *carried) Unwrap() []error { return e.within }
