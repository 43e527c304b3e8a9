package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Use is one `use "plugin"` of the file, wherever it stands.
type Use struct {
	App    string
	Kind   StageKind
	Plugin string
	// Workspace or Selector is set if it holds only there.
	Workspace, Selector string
	Range               hcl.Range

	decl *useDecl
	file *File
}

// Uses lists the plugins that the stages of all apps use, in all scopes.
func (f *File) Uses() []Use {
	var uses []Use
	for _, app := range f.apps {
		for _, kind := range []StageKind{Build, Registry, Deploy, Release} {
			st := app.stages[kind]
			if st == nil {
				continue
			}
			add := func(u *useDecl, workspace, selector string) {
				if u != nil {
					uses = append(uses, Use{
						App: app.name, Kind: kind, Plugin: u.plugin, Workspace: workspace, Selector: selector,
						Range: u.rng, decl: u, file: f,
					})
				}
			}
			add(st.base.use, "", "")
			for _, sc := range st.scoped {
				add(sc.use, sc.workspace, sc.selector)
			}
		}
	}
	return uses
}

// Check compares the body with the plugin's configuration struct (as for Stage.Decode) without evaluating anything:
// unknown names, missing attributes, blocks and attributes confused. Values are checked by Decode.
func (u Use) Check(target any) (diags hcl.Diagnostics) {
	defer u.file.guard(&diags)
	d := &decoder{scope: &scope{file: u.file}, owner: fmt.Sprintf("The plugin %q", u.Plugin), checkOnly: true}
	return u.file.finish(d.decode(u.decl.body, u.decl.rng, target))
}

// Format returns source in canonical layout. Source that does not parse comes back as it is, with the errors.
func Format(src []byte, filename string) (out []byte, diags hcl.Diagnostics) {
	f := &File{Name: filename, src: src, secrets: &secrets{}}
	defer f.guard(&diags)
	if _, diags := parseBody(src, filename); diags.HasErrors() {
		return src, diags
	}
	return hclwrite.Format(src), nil
}
