package config

import (
	"github.com/hashicorp/hcl/v2"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// configStanza is `config` of the project or of an app, by the phase of its values.
func configStanza(p phase) *stanza {
	s := configScopeStanza(scopeState{}, "config")
	s.name, s.home, s.narrows, s.phase = "config", "at the top level of the file, or in app", false, &p
	s.attrs = append(s.attrs, carriedBy("file_change_signal", "App.FileChangeSignal"))
	s.mark, s.rule = "C", "`config`, of the project or of an app, has `env`, `internal` and `file`, `workspace` and `label` blocks, and "+
		"`runner` for runners. Values may refer to `config.env.X`, `config.internal.X` and `config.file.X`, not in a circle."
	return s
}

// scopeState is what limits the values of a body in config already.
type scopeState struct{ workspace, label, runner bool }

// configScopeStanza is a body of config. It may hold the blocks that limit its values further.
func configScopeStanza(in scopeState, block string) *stanza {
	values := []string{"App.ConfigEntries", "Project.ConfigEntries", "ConfigEntry.Kind", "ConfigEntry.Value"}
	s := &stanza{
		block: block, name: block, attrHome: "config", narrows: true,
		attrs: []attribute{carriedBy("env", values...), carriedBy("internal", values...), carriedBy("file", values...)},
	}
	add := func(p place, by string) {
		p.carried = []string{by}
		s.holds = append(s.holds, p)
	}
	if block == "config" || block == "runner" || block == "label" && !in.workspace {
		inner := in
		inner.workspace = true
		workspace := configScopeStanza(inner, "workspace")
		workspace.label = "name"
		add(many(workspace), "ConfigEntry.Workspace")
	}
	if block == "config" || block == "runner" || block == "workspace" && !in.label {
		inner := in
		inner.label = true
		label := configScopeStanza(inner, "label")
		label.label, label.enter = "selector", checkSelectorOf
		add(many(label), "ConfigEntry.LabelSelector")
	}
	if !in.runner {
		inner := in
		inner.runner = true
		add(one(configScopeStanza(inner, "runner")), "ConfigEntry.Runner")
	}
	return s
}

func checkSelectorOf(_ *File, n *node) hcl.Diagnostics { return checkSelector(n.label, n.labelRange) }

// configScope is one body of a config stanza: the unscoped one, a workspace's, a label selector's, a runner's.
type configScope struct {
	workspace, selector string
	runner              bool
	values              map[ConfigKind]hcl.Expression
}

// configScopes are the bodies of a config stanza, the outer before the inner; none without a stanza.
func configScopes(n *node) (list []configScope) {
	var add func(n *node, sc configScope)
	add = func(n *node, sc configScope) {
		switch n.stanza.block {
		case "workspace":
			sc.workspace = n.label
		case "label":
			sc.selector = n.label
		case "runner":
			sc.runner = true
		}
		sc.values = map[ConfigKind]hcl.Expression{}
		for _, kind := range []ConfigKind{ConfigEnv, ConfigInternal, ConfigFile} {
			if e := n.expr(string(kind)); e != nil {
				sc.values[kind] = e
			}
		}
		list = append(list, sc)
		for _, inner := range n.nodes {
			add(inner, sc)
		}
	}
	if n != nil {
		add(n, configScope{})
	}
	return list
}

// FileChangeSignal is the app's file_change_signal, else the project's; empty if neither is given.
func (a *App) FileChangeSignal() (signal string, diags hcl.Diagnostics) {
	defer a.project.file.guard(&diags)
	for _, n := range []*node{a.project.file.root.child("config"), a.node.child("config")} {
		more := a.scope.child(appConfigPhase(), nil).evalString(n.expr("file_change_signal"), "file_change_signal", &signal)
		diags = append(diags, more...)
	}
	return signal, a.project.file.finish(diags)
}

// Contract is what the server keeps of an entry whose value is known.
func (e ConfigEntry) Contract() *waypointv1.ConfigEntry {
	return &waypointv1.ConfigEntry{
		Name: e.Name, Value: e.Value, Internal: e.Kind == ConfigInternal, File: e.Kind == ConfigFile,
		Workspace: e.Workspace, AppScope: e.App != "", Sensitive: e.Sensitive,
	}
}
