package config

import (
	"github.com/hashicorp/hcl/v2"
)

// StageKind is one of the four stages of an app.
type StageKind string

// The stages, in the order in which `up` runs them.
const (
	Build    StageKind = "build"
	Registry StageKind = "registry"
	Deploy   StageKind = "deploy"
	Release  StageKind = "release"
)

// StageInput is what a stage's expressions can see of earlier stages.
type StageInput struct {
	// Artifact is artifact.*: the build's output in registry, the pushed artifact in deploy and release.
	Artifact map[string]any
	// EntrypointEnv is entrypoint.env, in deploy and release. It holds a token: all its values are sensitive.
	EntrypointEnv map[string]string
	// Deploy is deploy.*, in release.
	Deploy map[string]any
	// TempDir is where templatefile and its like write. It must outlive the operation. Empty: such a call is an error.
	TempDir string
}

// Stage is one stage of an app as it holds in the workspace, with its labels and hooks evaluated.
type Stage struct {
	Kind   StageKind
	Plugin string
	Hooks  []Hook
	// Labels are merged: system < project < app < stage < overrides.
	Labels map[string]string
	// Range is that of `use "plugin"`.
	Range hcl.Range

	use   *useDecl
	file  *File
	scope *scope
}

// Hook is a command that runs on the runner before or after a stage.
type Hook struct {
	// When is "before" or "after".
	When    string
	Command []string
	// OnFailure is "fail" or "continue".
	OnFailure string
}

// Stage evaluates the head of a stage and picks its body: the workspace's if there is one, else that of the
// longest label selector that matches, else the unscoped one. nil without an error: the app has no such stage.
func (a *App) Stage(kind StageKind, in StageInput) (*Stage, hcl.Diagnostics) {
	return a.stage(kind, in)
}

// Decode evaluates the body of `use` into target, a pointer to a struct with hcl tags, or nil for a plugin that takes
// no configuration. Tags are `hcl:"name"` (required attribute), `hcl:"name,optional"`, `hcl:"name,block"`,
// `hcl:"name,label"` and `hcl:",remain"`. Fields that the body does not set keep their value.
func (s *Stage) Decode(target any) hcl.Diagnostics {
	return s.decode(target)
}
