package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
)

type builder struct{ config BuilderConfig }

func (b *builder) Config() any { return &b.config }

// Build builds the Dockerfile in the engine and puts the entrypoint into the image. The image is named by its content:
// an unchanged build is the same image.
func (b *builder) Build(ctx context.Context, env *plugin.Call) (*plugin.Result, error) {
	plan, err := b.plan(env)
	if err != nil {
		return nil, err
	}
	keys, err := image.NewKeychain(env, image.HubHost, image.Settings{Auth: b.config.Auth})
	if err != nil {
		return nil, err
	}
	e, err := connect(ctx, env.Environ, nil)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	plan.buildKit = e.buildKit && lookup(env.Environ)("DOCKER_BUILDKIT") != "0"
	if want := b.config.BuildKit; want != nil {
		if *want && !e.buildKit {
			return nil, &plugin.Error{
				Message: fmt.Sprintf("buildkit = true, and the Docker engine at %s has no BuildKit", e.host),
				Hint:    "Leave buildkit out: the image is then built with the builder that the engine has.",
			}
		}
		plan.buildKit = *want
	}
	name := localName(env)
	base := baseName(env)
	e.forget(ctx, base) // of an attempt that was cut short
	plan.tag, plan.labels = base, ownLabels(env)
	id, err := e.buildFor(ctx, env, plan, keys)
	if err != nil {
		return nil, err
	}
	defer e.forget(context.WithoutCancel(ctx), base)
	made, err := e.finish(ctx, env, finishing{
		id: id, base: base, shown: env.App, inject: !b.config.DisableEntrypoint, buildKit: plan.buildKit, name: name,
	})
	if err != nil {
		return nil, err
	}
	return made.Result(), nil
}

// buildPlan is one build, decided.
type buildPlan struct {
	// context is the directory; dockerfile the file's path, and shown how messages name it.
	context, dockerfile, shown string
	args                       map[string]string
	platform                   *ocispec.Platform
	target                     string
	noCache, buildKit          bool

	tag    string
	labels map[string]string
}

// plan decides what is built, and refuses what cannot be.
func (b *builder) plan(env *plugin.Call) (*buildPlan, error) {
	c := b.config
	p := &buildPlan{args: c.BuildArgs, target: c.Target, noCache: c.NoCache, context: env.Dir, shown: c.Dockerfile}
	if c.Context != "" {
		p.context = below(env.Dir, c.Context)
	}
	if info, err := os.Stat(p.context); err != nil || !info.IsDir() {
		return nil, &plugin.Error{
			Message: fmt.Sprintf("context = %q: there is no directory %s", c.Context, p.context),
			Hint:    "context is relative to the app's directory, " + env.Dir + ".",
		}
	}
	if p.shown == "" {
		p.shown = "Dockerfile"
	}
	p.dockerfile = below(env.Dir, p.shown)
	info, err := os.Stat(p.dockerfile)
	if errors.Is(err, fs.ErrNotExist) && !filepath.IsAbs(p.shown) { // as `docker build` counts it
		if other, otherErr := os.Stat(below(p.context, p.shown)); otherErr == nil {
			p.dockerfile, info, err = below(p.context, p.shown), other, nil
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &plugin.Error{
			Message: "there is no Dockerfile at " + p.dockerfile,
			Hint:    "Write one, or set dockerfile in the build stanza to its path, relative to the app's directory.",
		}
	case err != nil:
		return nil, &plugin.Error{Message: "the Dockerfile cannot be read", Cause: err}
	case info.IsDir():
		return nil, &plugin.Error{Message: p.dockerfile + " is a directory, not a Dockerfile", Hint: "Set dockerfile to the file in it."}
	}
	if filepath.IsAbs(p.shown) {
		p.shown = filepath.Base(p.shown)
	}
	if c.Platform != "" {
		platform, err := platforms.Parse(c.Platform)
		if err != nil {
			return nil, &plugin.Error{
				Message: fmt.Sprintf("platform = %q is not a platform", c.Platform), Hint: `It reads like "linux/arm64": operating system and architecture.`,
			}
		}
		p.platform = &platform
	}
	return p, nil
}

// localName is how an image that we built is called in the engine, without its tag. The host is nobody's: such a name
// is never taken for one that can be pulled.
func localName(env *plugin.Call) string {
	return "waypoint.local/" + pathPart(env.Project) + "/" + pathPart(env.App)
}

// baseName is the name that an image has while the entrypoint is put into it. Builds take no lane, so several of one
// app may run at once: the job's id keeps them apart, and a second attempt at a job finds what the first one left.
func baseName(env *plugin.Call) string {
	return baseNames(env) + tagPart(env.Workspace) + "-" + tagPart(env.JobID)
}

// baseNames begins all names that baseName gives for the app.
func baseNames(env *plugin.Call) string { return localName(env) + "/base:" }

// pathPart makes a name fit for a part of an image's: small letters and digits, joined by single dashes.
func pathPart(name string) string {
	out := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
	parts := strings.FieldsFunc(out, func(r rune) bool { return r == '-' })
	if len(parts) == 0 {
		return "x"
	}
	return strings.Join(parts, "-")
}

// tagPart makes a name fit for a tag.
func tagPart(name string) string {
	if name = pathPart(name); len(name) > 100 {
		name = name[:100]
	}
	return name
}

func below(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, filepath.FromSlash(path))
}
