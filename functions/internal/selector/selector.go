// Package selector evaluates label selectors, the boolean expressions that say for which deployments a
// configuration variable is meant: `env == "prod" and region != "eu"`.
//
// The language is go-bexpr's, which Waypoint uses, over a flat map of labels; it costs the functions' binary
// 0.6 MB. A label that is missing makes the selector false, as in Waypoint. It imports only api of ours.
package selector

import (
	"connectrpc.com/connect"
	"github.com/hashicorp/go-bexpr"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// most bounds a selector's length in bytes and with it the depth of its evaluation.
const most = 1024

// Check refuses a selector that cannot be understood; the empty one selects everything.
func Check(expression string) error {
	_, err := compile(expression)
	return err
}

// Matches reports whether the labels satisfy the selector. One that cannot be understood selects nothing: it was
// refused when it was written.
func Matches(expression string, labels map[string]string) bool {
	if expression == "" {
		return true
	}
	e, err := compile(expression)
	if err != nil {
		return false
	}
	if labels == nil {
		labels = map[string]string{}
	}
	ok, err := e.Evaluate(labels)
	return err == nil && ok
}

func compile(expression string) (*bexpr.Evaluator, error) {
	if expression == "" {
		return nil, nil
	}
	refused := fault.New(connect.CodeInvalidArgument, fault.InvalidArgument, "the label selector %.80q is not understood", expression).
		WithHint(`Write it like: env == "prod" and region != "eu".`).WithFact("field", "label_selector")
	if len(expression) > most {
		return nil, refused
	}
	e, err := bexpr.CreateEvaluator(expression)
	if err != nil {
		return nil, refused.WithCause(err)
	}
	return e, nil
}
