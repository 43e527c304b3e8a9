package config

import (
	"errors"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

func hookStanza(kind StageKind) *stanza {
	p := stagePhase(kind)
	return &stanza{
		block: "hook", name: "hook", home: "in build, registry, deploy, or release, beside use", attrHome: "hook", reserved: true,
		attrs: []attribute{
			{name: "when", required: true, carried: []string{"Hook.When"}},
			{name: "command", required: true, carried: []string{"Hook.Command"}},
			carriedBy("on_failure", "Hook.OnFailure"),
		},
		mark: "U", rule: "A `hook` is a command that runs on the runner, `before` or `after` its stage; if it fails, the stage fails, " +
			"or goes on with `on_failure = \"continue\"`.",
		phase: &p,
	}
}

// Hook is a command that runs on the runner before or after a stage.
type Hook struct {
	// When is "before" or "after".
	When    string
	Command []string
	// Shown is Command as it may be shown: sensitive arguments are "(sensitive)".
	Shown []string
	// OnFailure is "fail" or "continue".
	OnFailure string
}

func (s *scope) hook(n *node) (Hook, hcl.Diagnostics) {
	out := Hook{OnFailure: "fail"}
	when, onFailure, command := n.expr("when"), n.expr("on_failure"), n.expr("command")
	diags := s.evalString(when, "when", &out.When)
	if when != nil && !diags.HasErrors() && out.When != "before" && out.When != "after" {
		diags = append(diags, s.wrongValue(when, "when", errors.New(`"before" or "after" is required`)))
	}
	more := s.evalString(onFailure, "on_failure", &out.OnFailure)
	if onFailure != nil && !more.HasErrors() {
		switch out.OnFailure {
		case "":
			out.OnFailure = "fail"
		case "fail", "continue":
		default:
			more = append(more, s.wrongValue(onFailure, "on_failure", errors.New(`"fail" or "continue" is required`)))
		}
	}
	diags = append(diags, more...)
	if command == nil {
		return out, diags
	}
	v, more := s.eval(command)
	diags = append(diags, more...)
	if more.HasErrors() {
		return out, diags
	}
	if s.in.Preview && !v.IsWhollyKnown() {
		return out, diags // its command is known when it runs
	}
	var err error
	if out.Command, err = asStrings(v); err != nil || len(out.Command) == 0 {
		if !errors.Is(err, errNotKnown) {
			err = errors.New(`a list of a program and its arguments such as ["make", "test"] is required`)
		}
		diags = append(diags, s.wrongValue(command, "command", err))
		return out, diags
	}
	out.Shown = shown(v, out.Command)
	return out, diags
}

// shown is a list of texts with the sensitive ones hidden.
func shown(v cty.Value, texts []string) []string {
	out := slices.Clone(texts)
	bare, _ := v.Unmark()
	all := bare.Type().IsSetType() // their marks are the whole set's
	for i, it := 0, bare.ElementIterator(); it.Next() && i < len(out); i++ {
		if _, elem := it.Element(); all && functions.IsSensitive(v) || functions.IsSensitive(elem) || v.HasMark(functions.Sensitive()) {
			out[i] = "(sensitive)"
		}
	}
	return out
}
