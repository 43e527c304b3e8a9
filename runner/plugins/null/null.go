// Package null is the plugin "null": all kinds of components that do nothing, for tests, demonstrations and
// benchmarks. It never sleeps.
package null

import (
	"context"
	_ "embed" // the example
	"fmt"
	"io"
	"maps"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Config configures every kind.
type Config struct {
	// Values that later stages see as artifact.* or deploy.*. A platform or releaser takes its URL from "url".
	Values map[string]string `hcl:"values,optional"`
	// Number of lines to print.
	Lines int `hcl:"lines,optional"`
}

// SourcerConfig is what dynamic("null", {…}) takes.
type SourcerConfig struct {
	// Name of one of the source's values.
	Key string `hcl:"key"`
}

// Source is what can be set for the source.
type Source struct {
	// The values.
	Values map[string]string `hcl:"values,optional"`
}

//go:embed example.hcl
var example string

// Definition is the plugin for a catalog.
func Definition() catalog.Definition {
	return catalog.Definition{
		Name:    "null",
		Summary: "Do nothing, for tests and demonstrations.",
		Example: example,
		// What templates see is what the configuration says, so it is not known here.
		Schemas: []schema.Component{
			{Kind: schema.Builder, Summary: "Builds nothing.", Config: schema.New[Config], Open: true},
			{Kind: schema.Registry, Summary: "Pushes nothing and passes the artifact on.", Config: schema.New[Config], Open: true},
			{Kind: schema.Platform, Summary: "Deploys nothing.", Config: schema.New[Config], Open: true},
			{Kind: schema.Releaser, Summary: "Releases nothing.", Config: schema.New[Config], Open: true},
			{
				Kind: schema.ConfigSourcer, Summary: "Gives values that are set for the source.",
				Config: schema.New[SourcerConfig], Source: schema.New[Source],
			},
		},
		Builder:  func() plugin.Builder { return &builder{} },
		Registry: func() plugin.Registry { return &registry{} },
		Platform: func() plugin.Platform { return &platform{} },
		Releaser: func() plugin.Releaser { return &releaser{} },
	}
}

type component struct{ config Config }

func (c *component) Config() any { return &c.config }

// act prints the lines and makes the result.
func (c *component) act(ctx context.Context, env *plugin.Call) (plugin.Result, error) {
	if err := lines(ctx, env.UI.Stdout(), c.config.Lines); err != nil {
		return plugin.Result{}, err
	}
	template := make(map[string]any, len(c.config.Values))
	for k, v := range c.config.Values {
		template[k] = v
	}
	return plugin.Result{State: maps.Clone(c.config.Values), Template: template, Portable: true}, nil
}

func lines(ctx context.Context, w io.Writer, n int) error {
	for i := range n {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "line %d\n", i+1); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

type builder struct{ component }

func (b *builder) Build(ctx context.Context, env *plugin.Call) (*plugin.Result, error) {
	r, err := b.act(ctx, env)
	return &r, err
}

type registry struct{ component }

// Push passes the artifact's values on, with its own over them.
func (r *registry) Push(ctx context.Context, env *plugin.Call, artifact *plugin.Artifact) (*plugin.Result, error) {
	result, err := r.act(ctx, env)
	merged := maps.Clone(artifact.Template)
	if merged == nil {
		merged = map[string]any{}
	}
	maps.Copy(merged, result.Template)
	result.Template = merged
	return &result, err
}

type platform struct{ component }

func (p *platform) Deploy(ctx context.Context, env *plugin.Call, _ *plugin.DeployRequest) (*plugin.DeployResult, error) {
	r, err := p.act(ctx, env)
	return &plugin.DeployResult{Result: r, URL: p.config.Values["url"]}, err
}

func (p *platform) DeployRerunnable() bool { return true }

func (p *platform) DestroyDeployment(context.Context, *plugin.Call, *plugin.Deployment) error {
	return nil
}

func (p *platform) DestroyWorkspace(context.Context, *plugin.Call) error { return nil }

func (p *platform) DeploymentStatus(context.Context, *plugin.Call, *plugin.Deployment) (*plugin.Status, error) {
	return &plugin.Status{Health: plugin.Ready, Message: "null is always ready"}, nil
}

type releaser struct{ component }

func (r *releaser) Release(ctx context.Context, env *plugin.Call, _ *plugin.Deployment) (*plugin.ReleaseResult, error) {
	result, err := r.act(ctx, env)
	return &plugin.ReleaseResult{Result: result, URL: r.config.Values["url"]}, err
}

func (r *releaser) ReleaseRerunnable() bool { return true }

func (r *releaser) DestroyRelease(context.Context, *plugin.Call, *plugin.Release) error { return nil }

func (r *releaser) ReleaseStatus(context.Context, *plugin.Call, *plugin.Release) (*plugin.Status, error) {
	return &plugin.Status{Health: plugin.Ready, Message: "null is always ready"}, nil
}
