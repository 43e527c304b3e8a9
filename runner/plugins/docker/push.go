package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image/inject"
)

type registry struct{ config RegistryConfig }

func (r *registry) Config() any { return &r.config }

// Push names the image and pushes it: from the engine that has it, or, for one that is in a registry, from there to
// here without an engine.
func (r *registry) Push(ctx context.Context, env *plugin.Call, artifact *plugin.Artifact) (*plugin.Result, error) {
	c := r.config
	from, err := image.FromArtifact(artifact, `the registry "docker"`)
	if err != nil {
		return nil, err
	}
	name, tag, err := image.Reference(c.Image, c.Tag)
	if err != nil {
		return nil, err
	}
	keys, err := image.NewKeychain(env, image.Host(name), image.Settings{
		Auth: c.Auth, Encoded: c.EncodedAuth, Username: c.Username, Password: c.Password,
	})
	if err != nil {
		return nil, err
	}
	to := image.Image{Image: name, Tag: tag, ID: from.ID, Architecture: from.Architecture, Location: image.InRegistry}
	switch {
	case c.Local:
		err = r.tagLocally(ctx, env, from, &to)
	case from.Location == image.InEngine:
		err = r.fromEngine(ctx, env, from, &to, keys)
	default:
		err = r.fromRegistry(ctx, env, from, &to, keys)
	}
	if err != nil {
		return nil, err
	}
	return to.Result(), nil
}

// tagLocally names the image in the engine and nothing else.
func (r *registry) tagLocally(ctx context.Context, env *plugin.Call, from image.Image, to *image.Image) error {
	if from.Location != image.InEngine {
		pulled, err := Pull(ctx, env, PullRequest{Image: from, Inject: from.Inject})
		if err != nil {
			return err
		}
		if from = *pulled; from.Location != image.InEngine {
			return &plugin.Error{
				Message: "local = true, and there is no Docker engine that the image could be tagged in",
				Hint:    "Start Docker, or leave local out to push the image.",
			}
		}
		to.ID, to.Architecture = from.ID, from.Architecture
	}
	e, err := connect(ctx, env.Environ, nil)
	if err != nil {
		return err
	}
	defer e.Close()
	if err := e.tag(ctx, from, *to); err != nil {
		return err
	}
	to.Location = image.InEngine
	env.UI.Line(plugin.Success, "Image: %s, in the Docker engine at %s", to.Name(), e.host)
	return nil
}

// tag names the image; a missing one is explained.
func (e *engine) tag(ctx context.Context, from, to image.Image) error {
	source := from.ID
	if source == "" {
		source = from.Name()
	}
	_, err := e.ImageTag(ctx, client.ImageTagOptions{Source: source, Target: to.Name()})
	if cerrdefs.IsNotFound(err) {
		return &plugin.Error{
			Message: fmt.Sprintf("the image %s is not in the Docker engine at %s", from.Name(), e.host),
			Hint:    "It was removed, or built in another engine: build again.",
		}
	}
	return e.explain("naming the image", err)
}

func (r *registry) fromEngine(ctx context.Context, env *plugin.Call, from image.Image, to *image.Image, keys *image.Keychain) error {
	e, err := connect(ctx, env.Environ, nil)
	if err != nil {
		return err
	}
	defer e.Close()
	if err := e.tag(ctx, from, *to); err != nil {
		return err
	}
	if r.config.Insecure {
		// An engine pushes insecurely only to registries that its own settings name, so it is done here.
		return e.pushSaved(ctx, env, to, keys)
	}
	host := image.Host(to.Image)
	credentials, err := keys.For(ctx, host)
	if err != nil {
		return err
	}
	step := env.UI.Step("Pushing %s", to.Name())
	answer, err := e.ImagePush(ctx, to.Name(), client.ImagePushOptions{RegistryAuth: credentials.Header()})
	if err != nil {
		step.Fail("")
		return e.explainRegistry("pushing "+to.Name(), host, err, credentials)
	}
	defer answer.Close()
	layers := &layerProgress{step: step, doing: "Pushing " + to.Name()}
	checked := false
	if err := layers.follow(ctx, answer, func(m *jsonstream.Message) error {
		var pushed struct{ Tag, Digest string }
		if m.Aux != nil && json.Unmarshal(*m.Aux, &pushed) == nil && pushed.Digest != "" {
			to.Digest = pushed.Digest
		}
		if !checked && strings.HasPrefix(m.Status, "Retrying in") {
			checked = true
			return mayPush(ctx, to.Name(), credentials)
		}
		return nil
	}); err != nil {
		step.Fail("")
		return e.explainRegistry("pushing "+to.Name(), host, err, credentials)
	}
	if to.Digest == "" { // engines with containerd's image store do not say it
		if to.Digest, err = e.pushedDigest(ctx, *to); err != nil {
			step.Fail("")
			return err
		}
	}
	step.Done("Pushed %s (%s)", to.Name(), to.Digest)
	return nil
}

// pushedDigest is what the engine keeps of a push: the image's digest in that registry.
func (e *engine) pushedDigest(ctx context.Context, to image.Image) (string, error) {
	about, err := e.ImageInspect(ctx, to.Name())
	if err != nil {
		return "", e.explain("looking at the image", err)
	}
	want, err := reference.ParseNormalizedNamed(to.Image)
	if err != nil {
		return "", fmt.Errorf("reading the image's name: %w", err)
	}
	for _, digest := range about.RepoDigests {
		have, err := reference.ParseNormalizedNamed(digest)
		if canonical, ok := have.(reference.Canonical); err == nil && ok && have.Name() == want.Name() {
			return canonical.Digest().String(), nil
		}
	}
	return "", nil // nobody has said
}

// mayPush asks the registry whether the credentials may write there, and fails if it says no. An engine does not say
// why it tries a layer again, and with wrong credentials it would for 50 seconds.
func mayPush(ctx context.Context, reference string, c image.Credentials) error {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil //nolint:nilerr // the engine took it
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	err = remote.CheckPushPermission(ref, only{c}, bound{ctx})
	var refused *transport.Error
	if errors.As(err, &refused) && (refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden) {
		return err
	}
	return nil // the engine may reach it where this machine does not
}

// only is a keychain of one registry.
type only struct{ image.Credentials }

func (o only) Resolve(authn.Resource) (authn.Authenticator, error) { return o.Authenticator(), nil }

// bound makes requests that end with a context.
type bound struct{ ctx context.Context }

func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	return http.DefaultTransport.RoundTrip(r.WithContext(b.ctx))
}

// fromRegistry copies the image from its registry to this one. Nothing passes through an engine, and layers that both
// registries have are not moved.
func (r *registry) fromRegistry(ctx context.Context, env *plugin.Call, from image.Image, to *image.Image, keys *image.Keychain) error {
	// What the builder was given is not kept, for it is secret: the source is read with Docker's configuration, or with
	// this registry's credentials where it is the same one.
	sources := keys
	if image.Host(from.Image) != image.Host(to.Image) {
		var err error
		if sources, err = image.NewKeychain(env, "", image.Settings{}); err != nil {
			return err
		}
	}
	var find inject.Binaries
	if from.Inject {
		find = inject.Find(env)
	}
	return copyImage(ctx, env, transfer{
		from: from, to: to, sources: sources, targets: keys, insecure: r.config.Insecure, find: find, labels: ownLabels(env),
	})
}
