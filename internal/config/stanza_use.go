package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// useStanza is `use "plugin"` of a stage, whose body the plugin reads.
func useStanza(kind StageKind) *stanza {
	p := stagePhase(kind)
	return &stanza{
		block: "use", name: "use", label: "plugin", home: "in build, registry, deploy, release, or a pipeline's step",
		open: true, reserved: true, carried: []string{"Stage.Decode"},
		mark: "C", rule: "`use \"plugin\"` holds what the plugin defines; it is evaluated when its stage runs. A stage has one.",
		phase: &p,
		enter: strayInUse,
	}
}

// strayInUse finds blocks of the language inside a plugin's body: no plugin has blocks of these types.
func strayInUse(f *File, n *node) (diags hcl.Diagnostics) {
	native, ok := n.body.(*hclsyntax.Body)
	if !ok {
		return nil
	}
	plugin := &stanza{name: fmt.Sprintf("use %q", n.label)}
	for _, inner := range native.Blocks {
		if f.lang.reserved(inner.Type) {
			diags = append(diags, plugin.strayBlock(f.lang, inner))
		}
	}
	return diags
}

// stepUseStanza is `use` of a pipeline's step, which names an operation.
func stepUseStanza() *stanza {
	return &stanza{
		block: "use", name: "use", label: "plugin", open: true,
		enter: func(_ *File, n *node) hcl.Diagnostics {
			if slices.Contains(StepPlugins(), n.label) {
				return nil
			}
			detail := fmt.Sprintf("A step can use %s.", words(StepPlugins()))
			if near := nearest(n.label, StepPlugins()); near != "" {
				detail += fmt.Sprintf(" Did you mean %q?", near)
			}
			return hcl.Diagnostics{errorAt(n.rng, fmt.Sprintf("Unknown step plugin %q", n.label), "%s", detail)}
		},
	}
}

// StepPlugins are what a step's use may name.
func StepPlugins() []string { return []string{"build", "deploy", "release", "up", "exec", "pipeline"} }
