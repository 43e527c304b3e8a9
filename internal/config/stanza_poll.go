package config

import (
	"errors"
	"time"

	"github.com/hashicorp/hcl/v2"
)

func pollStanza() *stanza {
	return &stanza{
		block: "poll", name: "poll", home: "in runner", attrHome: "poll",
		attrs:    []attribute{{name: "enabled"}, {name: "interval"}},
		ignored:  "The server does not poll repositories yet: start the operation from CI, or by hand.",
		evaluate: evaluatePoll,
	}
}

// Poll reports whether and how often the data source is asked for changes.
type Poll struct {
	Enabled bool
	// Interval is 0 if not given.
	Interval time.Duration
}

func evaluatePoll(p *Project, _ *App, n *node) (any, hcl.Diagnostics) {
	out, in := &Poll{}, p.runnerScope()
	enabled, diags := in.evalBool(n.expr("enabled"), "enabled")
	out.Enabled = enabled != nil && *enabled
	var text string
	diags = append(diags, in.evalString(n.expr("interval"), "interval", &text)...)
	if text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			diags = append(diags, in.wrongValue(n.expr("interval"), "interval", errors.New(`a duration such as "30s" or "5m" is required`)))
		}
		out.Interval = max(d, 0)
	}
	return out, diags
}
