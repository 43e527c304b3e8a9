package config

import (
	"github.com/hashicorp/hcl/v2"
)

func pluginStanza() *stanza {
	return &stanza{
		block: "plugin", name: "plugin", label: "name", home: "at the top level of the file", attrHome: "plugin",
		attrs: []attribute{{
			name: "checksum", constant: true, ignored: "Plugins are part of this program; the program of an external one is not looked for.",
		}},
		holds: inPlugin(), carried: []string{"PluginDecl.Name"},
		leave: (*File).readPlugin,
	}
}

// pluginTypeStanza names the kinds of components that a plugin has.
func pluginTypeStanza() *stanza {
	s := &stanza{block: "type", name: "type", home: "in plugin"}
	s.ignored = "Plugins are part of this program, which knows the kinds of their components."
	for _, kind := range []string{
		"mapper", "build", "builder", "registry", "deploy", "platform", "release", "releaser", "releasemanager",
	} {
		s.attrs = append(s.attrs, attribute{name: kind}.asConstant())
	}
	return s
}

// PluginDecl is a declared external plugin.
type PluginDecl struct {
	Name     string
	Checksum string
	Range    hcl.Range
}

// Plugins lists the declared external plugins.
func (f *File) Plugins() []*PluginDecl { return f.plugins }

func (f *File) readPlugin(n *node) (diags hcl.Diagnostics) {
	p := &PluginDecl{Name: n.label, Range: n.rng}
	if e := n.expr("checksum"); e != nil {
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
