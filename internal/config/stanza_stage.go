package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// stageStanza is a stage of an app: build, registry (which stands in build), deploy, release.
func stageStanza(kind StageKind) *stanza {
	s := &stanza{
		block: string(kind), name: string(kind), home: "in app", reserved: kind != Build,
		attrs: []attribute{carriedBy("labels", "Stage.Labels")},
		holds: inStage(kind),
		mark:  "C",
		leave: checkUse,
	}
	switch kind {
	case Build:
		s.rule = "An app has one `build` with a `use` that no scope limits; `labels`, hooks and scoped blocks may be there."
	case Registry:
		s.home = "in build"
		s.rule = "`registry` stands in `build`. Without it the artifact is what was built."
	case Deploy:
		s.rule = "An app has one `deploy`."
	case Release:
		s.rule = "An app may have one `release`; without a `use` it is as if it were not there."
	}
	return s
}

// checkUse: build and deploy need a plugin whatever the workspace is. An empty release is as good as none; an empty
// registry is a slip, and as good as none.
func checkUse(_ *File, n *node) hcl.Diagnostics {
	scoped := n.children("workspace", "label")
	switch kind := StageKind(n.stanza.block); {
	case n.child("use") != nil:
	case kind == Build, kind == Deploy:
		detail := "%q needs a block use \"PLUGIN\" { … }, which says what does it."
		if len(scoped) > 0 {
			detail += " The use blocks in workspace and label blocks apply only there."
		}
		return hcl.Diagnostics{errorAt(n.rng, `Missing block "use"`, detail, string(kind))}
	case kind == Registry && len(scoped) == 0:
		return hcl.Diagnostics{warningAt(n.rng, "Empty registry",
			`Without a block use "PLUGIN" { … } it has no effect: the build is deployed without a push.`)}
	}
	return nil
}

// scopedStageStanza is a workspace or label block of a stage, which replaces its whole body.
func scopedStageStanza(kind StageKind, block string) *stanza {
	s := &stanza{
		block: block, name: string(kind), label: "name", home: "in build, registry, deploy, release, or config", narrows: true,
		carried: []string{"App.Stage"},
		attrs:   []attribute{carriedBy("labels", "Stage.Labels")},
		holds:   inScopedStage(kind),
		leave:   checkScopedUse,
	}
	if block == "label" {
		s.label, s.enter = "selector", checkSelectorOf
	}
	return s
}

func checkScopedUse(_ *File, n *node) (diags hcl.Diagnostics) {
	block := n.stanza.block
	if first := n.twin(); first != nil {
		diags = append(diags, errorAt(n.rng, fmt.Sprintf("Second block %s %q", block, n.label),
			"Only one is allowed here; the first is at %s.", shortRange(first.rng)))
	}
	if n.child("use") == nil {
		diags = append(diags, errorAt(n.rng, `Missing block "use"`,
			`A %s block replaces the whole body of %s, so it needs its own block use "PLUGIN" { … }.`, block, n.stanza.name))
	}
	return diags
}

// unusedRegistryStanza is a registry in a workspace or label block of build. Its content is checked all the same: it may be
// moved to where it works.
func unusedRegistryStanza() *stanza {
	s := stageStanza(Registry)
	s.shallow, s.narrows = true, true
	s.leave = func(_ *File, n *node) hcl.Diagnostics {
		return hcl.Diagnostics{warningAt(n.rng, "This registry is not used",
			`A registry inside a %[1]s block of build is ignored, as in Waypoint. Write the %[1]s block inside build's registry instead.`,
			n.parent.stanza.block)}
	}
	return s
}

// stageOf finds a stage of an app; nil if the app does not have it.
func stageOf(app *node, kind StageKind) *node {
	if kind == Registry {
		return app.child(string(Build)).child(string(Registry))
	}
	return app.child(string(kind))
}

// isNoPlugin reports whether a use is `use "" {}` of a release, which is as good as none, as in Waypoint.
func isNoPlugin(kind StageKind, use *node) bool { return kind == Release && use.label == "" }

// hasPlugin reports whether a stage has a plugin in some workspace.
func hasPlugin(n *node) bool {
	use := n.child("use")
	return use != nil && !isNoPlugin(StageKind(n.stanza.block), use) || len(n.children("workspace", "label")) > 0
}
