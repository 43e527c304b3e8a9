package config

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// ConfigKind decides how a configuration value is used.
type ConfigKind string

// Kinds of configuration values.
const (
	// ConfigEnv is exported to the app as an environment variable.
	ConfigEnv ConfigKind = "env"
	// ConfigInternal is never exported, only referred to.
	ConfigInternal ConfigKind = "internal"
	// ConfigFile is written to a file; its name is the path.
	ConfigFile ConfigKind = "file"
)

// Dynamic is a value that the entrypoint or runner fetches from a config source.
type Dynamic struct {
	// From is the source's type: "vault", "aws-ssm", …
	From   string
	Config map[string]string
}

// ConfigEntry is one value of a config stanza. Exactly one of Value, Template and Dynamic counts.
type ConfigEntry struct {
	Name string
	Kind ConfigKind
	// Value is a value known now; it may be empty.
	Value string
	// Template, if not empty, is an HCL template that the entrypoint evaluates: it refers to config values that are
	// known only there. All that is known now is filled in.
	Template string
	// Dynamic, if not nil, is to be fetched.
	Dynamic *Dynamic
	// Sensitive reports that it is derived from a sensitive variable.
	Sensitive bool

	// App is empty for the project's. Workspace and LabelSelector are empty when the entry holds for all.
	App, Workspace, LabelSelector string
	// Runner reports that it is for runners, not for apps.
	Runner bool
	Range  hcl.Range
}

// ConfigEntries evaluates the app's config stanza, all of its scopes, in an order in which each entry follows those it
// refers to. Entries of the project's stanza are not among them, but may be referred to.
func (a *App) ConfigEntries() (entries []ConfigEntry, diags hcl.Diagnostics) {
	f := a.project.file
	defer f.guard(&diags)
	outer := a.project.configValues() // whose errors the project reports
	merged := map[string]string{"waypoint/workspace": a.project.scope.in.Workspace}
	maps.Copy(merged, a.project.Labels)
	maps.Copy(merged, a.Labels)
	maps.Copy(merged, a.project.scope.in.LabelOverrides)
	s := a.scope.child(appConfigPhase(), map[string]cty.Value{"labels": stringMapValue(merged)})
	entries, _, diags = s.config(a.node.child("config"), outer)
	for i := range entries {
		entries[i].App = a.Name
	}
	return entries, f.finish(diags)
}

// ConfigEntries evaluates the project's config stanza.
func (p *Project) ConfigEntries() (entries []ConfigEntry, diags hcl.Diagnostics) {
	defer p.file.guard(&diags)
	entries, _, diags = p.config()
	return entries, p.file.finish(diags)
}

func (p *Project) config() ([]ConfigEntry, configValues, hcl.Diagnostics) {
	return p.scope.child(projectConfigPhase(), nil).config(p.file.root.child("config"), nil)
}

func (p *Project) computeConfigValues() configValues {
	_, values, _ := p.config()
	return values
}

// configKey names an entry within a stanza.
type configKey struct {
	kind ConfigKind
	name string
}

func (k configKey) String() string { return fmt.Sprintf("config.%s.%s", k.kind, k.name) }

// configValues are entries that others may refer to. A nil value is one that is known only later.
type configValues map[configKey]*cty.Value

// config evaluates all scopes of a stanza. Scoped ones see the unscoped one's entries, and it those of outer.
func (s *scope) config(n *node, outer configValues) ([]ConfigEntry, configValues, hcl.Diagnostics) {
	known := configValues{}
	maps.Copy(known, outer)
	var all []ConfigEntry
	var diags hcl.Diagnostics
	for i, sc := range configScopes(n) {
		entries, values, more := s.configScope(sc, known)
		all = append(all, entries...)
		diags = append(diags, more...)
		if i == 0 { // the unscoped one comes first
			known = values
		}
	}
	return all, known, diags
}

// configItem is one entry before it is evaluated.
type configItem struct {
	key  configKey
	expr hcl.Expression
	rng  hcl.Range
	refs []configKey
}

func (s *scope) configScope(sc configScope, outer configValues) ([]ConfigEntry, configValues, hcl.Diagnostics) {
	items, diags := s.configItems(sc)
	known := configValues{}
	maps.Copy(known, outer)
	ordered, more := orderItems(items)
	diags = append(diags, more...)
	var entries []ConfigEntry
	for _, item := range ordered {
		entry, value, more := s.configEntry(item, known)
		diags = append(diags, more...)
		known[item.key] = value
		if more.HasErrors() {
			continue
		}
		entry.Workspace, entry.LabelSelector, entry.Runner = sc.workspace, sc.selector, sc.runner
		entries = append(entries, entry)
	}
	return entries, known, diags
}

func (s *scope) configItems(sc configScope) ([]configItem, hcl.Diagnostics) {
	var items []configItem
	var diags hcl.Diagnostics
	for _, kind := range []ConfigKind{ConfigInternal, ConfigEnv, ConfigFile} {
		e := sc.values[kind]
		if e == nil {
			continue
		}
		pairs, notAMap := hcl.ExprMap(e)
		if notAMap.HasErrors() {
			more := s.computedItems(kind, e, &items)
			diags = append(diags, more...)
			continue
		}
		for _, pair := range pairs {
			k, more := s.eval(pair.Key)
			if diags = append(diags, more...); more.HasErrors() {
				continue
			}
			name, err := asString(k)
			if err != nil || name == "" {
				diags = append(diags, s.wrongValue(pair.Key, "the name of a config value", errors.New("text is required")))
				continue
			}
			items = append(items, configItem{
				key: configKey{kind, name}, expr: pair.Value, refs: configRefs(pair.Value),
				rng: hcl.RangeBetween(pair.Key.Range(), pair.Value.Range()),
			})
		}
	}
	return items, diags
}

// computedItems are those of an expression that is not written as { … }, say merge(…): evaluated as a whole.
func (s *scope) computedItems(kind ConfigKind, e hcl.Expression, items *[]configItem) hcl.Diagnostics {
	v, diags := s.child(s.phase, map[string]cty.Value{"config": cty.DynamicVal}).eval(e)
	if diags.HasErrors() {
		return diags
	}
	v, marks := v.Unmark()
	if s.in.Preview && !v.IsKnown() {
		return diags
	}
	if t := v.Type(); v.IsKnown() && (v.IsNull() || !t.IsObjectType() && !t.IsMapType()) || !v.IsKnown() {
		return append(diags, s.wrongValue(e, string(kind), errors.New("a map such as { NAME = \"value\" } that is known now is required")))
	}
	for it := v.ElementIterator(); it.Next(); {
		name, val := it.Element()
		*items = append(*items, configItem{
			key: configKey{kind, name.AsString()}, expr: hcl.StaticExpr(val.WithMarks(marks), e.Range()), rng: e.Range(),
		})
	}
	return diags
}

// configRefs are the entries that an expression refers to.
func configRefs(e hcl.Expression) []configKey {
	var refs []configKey
	for _, t := range e.Variables() {
		if t.RootName() != "config" || len(t) < 3 {
			continue
		}
		kind, _ := stepName(t[1])
		name, _ := stepName(t[2])
		refs = append(refs, configKey{ConfigKind(kind), name})
	}
	return refs
}

// orderItems sorts so that each item follows those it refers to, and reports loops and doubles.
func orderItems(items []configItem) ([]configItem, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	byName := map[string]configItem{}
	edges := map[string][]string{}
	var names []string
	for _, item := range items {
		n := item.key.String()
		if _, twice := byName[n]; twice {
			diags = append(diags, errorAt(item.rng, fmt.Sprintf("Second value for %s", n), "Each name can be set only once in this block."))
			continue
		}
		byName[n] = item
		names = append(names, n)
	}
	for _, item := range items {
		n := item.key.String()
		for _, ref := range item.refs {
			if _, here := byName[ref.String()]; here {
				edges[n] = append(edges[n], ref.String())
			}
		}
	}
	if loop := findLoop(names, edges); loop != nil {
		diags = append(diags, errorAt(byName[loop[0]].rng, "Config values refer to each other", "The cycle is %s.", arrows(loop)))
		return nil, diags
	}
	var ordered []configItem
	done := map[string]bool{}
	var visit func(string)
	visit = func(n string) {
		if done[n] {
			return
		}
		done[n] = true
		for _, next := range edges[n] {
			visit(next)
		}
		ordered = append(ordered, byName[n])
	}
	for _, n := range names {
		visit(n)
	}
	return ordered, diags
}

func arrows(loop []string) string { return strings.Join(loop, " → ") }

// configEntry evaluates one item. The returned value is nil if it is known only later.
func (s *scope) configEntry(item configItem, known configValues) (ConfigEntry, *cty.Value, hcl.Diagnostics) {
	entry := ConfigEntry{Name: item.key.name, Kind: item.key.kind, Range: item.rng}
	in := s.child(s.phase, map[string]cty.Value{"config": configObject(known)})
	for _, ref := range item.refs {
		if v := known[ref]; v == nil {
			text, sensitive, diags := in.deferred(item.expr)
			entry.Template, entry.Sensitive = text, sensitive
			return entry, nil, diags
		}
	}
	v, diags := in.eval(item.expr)
	if diags.HasErrors() {
		return entry, nil, diags
	}
	entry.Sensitive = functions.IsSensitive(v)
	bare, _ := v.UnmarkDeep()
	if d, ok := asDynamic(bare); ok {
		entry.Dynamic = d
		return entry, nil, diags
	}
	text, err := asString(bare)
	if s.previews(err) {
		return entry, nil, diags
	}
	if err != nil {
		return entry, nil, append(diags, s.wrongValue(item.expr, item.key.name, err))
	}
	entry.Value = text
	out := cty.StringVal(text)
	if entry.Sensitive {
		out = out.Mark(functions.Sensitive())
	}
	return entry, &out, diags
}

func configObject(known configValues) cty.Value {
	kinds := map[string]map[string]cty.Value{"env": {}, "internal": {}, "file": {}}
	for key, v := range known {
		if v != nil && kinds[string(key.kind)] != nil {
			kinds[string(key.kind)][key.name] = *v
		}
	}
	return cty.ObjectVal(map[string]cty.Value{
		"env": cty.ObjectVal(kinds["env"]), "internal": cty.ObjectVal(kinds["internal"]), "file": cty.ObjectVal(kinds["file"]),
	})
}
