package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// A Field is an attribute or a block of a stanza, and what becomes of it. Each stands here once, as one of three: it is carried by
// exported fields or methods of this package that other packages read, it belongs to a stanza that holds it together with its
// own fields, or it is accepted and ignored, for a reason that the user is told (File.Ignored).
type Field struct {
	Stanza, Name string
	// Carried are fields and methods: "App.Path".
	Carried []string
	// Holds is the stanza that a block is; its fields have entries of their own.
	Holds string
	// Ignored is the sentence for the user.
	Ignored string
}

const (
	ignoredProfile  = "Runner profiles are not supported yet: name the runner or its labels when you queue the operation."
	ignoredPoll     = "The server does not poll repositories yet: start the operation from CI, or by hand."
	ignoredForApp   = "Only the project's runner stanza is read. Write this at the top level of the file."
	ignoredURL      = "There is no URL service; an app's address is its platform's."
	ignoredPipeline = "Pipelines are checked, but they cannot be run yet."
)

// Fields lists what may stand in the language's stanzas.
func Fields() []Field {
	carried := func(stanza, name string, by ...string) Field { return Field{Stanza: stanza, Name: name, Carried: by} }
	holds := func(stanza, name, inner string) Field { return Field{Stanza: stanza, Name: name, Holds: inner} }
	ignored := func(stanza, name, why string) Field { return Field{Stanza: stanza, Name: name, Ignored: why} }
	out := []Field{
		carried("the top level", "project", "Project.Name"),
		carried("the top level", "labels", "Project.Labels"),
		holds("the top level", "app", "app"), holds("the top level", "variable", "variable"),
		holds("the top level", "runner", "runner"), holds("the top level", "config", "config"),
		ignored("the top level", "pipeline", ignoredPipeline),
		carried("the top level", "plugin", "File.Plugins"),

		carried("app", "path", "App.Path"), carried("app", "labels", "App.Labels"),
		holds("app", "build", "build"), holds("app", "deploy", "deploy"), holds("app", "release", "release"),
		holds("app", "config", "config"), ignored("app", "url", ignoredURL), ignored("app", "runner", ignoredForApp),

		carried("runner", "enabled", "Project.RemoteEnabled"), ignored("runner", "profile", ignoredProfile),
		carried("runner", "data_source", "Project.DataSource"), ignored("runner", "poll", ignoredPoll),

		carried("config", "file_change_signal", "App.FileChangeSignal"),
		holds("build", "registry", "registry"),
		carried("hook", "when", "Hook.When"), carried("hook", "command", "Hook.Command"), carried("hook", "on_failure", "Hook.OnFailure"),

		carried("variable", "type", "VarUsed.Type"), carried("variable", "default", "File.ResolveVars"),
		carried("variable", "description", "File.Variables"), carried("variable", "env", "File.VarsFromEnv"), carried("variable", "sensitive", "VarUsed.Sensitive"),
	}
	for _, name := range []string{"env", "internal", "file", "workspace", "label", "runner"} {
		out = append(out, carried("config", name, "App.ConfigEntries", "Project.ConfigEntries"))
	}
	for _, stage := range []StageKind{Build, Registry, Deploy, Release} {
		s := string(stage)
		out = append(out, carried(s, "labels", "Stage.Labels"), carried(s, "use", "Stage.Decode"), carried(s, "hook", "Stage.Hooks"),
			carried(s, "workspace", "App.Stage"), carried(s, "label", "App.Stage"))
	}
	for name, field := range map[string]string{
		"url": "URL", "ref": "Ref", "path": "Path", "username": "Username", "password": "Password", "key": "Key", "key_password": "KeyPassword",
		"ignore_changes_outside_path": "IgnoreChangesOutsidePath", "recurse_submodules": "RecurseSubmodules",
	} {
		out = append(out, carried("data_source", name, "DataSource."+field))
	}
	return out
}

// Ignored warns of what the file has that is accepted and ignored.
func (f *File) Ignored() (diags hcl.Diagnostics) {
	warn := func(rng hcl.Range, what, why string) {
		diags = append(diags, warningAt(rng, fmt.Sprintf("%s is not used", what), "%s", why))
	}
	if r := f.runner; r != nil {
		if r.profile != nil {
			warn(r.profile.Range(), "runner.profile", ignoredProfile)
		}
		if r.poll != nil {
			warn(r.rng, "runner.poll", ignoredPoll)
		}
	}
	for _, a := range f.apps {
		if a.runner != nil {
			warn(a.runner.rng, fmt.Sprintf("The runner stanza of the app %q", a.name), ignoredForApp)
		}
		if a.autoHostname != nil {
			warn(a.autoHostname.Range(), "url.auto_hostname", ignoredURL)
		}
	}
	for _, p := range f.pipelines {
		warn(p.rng, fmt.Sprintf("The pipeline %q", p.name), ignoredPipeline)
	}
	return f.finish(diags)
}
