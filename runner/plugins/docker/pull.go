package docker

import (
	"context"
	"errors"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
)

// PullRequest is an image to be pulled for an app.
type PullRequest struct {
	// Image and Tag of it are what is pulled.
	Image image.Image
	// Settings are the credentials that were configured.
	Settings image.Settings
	// Inject reports whether the entrypoint is put in.
	Inject bool
}

// Pull gets the image into the engine and puts the entrypoint in. Without an engine the image stays in its registry: it
// is looked up there, and gets the entrypoint when it is pushed.
func Pull(ctx context.Context, env *plugin.Call, r PullRequest) (*image.Image, error) {
	pulled, err := pullInto(ctx, env, r)
	return pulled, stoppedBy(ctx, err)
}

func pullInto(ctx context.Context, env *plugin.Call, r PullRequest) (*image.Image, error) {
	host := image.Host(r.Image.Image)
	keys, err := image.NewKeychain(env, host, r.Settings)
	if err != nil {
		return nil, err
	}
	e, err := connect(ctx, env.Environ, nil)
	var gone *unreachable
	if errors.As(err, &gone) {
		env.UI.Line(plugin.Info, "%s: the image stays in its registry.", gone.Error())
		return lookUp(ctx, env, r, keys)
	}
	if err != nil {
		return nil, err
	}
	defer e.Close()
	credentials, err := keys.For(ctx, host)
	if err != nil {
		return nil, err
	}
	if err := e.pull(ctx, env.UI, r.Image.Name(), credentials); err != nil {
		return nil, err
	}
	about, err := e.ImageInspect(ctx, r.Image.Name())
	if err != nil {
		return nil, e.explain("looking at the image", err)
	}
	if !r.Inject {
		out := r.Image
		out.ID, out.Architecture, out.Location = about.ID, about.Architecture, image.InEngine
		env.UI.Line(plugin.Success, "Image: %s (%s, %s)", out.Name(), out.Architecture, size(uint64(max(about.Size, 0))))
		return &out, nil
	}
	base := baseName(env)
	if _, err := e.ImageTag(ctx, client.ImageTagOptions{Source: about.ID, Target: base}); err != nil {
		return nil, e.explain("naming the image", err)
	}
	defer e.forget(context.WithoutCancel(ctx), base)
	return e.finish(ctx, env, finishing{
		id: about.ID, base: base, shown: r.Image.Name(), inject: true, buildKit: e.buildKit, name: localName(env),
	})
}

// pull pulls one image, with a step for it.
func (e *engine) pull(ctx context.Context, ui plugin.UI, name string, credentials image.Credentials) error {
	host := image.Host(name)
	step := ui.Step("Pulling %s", name)
	answer, err := e.ImagePull(ctx, name, client.ImagePullOptions{RegistryAuth: credentials.Header()})
	if err == nil {
		err = (&layerProgress{step: step, doing: "Pulling " + name}).follow(ctx, answer, nil)
		_ = answer.Close()
	}
	if err != nil {
		step.Fail("")
		return e.explainRegistry("pulling "+name, host, err, credentials)
	}
	step.Done("Pulled %s", name)
	return nil
}

// lookUp asks the registry for the image and leaves it there.
func lookUp(ctx context.Context, env *plugin.Call, r PullRequest, keys *image.Keychain) (*image.Image, error) {
	source, err := open(ctx, r.Image.Name(), keys, false)
	if err != nil {
		return nil, err
	}
	step := env.UI.Step("Looking %s up in its registry", r.Image.Name())
	found, err := remote.Get(source.ref, source.options...)
	if err != nil {
		step.Fail("")
		return nil, explainRegistry("looking up "+r.Image.Name(), source.host, err, source.credentials)
	}
	out := r.Image
	out.Digest, out.Location, out.Inject = found.Digest.String(), image.InRegistry, r.Inject
	if found.MediaType.IsImage() {
		if img, err := found.Image(); err == nil {
			if file, err := img.ConfigFile(); err == nil {
				out.Architecture = file.Architecture
			}
		}
	}
	step.Done("Found %s (%s)", out.Name(), out.Digest)
	if r.Inject {
		env.UI.Line(plugin.Info, "The Waypoint entrypoint is put in when the image is pushed by a registry stanza.")
	}
	return &out, nil
}
