package docker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image/inject"
)

// transfer is a copy from registry to registry.
type transfer struct {
	from             image.Image
	to               *image.Image
	sources, targets *image.Keychain
	// insecure reports whether the target's certificate may be anybody's, or none be there.
	insecure bool
	// find gives the entrypoint that is put in on the way; nil: the image stays as it is.
	find   inject.Binaries
	labels map[string]string
}

// side is one registry, ready to be spoken to.
type side struct {
	ref         name.Reference
	host        string
	credentials image.Credentials
	options     []remote.Option
}

func open(ctx context.Context, reference string, keys *image.Keychain, insecure bool) (*side, error) {
	options := []name.Option{name.WeakValidation}
	if insecure {
		options = append(options, name.Insecure)
	}
	ref, err := name.ParseReference(reference, options...)
	if err != nil {
		return nil, &plugin.Error{Message: fmt.Sprintf("%q is not the name of an image", reference), Cause: err}
	}
	s := &side{ref: ref, host: ref.Context().RegistryStr()}
	if s.credentials, err = keys.For(ctx, s.host); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport
	if base, ok := transport.(*http.Transport); ok && insecure {
		clone := base.Clone()
		clone.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // insecure = true asks for it
		transport = clone
	}
	s.options = []remote.Option{
		remote.WithContext(ctx), remote.WithAuth(s.credentials.Authenticator()), remote.WithTransport(transport),
		remote.WithUserAgent("waypoint/" + version.Version()),
	}
	return s, nil
}

// copyImage copies an image or an index, with the entrypoint put in on the way if that is wanted.
func copyImage(ctx context.Context, env *plugin.Call, t transfer) error {
	reference := t.from.Name()
	if t.from.Digest != "" { // what was seen when it was pulled, whatever the tag is now
		reference = t.from.Image + "@" + t.from.Digest
	}
	source, err := open(ctx, reference, t.sources, false)
	if err != nil {
		return err
	}
	target, err := open(ctx, t.to.Name(), t.targets, t.insecure)
	if err != nil {
		return err
	}
	step := env.UI.Step("Copying %s to %s", t.from.Name(), t.to.Name())
	changed, err := t.run(ctx, step, source, target)
	if err != nil {
		step.Fail("")
		return err
	}
	how := "as it is"
	if changed {
		how = "with the Waypoint entrypoint"
	}
	step.Done("Pushed %s, %s (%s)", t.to.Name(), how, t.to.Digest)
	return nil
}

func (t *transfer) run(ctx context.Context, step plugin.Step, source, target *side) (changed bool, err error) {
	reading := func(err error) error {
		return explainRegistry("reading "+t.from.Name(), source.host, err, source.credentials)
	}
	found, err := remote.Get(source.ref, source.options...)
	if err != nil {
		return false, reading(err)
	}
	var digest v1.Hash
	write := func(do func(progress remote.Option) error) error {
		return explainRegistry("pushing "+t.to.Name(), target.host, follow(step, "Pushing "+t.to.Name(), do), target.credentials)
	}
	if found.MediaType.IsIndex() {
		index, err := found.ImageIndex()
		if err != nil {
			return false, reading(err)
		}
		if t.find != nil {
			if index, changed, err = inject.Index(t.from.Name(), index, t.find, t.labels); err != nil {
				return false, reading(err)
			}
		}
		if digest, err = index.Digest(); err != nil {
			return false, reading(err)
		}
		err = write(func(progress remote.Option) error {
			return remote.WriteIndex(target.ref, index, append(target.options, progress)...)
		})
		t.to.Digest = digest.String()
		return changed, err
	}
	img, err := found.Image()
	if err != nil {
		return false, reading(err)
	}
	if t.find != nil {
		if img, changed, err = inject.Image(t.from.Name(), img, t.find, t.labels); err != nil {
			return false, reading(err)
		}
	}
	if digest, err = img.Digest(); err != nil {
		return false, reading(err)
	}
	if err := write(func(progress remote.Option) error {
		return remote.Write(target.ref, img, append(target.options, progress)...)
	}); err != nil {
		return false, err
	}
	t.to.Digest = digest.String()
	if file, err := img.ConfigFile(); err == nil {
		t.to.Architecture = file.Architecture
	}
	return changed, ctx.Err()
}

// follow runs a write and says now and then how far it is.
func follow(step plugin.Step, doing string, write func(remote.Option) error) error {
	updates := make(chan v1.Update, 16)
	done := make(chan struct{})
	go func() { // ends when the write closes the channel
		defer close(done)
		last := time.Now()
		for u := range updates {
			if u.Error == nil && u.Total > 0 && time.Since(last) >= updateEvery {
				last = time.Now()
				step.Update("%s: %s of %s", doing, size(uint64(max(u.Complete, 0))), size(uint64(u.Total)))
			}
		}
	}()
	err := write(remote.WithProgress(updates))
	<-done
	return err
}

// pushSaved takes the image out of the engine and pushes it from here.
func (e *engine) pushSaved(ctx context.Context, env *plugin.Call, to *image.Image, keys *image.Keychain) error {
	target, err := open(ctx, to.Name(), keys, true)
	if err != nil {
		return err
	}
	step := env.UI.Step("Pushing %s", to.Name())
	err = e.pushFile(ctx, env, step, to, target)
	if err != nil {
		step.Fail("")
		return err
	}
	step.Done("Pushed %s (%s)", to.Name(), to.Digest)
	return nil
}

func (e *engine) pushFile(ctx context.Context, env *plugin.Call, step plugin.Step, to *image.Image, target *side) (err error) {
	path := filepath.Join(env.TempDir, "image.tar")
	defer func() { _ = os.Remove(path) }()
	if err := e.save(ctx, to.Name(), path); err != nil {
		return e.explain("taking the image out of the engine", err)
	}
	img, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		return fmt.Errorf("reading the image that the engine gave: %w", err)
	}
	if err := follow(step, "Pushing "+to.Name(), func(progress remote.Option) error {
		return remote.Write(target.ref, img, append(target.options, progress)...)
	}); err != nil {
		return explainRegistry("pushing "+to.Name(), target.host, err, target.credentials)
	}
	digest, err := img.Digest()
	to.Digest = digest.String()
	return err
}

func (e *engine) save(ctx context.Context, name, path string) error {
	answer, err := e.ImageSave(ctx, []string{name})
	if err != nil {
		return err
	}
	defer answer.Close()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, answer)
	return errors.Join(err, f.Close())
}
