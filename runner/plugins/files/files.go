// Package files is the plugin "files": a builder whose artifact is a directory as it stands, and a registry that
// copies a directory to a place that outlives the job.
package files

import (
	"context"
	_ "embed" // the example
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
	"github.com/waypoint-serverless/waypoint/runner/source/ignore"
)

// BuilderConfig configures the builder.
type BuilderConfig struct {
	// Directory of the files, relative to the app's directory. Nothing is copied.
	Path string `hcl:"path,optional" default:"the app's directory"`
}

// RegistryConfig configures the registry.
type RegistryConfig struct {
	// Directory that the files are copied to, on the runner's machine; relative to the project's directory. What the
	// artifact's .waypointignore names is left out. The copy is made aside and moved in when it is complete; each file
	// is replaced in one step, with its mode and time, so a program that runs from there keeps its own. Files that are
	// there already and not in the artifact stay. Links are replaced, never written through.
	Path string `hcl:"path"`
}

// state is what both keep.
type state struct {
	Path string `json:"path"`
}

// Output is what later stages see of the files.
type Output struct {
	// Directory of the files.
	Path string `hcl:"path"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "files",
		Summary: "Use a directory of files as the artifact.",
		Example: example,
		Schemas: []schema.Component{
			{
				Kind: schema.Builder, Summary: "Takes a directory as the artifact, without copying it.",
				Config: schema.New[BuilderConfig], Output: schema.New[Output],
			},
			{
				Kind: schema.Registry, Summary: "Copies the artifact's directory to another one.",
				Config: schema.New[RegistryConfig], Output: schema.New[Output],
			},
		},
		Builder:  func() plugin.Builder { return &builder{} },
		Registry: func() plugin.Registry { return &registry{} },
	}
}

type builder struct{ config BuilderConfig }

func (b *builder) Config() any { return &b.config }

func (b *builder) Build(_ context.Context, env *plugin.Call) (*plugin.Result, error) {
	path := below(env.Dir, b.config.Path)
	info, err := os.Stat(path)
	if err != nil {
		return nil, &plugin.Error{Message: "the directory of files cannot be read", Cause: err}
	}
	if !info.IsDir() {
		return nil, &plugin.Error{Message: path + " is not a directory"}
	}
	env.UI.Line(plugin.Info, "Files: %s", path)
	return result(path), nil
}

type registry struct{ config RegistryConfig }

func (r *registry) Config() any { return &r.config }

func (r *registry) Push(_ context.Context, env *plugin.Call, artifact *plugin.Artifact) (*plugin.Result, error) {
	var from state
	if err := json.Unmarshal(artifact.State, &from); err != nil || from.Path == "" {
		return nil, &plugin.Error{
			Message: fmt.Sprintf("the registry \"files\" needs a directory, and what %q builds is none", artifact.Plugin),
			Hint:    "Build with \"files\" or \"process\".",
		}
	}
	to := below(env.ProjectDir, r.config.Path)
	step := env.UI.Step("Copying %s to %s", from.Path, to)
	rules, err := ignore.Load(from.Path)
	if err != nil {
		step.Fail("")
		return nil, err
	}
	copied, err := rules.Copy(from.Path, to)
	if err != nil {
		step.Fail("")
		return nil, &plugin.Error{Message: "copying the files", Hint: "What was there before is as it was.", Cause: err}
	}
	for _, name := range copied.LeftOut {
		env.UI.Line(plugin.Warning, "Left out of the copy: %s", name)
	}
	step.Done("Copied %d files to %s", copied.Files, to)
	return result(to), nil
}

func result(path string) *plugin.Result {
	return &plugin.Result{State: state{Path: path}, Template: map[string]any{"path": path}}
}

func below(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, filepath.FromSlash(path))
}
