package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The types below are the file taken apart, its expressions unevaluated.

type appDecl struct {
	name         string
	labels, path hcl.Expression
	stages       map[StageKind]*stageDecl
	config       *configDecl
	runner       *runnerDecl
	autoHostname hcl.Expression
	rng          hcl.Range
}

type stageDecl struct {
	kind   StageKind
	labels hcl.Expression
	// base is the unscoped body; its use is nil if only scoped blocks have one.
	base   stageBody
	scoped []scopedBody
	rng    hcl.Range
}

type stageBody struct {
	use   *useDecl
	hooks []hookDecl
}

type scopedBody struct {
	// workspace or selector is set, never both.
	workspace, selector string
	labels              hcl.Expression
	stageBody
	rng hcl.Range
}

type useDecl struct {
	plugin string
	body   hcl.Body
	rng    hcl.Range
}

type hookDecl struct {
	when, command, onFailure hcl.Expression
	rng                      hcl.Range
}

type runnerDecl struct {
	enabled, profile hcl.Expression
	dataSource       *dataSourceDecl
	poll             *pollDecl
	rng              hcl.Range
}

type dataSourceDecl struct {
	typ   string
	attrs hcl.Attributes
	rng   hcl.Range
}

type pollDecl struct {
	enabled, interval hcl.Expression
}

type configDecl struct {
	scopes           []configScope
	fileChangeSignal hcl.Expression
}

// configScope is one body of a config stanza: the unscoped one, a workspace's, a label selector's, a runner's.
type configScope struct {
	workspace, selector string
	runner              bool
	values              map[ConfigKind]hcl.Expression
	rng                 hcl.Range
}

type pipelineDecl struct {
	name  string
	steps []stepDecl
	rng   hcl.Range
}

type stepDecl struct {
	name                                   string
	dependsOn, imageURL, workspace, labels hcl.Expression
	use                                    *useDecl
	pipeline                               *pipelineDecl
	rng                                    hcl.Range
}

func expr(content *hcl.BodyContent, name string) hcl.Expression {
	if a, ok := content.Attributes[name]; ok {
		return a.Expr
	}
	return nil
}

func errorAt(rng hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: rng.Ptr(),
	}
}

func warningAt(rng hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	d := errorAt(rng, summary, format, args...)
	d.Severity = hcl.DiagWarning
	return d
}

func (f *File) readRoot() hcl.Diagnostics {
	start := hcl.Range{Filename: f.Name, Start: hcl.InitialPos, End: hcl.InitialPos}
	content, diags := rootStanza().read(f.body, start)
	if content == nil {
		return diags
	}
	f.projectName = expr(content, "project")
	f.labels = expr(content, "labels")
	if f.projectName == nil {
		diags = append(diags, errorAt(start, `Missing attribute "project"`,
			`The file does not name its project. Add project = "NAME" at the top level.`))
	}
	for _, b := range content.Blocks {
		var more hcl.Diagnostics
		switch b.Type {
		case "app":
			more = f.readApp(b)
		case "variable":
			more = f.readVariable(b)
		case "runner":
			f.runner, more = readRunner(b)
		case "config":
			f.config, more = readConfig(b)
		case "pipeline":
			var p *pipelineDecl
			p, more = readPipeline(b, 0)
			f.pipelines = append(f.pipelines, p)
		case "plugin":
			more = f.readPlugin(b)
		}
		diags = append(diags, more...)
	}
	return append(diags, f.checkPipelines()...)
}

func (f *File) readApp(b *hcl.Block) hcl.Diagnostics {
	name := b.Labels[0]
	content, diags := appStanza().read(b.Body, b.DefRange)
	app := &appDecl{name: name, stages: map[StageKind]*stageDecl{}, rng: b.DefRange}
	if i := slices.IndexFunc(f.apps, func(a *appDecl) bool { return a.name == name }); i >= 0 {
		diags = append(diags, errorAt(b.DefRange, fmt.Sprintf("Second app %q", name),
			"An app's name must be unique in its project; the first is at %s.", shortRange(f.apps[i].rng)))
	}
	diags = append(diags, checkName("app", name, b.LabelRanges[0])...)
	f.apps = append(f.apps, app)
	app.labels, app.path = expr(content, "labels"), expr(content, "path")
	for _, inner := range content.Blocks {
		var more hcl.Diagnostics
		switch inner.Type {
		case "build":
			more = app.readStage(inner, Build)
		case "deploy":
			more = app.readStage(inner, Deploy)
		case "release":
			more = app.readStage(inner, Release)
		case "config":
			app.config, more = readConfig(inner)
		case "runner":
			app.runner, more = readRunner(inner)
		case "url":
			var c *hcl.BodyContent
			c, more = urlStanza().read(inner.Body, inner.DefRange)
			app.autoHostname = expr(c, "auto_hostname")
		}
		diags = append(diags, more...)
	}
	return diags
}

func (a *appDecl) readStage(b *hcl.Block, kind StageKind) hcl.Diagnostics {
	if a.stages[kind] != nil {
		return nil // counted already
	}
	content, diags := stageStanza(kind, false).read(b.Body, b.DefRange)
	st := &stageDecl{kind: kind, labels: expr(content, "labels"), rng: b.DefRange}
	a.stages[kind] = st
	body, more := readStageBody(content)
	st.base = body
	diags = append(diags, more...)
	for _, inner := range content.Blocks {
		switch inner.Type {
		case "registry":
			diags = append(diags, a.readStage(inner, Registry)...)
		case "workspace", "label":
			diags = append(diags, st.readScoped(inner, kind)...)
		}
	}
	if st.base.use == nil {
		diags = append(diags, st.missingUse()...)
	}
	return diags
}

// missingUse: build and deploy need a plugin whatever the workspace is. An empty release is as good as none; an empty
// registry is a slip, and as good as none.
func (st *stageDecl) missingUse() hcl.Diagnostics {
	switch {
	case st.kind == Build, st.kind == Deploy:
		detail := "%q needs a block use \"PLUGIN\" { … }, which says what does it."
		if len(st.scoped) > 0 {
			detail += " The use blocks in workspace and label blocks apply only there."
		}
		return hcl.Diagnostics{errorAt(st.rng, `Missing block "use"`, detail, string(st.kind))}
	case st.kind == Registry && len(st.scoped) == 0:
		return hcl.Diagnostics{warningAt(st.rng, "Empty registry",
			`Without a block use "PLUGIN" { … } it has no effect: the build is deployed without a push.`)}
	}
	return nil
}

func (st *stageDecl) readScoped(b *hcl.Block, kind StageKind) hcl.Diagnostics {
	content, diags := stageStanza(kind, true).read(b.Body, b.DefRange)
	body, more := readStageBody(content)
	diags = append(diags, more...)
	sc := scopedBody{stageBody: body, labels: expr(content, "labels"), rng: b.DefRange}
	if b.Type == "workspace" {
		sc.workspace = b.Labels[0]
	} else {
		sc.selector = b.Labels[0]
		diags = append(diags, checkSelector(sc.selector, b.LabelRanges[0])...)
	}
	for _, other := range st.scoped {
		if other.workspace == sc.workspace && other.selector == sc.selector {
			diags = append(diags, errorAt(b.DefRange, fmt.Sprintf("Second block %s %q", b.Type, b.Labels[0]),
				"Only one is allowed here; the first is at %s.", shortRange(other.rng)))
		}
	}
	if sc.use == nil {
		diags = append(diags, errorAt(b.DefRange, `Missing block "use"`,
			`A %s block replaces the whole body of %s, so it needs its own block use "PLUGIN" { … }.`, b.Type, kind))
	}
	for _, inner := range content.Blocks.OfType("registry") {
		// Its content is checked all the same: it may be moved to where it works.
		_, more := stageStanza(Registry, false).read(inner.Body, inner.DefRange)
		diags = append(diags, more...)
		diags = append(diags, warningAt(inner.DefRange, "This registry is not used",
			`A registry inside a %[1]s block of build is ignored, as in Waypoint. Write the %[1]s block inside build's registry instead.`, b.Type))
	}
	st.scoped = append(st.scoped, sc)
	return diags
}

func readStageBody(content *hcl.BodyContent) (stageBody, hcl.Diagnostics) {
	var body stageBody
	var diags hcl.Diagnostics
	for _, b := range content.Blocks {
		switch b.Type {
		case "use":
			if body.use == nil {
				body.use = readUse(b)
				diags = append(diags, strayInUse(b)...)
			}
		case "hook":
			c, more := hookStanza().read(b.Body, b.DefRange)
			diags = append(diags, more...)
			body.hooks = append(body.hooks, hookDecl{
				when: expr(c, "when"), command: expr(c, "command"), onFailure: expr(c, "on_failure"), rng: b.DefRange,
			})
		}
	}
	return body, diags
}

func readUse(b *hcl.Block) *useDecl {
	return &useDecl{plugin: b.Labels[0], body: b.Body, rng: b.DefRange}
}

// strayInUse finds blocks of the language inside a plugin's body: no plugin has blocks of these names.
func strayInUse(b *hcl.Block) hcl.Diagnostics {
	native, ok := b.Body.(*hclsyntax.Body)
	if !ok {
		return nil
	}
	var diags hcl.Diagnostics
	for _, inner := range native.Blocks {
		switch inner.Type {
		case "use", "registry", "deploy", "release", "app", "variable", "hook":
			diags = append(diags, stanza{name: fmt.Sprintf("use %q", b.Labels[0])}.strayBlock(inner))
		}
	}
	return diags
}

func readRunner(b *hcl.Block) (*runnerDecl, hcl.Diagnostics) {
	content, diags := runnerStanza().read(b.Body, b.DefRange)
	r := &runnerDecl{enabled: expr(content, "enabled"), profile: expr(content, "profile"), rng: b.DefRange}
	for _, inner := range content.Blocks {
		switch inner.Type {
		case "poll":
			c, more := pollStanza().read(inner.Body, inner.DefRange)
			diags = append(diags, more...)
			r.poll = &pollDecl{enabled: expr(c, "enabled"), interval: expr(c, "interval")}
		case "data_source":
			typ := inner.Labels[0]
			if typ != "git" && typ != "local" {
				diags = append(diags, errorAt(inner.LabelRanges[0], fmt.Sprintf("Unknown data source %q", typ),
					`A data source is "git" or "local".`))
				continue
			}
			c, more := dataSourceStanza(typ).read(inner.Body, inner.DefRange)
			diags = append(diags, more...)
			r.dataSource = &dataSourceDecl{typ: typ, attrs: c.Attributes, rng: inner.DefRange}
		}
	}
	return r, diags
}

func readConfig(b *hcl.Block) (*configDecl, hcl.Diagnostics) {
	c := &configDecl{}
	content, diags := configStanza("config", "workspace", "label", "runner").read(b.Body, b.DefRange)
	c.fileChangeSignal = expr(content, "file_change_signal")
	diags = append(diags, c.addScopes(content, configScope{rng: b.DefRange})...)
	return c, diags
}

// addScopes adds the body that content is, and those inside it.
func (c *configDecl) addScopes(content *hcl.BodyContent, sc configScope) hcl.Diagnostics {
	sc.values = map[ConfigKind]hcl.Expression{}
	for _, kind := range []ConfigKind{ConfigEnv, ConfigInternal, ConfigFile} {
		if e := expr(content, string(kind)); e != nil {
			sc.values[kind] = e
		}
	}
	c.scopes = append(c.scopes, sc)
	var diags hcl.Diagnostics
	for _, b := range content.Blocks {
		inner := configScope{workspace: sc.workspace, selector: sc.selector, runner: sc.runner, rng: b.DefRange}
		var may []string
		switch b.Type {
		case "workspace":
			inner.workspace = b.Labels[0]
			if sc.selector == "" {
				may = []string{"label"}
			}
		case "label":
			inner.selector = b.Labels[0]
			diags = append(diags, checkSelector(inner.selector, b.LabelRanges[0])...)
			if sc.workspace == "" {
				may = []string{"workspace"}
			}
		case "runner":
			inner.runner = true
			may = []string{"workspace", "label"}
		}
		if !inner.runner {
			may = append(may, "runner")
		}
		sub, more := configStanza(b.Type, may...).read(b.Body, b.DefRange)
		diags = append(diags, more...)
		diags = append(diags, c.addScopes(sub, inner)...)
	}
	return diags
}

func (f *File) readPlugin(b *hcl.Block) hcl.Diagnostics {
	content, diags := pluginStanza().read(b.Body, b.DefRange)
	p := &PluginDecl{Name: b.Labels[0], Range: b.DefRange}
	for _, inner := range content.Blocks {
		_, more := pluginTypeStanza().read(inner.Body, inner.DefRange)
		diags = append(diags, more...)
	}
	if e := expr(content, "checksum"); e != nil {
		v, more := constant(e)
		diags = append(diags, more...)
		if !more.HasErrors() {
			s, err := asString(v)
			if err != nil {
				diags = append(diags, errorAt(e.Range(), "Invalid checksum", "A SHA-256 checksum as text is required."))
			}
			p.Checksum = s
		}
	}
	f.plugins = append(f.plugins, p)
	return diags
}
