package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	"github.com/moby/moby/api/types/build"
	engineregistry "github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/docker/buildcontext"
	"github.com/waypoint-serverless/waypoint/runner/plugins/docker/buildkit"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
)

// buildFor builds, and sees to it that the image is for the platform that was asked for, or the engine's own: the
// classic builder of older engines takes layers FROM scratch of any platform from its cache.
func (e *engine) buildFor(ctx context.Context, env *plugin.Call, p *buildPlan, keys *image.Keychain) (string, error) {
	id, err := e.build(ctx, env, p, keys)
	if err != nil {
		return "", err
	}
	want := p.platform
	if want == nil {
		if p.buildKit || p.noCache || !p.scratch() {
			return id, nil
		}
		own, err := e.ServerVersion(ctx, client.ServerVersionOptions{})
		if err != nil {
			return "", e.explain("asking the engine for its architecture", err)
		}
		want = &ocispec.Platform{OS: own.Os, Architecture: own.Arch}
	}
	got, err := e.platformOf(ctx, id)
	if err != nil || matches(got, *want) {
		return id, err
	}
	if !p.buildKit && !p.noCache {
		env.UI.Line(plugin.Info, "The builder's cache has the image for %s: building again without it.", platforms.Format(got))
		p.noCache = true
		if id, err = e.build(ctx, env, p, keys); err != nil {
			return "", err
		}
		if got, err = e.platformOf(ctx, id); err != nil || matches(got, *want) {
			return id, err
		}
	}
	if p.platform == nil { // the Dockerfile itself says so
		return id, nil
	}
	return "", &plugin.Error{
		Message: fmt.Sprintf("the image is for %s, not for %s, the platform that was asked for", platforms.Format(got), platforms.Format(*want)),
		Hint:    "The base image that FROM names is not there for it.",
	}
}

func (e *engine) platformOf(ctx context.Context, id string) (ocispec.Platform, error) {
	about, err := e.ImageInspect(ctx, id)
	if err != nil {
		return ocispec.Platform{}, e.explain("looking at the image", err)
	}
	return platforms.Normalize(ocispec.Platform{OS: about.Os, Architecture: about.Architecture, Variant: about.Variant}), nil
}

func matches(got, want ocispec.Platform) bool {
	want = platforms.Normalize(want)
	return got.OS == want.OS && got.Architecture == want.Architecture
}

// scratch reports whether the Dockerfile begins an image with nothing.
func (p *buildPlan) scratch() bool {
	content, err := os.ReadFile(p.dockerfile)
	return err == nil && fromScratch().Match(content)
}

// build builds in the engine, shows its steps, and gives the image's id.
func (e *engine) build(ctx context.Context, env *plugin.Call, p *buildPlan, keys *image.Keychain) (string, error) {
	options := client.ImageBuildOptions{
		Tags: []string{p.tag}, Labels: p.labels, BuildArgs: map[string]*string{}, Target: p.target, NoCache: p.noCache,
		Remove: true, ForceRemove: true,
	}
	proxies, err := image.Proxies(env, e.host)
	if err != nil {
		return "", err
	}
	for name := range p.args { // builders take both ways to write a proxy's name for one: what the file says counts
		delete(proxies, strings.ToUpper(name))
		delete(proxies, strings.ToLower(name))
	}
	maps.Copy(proxies, p.args)
	for name, value := range proxies { // every Dockerfile has the proxies as arguments, as with Docker's command
		options.BuildArgs[name] = &value
	}
	if p.platform != nil {
		options.Platforms = []ocispec.Platform{*p.platform}
	}
	with := "BuildKit"
	if !p.buildKit {
		with = "the engine's classic builder"
	}
	env.UI.Line(plugin.Info, "Building %s with %s, in the Docker engine at %s", p.shown, with, e.host)
	var id string
	if p.buildKit {
		id, err = e.buildInSession(ctx, env.UI, p, options, keys, "waypoint/"+env.Project+"/"+env.App)
	} else {
		for try := 1; ; try++ {
			options.NoCache = options.NoCache || try == cacheTries
			id, err = e.buildFromTar(ctx, env.UI, p, options, keys)
			if try == cacheTries || !cacheGone(err) {
				break
			}
			env.UI.Line(plugin.Info, "Somebody has removed a layer that the builder had in its cache: building again.")
		}
	}
	if err != nil {
		return "", e.explainBuild(p, err, keys)
	}
	return id, nil
}

// cacheTries bounds how often the classic builder is asked again because its cache changed under it. The last time it
// is asked without its cache.
const cacheTries = 4

// cacheGone reports whether the classic builder chose a layer of its cache that was removed before it used it: with an
// old image of another build that began with the same instructions. Which words the engine has for it depends on how
// far the removal was: the image was no longer listed, its file was gone, or its layers were.
func cacheGone(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	return strings.Contains(text, `unable to find image "sha256:`) || strings.Contains(text, "No such image: sha256:") ||
		strings.Contains(text, "failed to get digest sha256:") || strings.Contains(text, "layer does not exist")
}

// buildInSession builds with BuildKit, which asks for the files that it needs, and for credentials.
func (e *engine) buildInSession(ctx context.Context, ui plugin.UI, p *buildPlan, options client.ImageBuildOptions, keys *image.Keychain, shared string) (string, error) {
	file := filepath.Base(p.dockerfile)
	names := map[string]string{file: p.dockerfile}
	if _, err := os.Stat(p.dockerfile + buildcontext.IgnoreFile); err == nil {
		names[file+buildcontext.IgnoreFile] = p.dockerfile + buildcontext.IgnoreFile
	}
	session := buildkit.New(shared, map[string]buildcontext.Dir{
		"context": {Root: p.context}, "dockerfile": {Root: filepath.Dir(p.dockerfile), Names: names},
	})
	session.Credentials = func(ctx context.Context, host string) (string, string, error) {
		c, err := keys.For(ctx, host)
		if c.IdentityToken != "" {
			return "", c.IdentityToken, err
		}
		return c.Username, c.Password, err
	}
	conn, err := e.DialHijack(ctx, "/session", "h2c", session.Header())
	if err != nil {
		return "", err
	}
	sessionCtx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		session.Serve(sessionCtx, conn)
	}()
	defer func() { stop(); <-done }()
	options.Version, options.SessionID, options.RemoteContext = build.BuilderBuildKit, session.ID, "client-session"
	options.Dockerfile = file
	return e.runBuild(ctx, ui, nil, options)
}

// buildFromTar builds with the classic builder, which takes the whole context as an archive.
func (e *engine) buildFromTar(ctx context.Context, ui plugin.UI, p *buildPlan, options client.ImageBuildOptions, keys *image.Keychain) (string, error) {
	content, err := os.ReadFile(p.dockerfile)
	if err != nil {
		return "", err
	}
	options.AuthConfigs = map[string]engineregistry.AuthConfig{}
	for _, host := range baseHosts(content) {
		c, err := keys.For(ctx, host)
		if err != nil {
			return "", err
		}
		if !c.Anonymous() {
			key := host
			if host == image.HubHost {
				key = "https://index.docker.io/v1/"
			}
			options.AuthConfigs[key] = engineregistry.AuthConfig{
				Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken, ServerAddress: key,
			}
		}
	}
	ignored, err := buildcontext.Ignored(p.context, p.dockerfile)
	if err != nil {
		return "", err
	}
	var files []buildcontext.File
	rel, err := filepath.Rel(p.context, p.dockerfile)
	inside := err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
	options.Dockerfile = filepath.ToSlash(rel)
	if !inside {
		// It is sent beside the context under a name of its own, and hidden from what the build copies.
		sum := sha256.Sum256(content)
		options.Dockerfile = ".dockerfile." + hex.EncodeToString(sum[:6])
		hidden := strings.Join(append(append([]string(nil), ignored...), options.Dockerfile, buildcontext.IgnoreFile), "\n") + "\n"
		files = []buildcontext.File{
			{Name: options.Dockerfile, Content: content, Mode: 0o644}, {Name: buildcontext.IgnoreFile, Content: []byte(hidden), Mode: 0o644},
		}
	}
	if len(ignored) > 0 { // the engine needs both, and hides them itself
		ignored = append(ignored, "!"+buildcontext.IgnoreFile, "!"+options.Dockerfile)
	}
	return e.runBuild(ctx, ui, func(w io.Writer) error {
		return buildcontext.Tar(w, buildcontext.Dir{Root: p.context}, buildcontext.Filter{Exclude: ignored}, files...)
	}, options)
}

// runBuild sends the request, and the archive that send writes, and follows the build to its end.
func (e *engine) runBuild(ctx context.Context, ui plugin.UI, send func(io.Writer) error, options client.ImageBuildOptions) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var body io.Reader
	sent := make(chan error, 1)
	if send != nil {
		r, w := io.Pipe()
		body = r
		go func() {
			err := send(w)
			_ = w.CloseWithError(err)
			sent <- err
		}()
		defer func() { _ = r.Close() }()
	} else {
		sent <- nil
	}
	answer, err := e.ImageBuild(ctx, body, options)
	if err != nil {
		select {
		case sendErr := <-sent: // the request failed because the archive did
			if sendErr != nil && !errors.Is(sendErr, io.ErrClosedPipe) {
				return "", fmt.Errorf("reading the build's context: %w", sendErr)
			}
		default:
		}
		return "", err
	}
	defer answer.Body.Close()
	id, err := (&buildOutput{ui: ui}).follow(answer.Body)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return id, err
}

// from finds the images that a Dockerfile builds on, as far as they are written out.
var from = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?im)^\s*FROM\s+(?:--\S+\s+)*([^\s$]+)\s*(?:AS\s|$)`)
})

var fromScratch = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?im)^\s*FROM\s+(?:--\S+\s+)*scratch\b`) })

// baseHosts lists the registries of a Dockerfile's base images; Docker Hub is always one.
func baseHosts(dockerfile []byte) []string {
	hosts := []string{image.HubHost}
	seen := map[string]bool{image.HubHost: true, "": true}
	for _, match := range from().FindAllSubmatch(dockerfile, -1) {
		if host := image.Host(string(match[1])); !seen[host] {
			seen[host] = true
			hosts = append(hosts, host)
		}
	}
	return hosts
}
