package config

import (
	"github.com/hashicorp/hcl/v2"
)

func urlStanza() *stanza {
	return &stanza{
		block: "url", name: "url", home: "in app", attrHome: "url",
		attrs: []attribute{{name: "auto_hostname", ignored: "There is no URL service; an app's address is its platform's."}},
		mark:  "U", rule: "`url { auto_hostname }` of an app is checked, and not used.",
		evaluate: func(_ *Project, a *App, n *node) (any, hcl.Diagnostics) {
			return a.scope.evalBool(n.expr("auto_hostname"), "auto_hostname")
		},
	}
}

// AutoHostname is url.auto_hostname; nil if not given.
func (a *App) AutoHostname() *bool { return valueOf[*bool](a.project, a.node.child("url")) }
