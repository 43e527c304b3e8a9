package config

import (
	"github.com/hashicorp/hcl/v2"
)

// ConfigKind says what becomes of a configuration value.
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
	// Sensitive says that a sensitive variable went into it.
	Sensitive bool

	// App is empty for the project's. Workspace and LabelSelector are empty when the entry holds for all.
	App, Workspace, LabelSelector string
	// Runner says that it is for runners, not for apps.
	Runner bool
	Range  hcl.Range
}

// ConfigEntries evaluates the app's config stanza, all of its scopes, in an order in which each entry follows those it
// refers to. Entries of the project's stanza are not among them.
func (a *App) ConfigEntries() ([]ConfigEntry, hcl.Diagnostics) {
	return a.configEntries()
}

// ConfigEntries evaluates the project's config stanza.
func (p *Project) ConfigEntries() ([]ConfigEntry, hcl.Diagnostics) {
	return p.configEntries()
}
