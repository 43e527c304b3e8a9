package config

import (
	"github.com/hashicorp/hcl/v2"
)

// A stanza says what a body may hold. The language is a tree of them; plugin bodies are not part of it.
type stanza struct {
	// name is how people call it: `the top level`, `app`, `build`.
	name   string
	attrs  []hcl.AttributeSchema
	blocks []hcl.BlockHeaderSchema
	// single are the block types that may stand here only once.
	single []string
	// required are the block types that must stand here.
	required []string
}

func attr(name string) hcl.AttributeSchema { return hcl.AttributeSchema{Name: name} }

func attrs(names ...string) []hcl.AttributeSchema {
	list := make([]hcl.AttributeSchema, len(names))
	for i, n := range names {
		list[i] = attr(n)
	}
	return list
}

func block(typ string, labels ...string) hcl.BlockHeaderSchema {
	return hcl.BlockHeaderSchema{Type: typ, LabelNames: labels}
}

func rootStanza() stanza {
	return stanza{
		name:  "the top level",
		attrs: []hcl.AttributeSchema{{Name: "project"}, attr("labels")},
		blocks: []hcl.BlockHeaderSchema{
			block("app", "name"), block("variable", "name"), block("runner"), block("config"),
			block("pipeline", "name"), block("plugin", "name"),
		},
		single: []string{"runner", "config"},
	}
}

func appStanza() stanza {
	return stanza{
		name:  "app",
		attrs: attrs("path", "labels"),
		blocks: []hcl.BlockHeaderSchema{
			block("build"), block("deploy"), block("release"), block("config"), block("url"), block("runner"),
		},
		single:   []string{"build", "deploy", "release", "config", "url", "runner"},
		required: []string{"build", "deploy"},
	}
}

// stageStanza is a stage, or (scoped) the body of a workspace or label block inside one.
func stageStanza(kind StageKind, scoped bool) stanza {
	s := stanza{
		name:   string(kind),
		attrs:  attrs("labels"),
		blocks: []hcl.BlockHeaderSchema{block("use", "plugin"), block("hook")},
		single: []string{"use"},
	}
	if !scoped {
		s.blocks = append(s.blocks, block("workspace", "name"), block("label", "selector"))
	}
	if kind == Build {
		s.blocks = append(s.blocks, block("registry"))
		s.single = append(s.single, "registry")
	}
	return s
}

func hookStanza() stanza {
	return stanza{name: "hook", attrs: []hcl.AttributeSchema{
		{Name: "when", Required: true}, {Name: "command", Required: true}, attr("on_failure"),
	}}
}

func variableStanza() stanza {
	return stanza{name: "variable", attrs: attrs("type", "default", "description", "env", "sensitive")}
}

func runnerStanza() stanza {
	return stanza{
		name:   "runner",
		attrs:  attrs("enabled", "profile"),
		blocks: []hcl.BlockHeaderSchema{block("data_source", "type"), block("poll")},
		single: []string{"data_source", "poll"},
	}
}

func pollStanza() stanza { return stanza{name: "poll", attrs: attrs("enabled", "interval")} }

func dataSourceStanza(typ string) stanza {
	s := stanza{name: "data_source"}
	if typ == "git" {
		s.attrs = attrs("url", "ref", "path", "username", "password", "key", "key_password",
			"ignore_changes_outside_path", "recurse_submodules")
	}
	return s
}

// configStanza is config, a scope in it, or its runner block: which blocks it may still hold depends on where it is.
func configStanza(name string, blocks ...string) stanza {
	s := stanza{name: name, attrs: attrs("env", "internal", "file")}
	if name == "config" {
		s.attrs = append(s.attrs, attr("file_change_signal"))
	}
	for _, b := range blocks {
		switch b {
		case "workspace":
			s.blocks = append(s.blocks, block("workspace", "name"))
		case "label":
			s.blocks = append(s.blocks, block("label", "selector"))
		case "runner":
			s.blocks = append(s.blocks, block("runner"))
			s.single = append(s.single, "runner")
		}
	}
	return s
}

func pipelineStanza() stanza {
	return stanza{
		name: "pipeline", blocks: []hcl.BlockHeaderSchema{block("step", "name")}, required: []string{"step"},
	}
}

func stepStanza() stanza {
	return stanza{
		name:   "step",
		attrs:  attrs("depends_on", "image_url", "workspace", "labels"),
		blocks: []hcl.BlockHeaderSchema{block("use", "plugin"), block("pipeline", "name")},
		single: []string{"use", "pipeline"},
	}
}

func pluginStanza() stanza {
	return stanza{
		name: "plugin", attrs: attrs("checksum"), blocks: []hcl.BlockHeaderSchema{block("type")}, single: []string{"type"},
	}
}

func pluginTypeStanza() stanza {
	return stanza{name: "type", attrs: attrs(
		"mapper", "build", "builder", "registry", "deploy", "platform", "release", "releaser", "releasemanager")}
}

func urlStanza() stanza { return stanza{name: "url", attrs: attrs("auto_hostname")} }

// blockHomes says where blocks of the language belong, with its preposition.
func blockHomes(typ string) string {
	switch typ {
	case "app", "variable", "plugin":
		return "at the top level of the file"
	case "pipeline":
		return "at the top level of the file, or in a pipeline's step"
	case "build", "deploy", "release", "url":
		return "in app"
	case "runner":
		return "at the top level of the file, or in app or config"
	case "config":
		return "at the top level of the file, or in app"
	case "registry":
		return "in build"
	case "use":
		return "in build, registry, deploy, release, or a pipeline's step"
	case "hook":
		return "in build, registry, deploy, or release, beside use"
	case "workspace", "label":
		return "in build, registry, deploy, release, or config"
	case "data_source", "poll":
		return "in runner"
	case "step":
		return "in pipeline"
	case "type":
		return "in plugin"
	}
	return ""
}

// attrHomes says where attributes of the language belong.
func attrHomes(name string) string {
	switch name {
	case "project":
		return "the top level of the file"
	case "path":
		return "app, or data_source"
	case "labels":
		return "the top level, app, a stage, or a pipeline's step"
	case "env", "internal", "file", "file_change_signal":
		return "config"
	case "enabled":
		return "runner, or poll"
	case "interval":
		return "poll"
	case "profile":
		return "runner"
	case "url", "ref", "username", "password", "key", "key_password", "ignore_changes_outside_path", "recurse_submodules":
		return `data_source "git"`
	case "when", "command", "on_failure":
		return "hook"
	case "auto_hostname":
		return "url"
	case "depends_on", "image_url":
		return "a pipeline's step"
	case "type", "default", "description", "sensitive":
		return "variable"
	case "checksum":
		return "plugin"
	}
	return ""
}
