package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// unused is a workspace or label block that a run does not use.
type unused struct {
	rng   hcl.Range
	title string
}

// Relax turns errors inside workspace and label blocks of stages that a run does not use into warnings: the run works without
// them, as in Waypoint. in says which run it is. A file that the parser could not read to its end stays an error, and so does
// one in config: each run gives the configuration of all workspaces to the server, which would lose what cannot be read.
func (f *File) Relax(diags hcl.Diagnostics, in Input) hcl.Diagnostics {
	if !diags.HasErrors() || f.native == nil || f.root == nil {
		return diags
	}
	var blocks []unused
	in.Preview = true // nothing is known here of what runs, and nothing is needed
	p, _ := f.Project(in)
	for _, a := range p.Apps {
		blocks = append(blocks, unusedOf(a)...)
	}
	out := make(hcl.Diagnostics, 0, len(diags))
	for _, d := range diags {
		for _, b := range blocks {
			if d.Severity == hcl.DiagError && d.Subject != nil && within(*d.Subject, b.rng) {
				relaxed := *d
				relaxed.Severity = hcl.DiagWarning
				relaxed.Detail += fmt.Sprintf(" It is in %s, which this run does not use.", b.title)
				d = &relaxed
			}
		}
		out = append(out, d)
	}
	return out
}

func within(inner, outer hcl.Range) bool {
	return inner.Filename == outer.Filename && inner.Start.Byte >= outer.Start.Byte && inner.End.Byte <= outer.End.Byte
}

// unusedOf lists the blocks of an app's stages that the run does not use.
func unusedOf(a *App) (list []unused) {
	for _, kind := range []StageKind{Build, Registry, Deploy, Release} {
		n := stageOf(a.node, kind)
		if n == nil {
			continue
		}
		_, chosen, _ := a.pick(n)
		for _, sc := range n.children("workspace", "label") {
			if sc != chosen {
				list = append(list, sc.unused()...)
			}
		}
	}
	return list
}

// unused is the block from its head to its closing brace.
func (n *node) unused() []unused {
	body, ok := n.body.(*hclsyntax.Body)
	if !ok {
		return nil
	}
	return []unused{{hcl.RangeBetween(n.rng, body.Range()), fmt.Sprintf("%s %q", n.stanza.block, n.label)}}
}
