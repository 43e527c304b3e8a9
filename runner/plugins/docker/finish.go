package docker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/moby/moby/api/types/build"
	imagetypes "github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/docker/buildcontext"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image/inject"
)

// tidyTimeout bounds the removal of a name that only a build in progress needs.
const tidyTimeout = 10 * time.Second

// finishing is an image of the engine that becomes an artifact.
type finishing struct {
	// id is the engine's; base is a name of the image, which nobody else uses; shown is how messages call it.
	id, base, shown string
	// inject reports whether the entrypoint is put in; buildKit with which builder.
	inject, buildKit bool
	// name the artifact gets, without its tag; empty keeps the image's.
	name string
}

// finish puts the entrypoint in, if it is wanted and not there, and names the image by its content.
func (e *engine) finish(ctx context.Context, env *plugin.Call, f finishing) (*image.Image, error) {
	about, err := e.ImageInspect(ctx, f.id)
	if err != nil {
		return nil, e.explain("looking at the image", err)
	}
	made := about.InspectResponse
	if about.Config != nil {
		command := inject.Command{Entrypoint: about.Config.Entrypoint, Cmd: about.Config.Cmd}
		if command.Empty() {
			env.UI.Line(plugin.Warning, "The image %s has neither ENTRYPOINT nor CMD: it can only run where the deploy stanza gives a command.", f.shown)
		}
		if f.inject {
			id, err := e.inject(ctx, env, f, about, command)
			if err != nil {
				return nil, err
			}
			if id != f.id {
				again, err := e.ImageInspect(ctx, id)
				if err != nil {
					return nil, e.explain("looking at the image", err)
				}
				made = again.InspectResponse
			}
		}
	}
	out := &image.Image{Image: f.name, ID: made.ID, Architecture: made.Architecture, Location: image.InEngine}
	_, hash, _ := strings.Cut(made.ID, ":")
	out.Tag = hash[:min(12, len(hash))]
	if _, err := e.ImageTag(ctx, client.ImageTagOptions{Source: made.ID, Target: out.Name()}); err != nil {
		return nil, e.explain("naming the image", err)
	}
	env.UI.Line(plugin.Success, "Image: %s (%s, %s)", out.Name(), made.Architecture, size(uint64(max(made.Size, 0))))
	return out, e.removeImages(ctx, env, keptImages, made.ID)
}

// inject gives the id of the image with the entrypoint in it. The engine itself adds the layer, in a build of three
// instructions: the image is not taken out of the engine and put back, however large it is.
func (e *engine) inject(ctx context.Context, env *plugin.Call, f finishing, about client.ImageInspectResult, command inject.Command) (string, error) {
	if command.Done() {
		env.UI.Line(plugin.Info, "The image has the Waypoint entrypoint already.")
		return f.id, nil
	}
	if err := inject.Check(f.shown, about.Os, about.Architecture); err != nil {
		return "", err
	}
	if len(about.Config.OnBuild) > 0 {
		return "", &plugin.Error{
			Message: fmt.Sprintf("the image %s has ONBUILD instructions, which adding the Waypoint entrypoint would run", f.shown),
			Hint:    "Build an image on it, or set disable_entrypoint = true.",
		}
	}
	binary, err := inject.Find(env)(about.Architecture)
	if err != nil {
		return "", err
	}
	labels := ownLabels(env)
	labels[labelBase], labels[inject.Label] = about.ID, binary.Digest
	if id, err := e.injected(ctx, labels, about, command); err != nil || id != "" {
		return id, err
	}
	for name, value := range about.Config.Labels {
		if labels[name] == value {
			delete(labels, name) // inherited; the classic builder makes an instruction of each
		}
	}
	step := env.UI.Step("Adding the Waypoint entrypoint")
	id, err := e.addEntrypoint(ctx, f, about, command, binary, labels)
	if err != nil {
		step.Fail("")
		return "", e.explain("adding the Waypoint entrypoint", err)
	}
	step.Done("")
	return id, nil
}

// injected finds an image that an earlier build made of the same image and the same entrypoint.
func (e *engine) injected(ctx context.Context, labels map[string]string, base client.ImageInspectResult, command inject.Command) (string, error) {
	filters := client.Filters{}
	for name, value := range labels {
		filters.Add("label", name+"="+value)
	}
	list, err := e.ImageList(ctx, client.ImageListOptions{Filters: filters})
	if err != nil {
		return "", e.explain("looking for an image with the entrypoint", err)
	}
	for _, item := range list.Items {
		about, err := e.ImageInspect(ctx, item.ID)
		if err != nil || about.Config == nil {
			continue
		}
		// Labels are inherited: an image that was built on ours has them as well, and more layers.
		layers, under := base.RootFS.Layers, command.Under()
		if len(about.RootFS.Layers) == len(layers)+1 && slices.Equal(about.RootFS.Layers[:len(layers)], layers) &&
			slices.Equal(about.Config.Entrypoint, under.Entrypoint) && slices.Equal(about.Config.Cmd, under.Cmd) {
			return about.ID, nil
		}
	}
	return "", nil
}

func (e *engine) addEntrypoint(ctx context.Context, f finishing, about client.ImageInspectResult, command inject.Command, binary *inject.Binary, labels map[string]string) (string, error) {
	platform := ocispec.Platform{OS: about.Os, Architecture: about.Architecture, Variant: about.Variant}
	options := client.ImageBuildOptions{
		Labels: labels, Dockerfile: "Dockerfile", Remove: true, ForceRemove: true, Platforms: []ocispec.Platform{platforms.Normalize(platform)},
	}
	under := command.Under()
	var file bytes.Buffer
	// The base is named by its id where the builder can: the name may be moved by another build meanwhile.
	source := about.ID
	if f.buildKit {
		source = f.base
	}
	fmt.Fprintf(&file, "FROM %s\nCOPY waypoint-entrypoint %s\nENTRYPOINT %s\n", source, inject.Path, list(under.Entrypoint))
	if len(under.Cmd) > 0 {
		fmt.Fprintf(&file, "CMD %s\n", list(under.Cmd)) // ENTRYPOINT takes an inherited one away
	}
	if f.buildKit {
		options.Version = build.BuilderBuildKit
		if created, err := time.Parse(time.RFC3339Nano, about.Created); err == nil && created.Unix() > 0 {
			epoch := strconv.FormatInt(created.Unix(), 10) // newer engines then give the same image each time
			options.BuildArgs = map[string]*string{"SOURCE_DATE_EPOCH": &epoch}
		}
	}
	silent := &buildOutput{ui: silence{}}
	read, write := io.Pipe()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = write.CloseWithError(buildcontext.Tar(write, buildcontext.Dir{}, buildcontext.Filter{},
			buildcontext.File{Name: "Dockerfile", Content: file.Bytes(), Mode: 0o644},
			buildcontext.File{Name: "waypoint-entrypoint", Content: binary.Content, Mode: 0o755}))
	}()
	defer func() { _ = read.Close(); <-sent }()
	answer, err := e.ImageBuild(ctx, read, options)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	return silent.follow(answer.Body)
}

// list is a list as a Dockerfile has it.
func list(words []string) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(words) // strings always marshal
	return strings.TrimSpace(out.String())
}

// forget takes a name away that only a build in progress needs; the image goes with it unless something else uses it.
func (e *engine) forget(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, tidyTimeout)
	defer cancel()
	_, _ = e.ImageRemove(ctx, name, client.ImageRemoveOptions{}) // the next build tries again
}

// keptImages is how many images of an app in a workspace stay in the engine; older ones can be built again.
const keptImages = 10

// removeImages removes the images that we built for the app in its workspace and that no container uses, but for the
// newest ones, and those with an id in spare: an old source that is built again gives the old image.
func (e *engine) removeImages(ctx context.Context, env *plugin.Call, keep int, spare ...string) error {
	list, err := e.ImageList(ctx, client.ImageListOptions{Filters: ownFilter(env)})
	if err != nil {
		return e.explain("listing the app's images", err)
	}
	slices.SortStableFunc(list.Items, func(a, b imagetypes.Summary) int { return cmp.Compare(b.Created, a.Created) })
	var failed []error
	for _, item := range list.Items[min(keep, len(list.Items)):] {
		if slices.Contains(spare, item.ID) {
			continue
		}
		names := slices.DeleteFunc(slices.Clone(item.RepoTags), func(name string) bool { return name == "<none>:<none>" })
		if keep > 0 && e.inUse(ctx, env, item.ID, names) {
			continue
		}
		if len(names) == 0 {
			names = []string{item.ID}
		}
		for _, name := range names {
			_, err := e.ImageRemove(ctx, name, client.ImageRemoveOptions{PruneChildren: true})
			if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) { // a conflict: something uses it
				failed = append(failed, err)
			}
		}
	}
	return e.explain("removing the app's images", errors.Join(failed...))
}

// buildMost is how long a build may take that another one leaves alone.
const buildMost = 24 * time.Hour

// inUse reports whether another build of the app works with the image now: an old source gives an old image, which
// counts among those to remove as soon as the builder has found it in its cache.
func (e *engine) inUse(ctx context.Context, env *plugin.Call, id string, names []string) bool {
	own := baseName(env)
	if !slices.ContainsFunc(names, func(name string) bool { return name != own && strings.HasPrefix(name, baseNames(env)) }) {
		return false
	}
	about, err := e.ImageInspect(ctx, id)
	return err != nil || time.Since(about.Metadata.LastTagTime) < buildMost
}

// silence is a UI that shows nothing.
type silence struct{}

func (silence) Line(plugin.Style, string, ...any) {}
func (silence) Table([]string, [][]string)        {}
func (silence) NamedValues(...[2]string)          {}
func (silence) Stdout() io.Writer                 { return io.Discard }
func (silence) Stderr() io.Writer                 { return io.Discard }
func (silence) Step(string, ...any) plugin.Step   { return silentStep{} }

type silentStep struct{}

func (silentStep) Update(string, ...any) {}
func (silentStep) Output() io.Writer     { return io.Discard }
func (silentStep) Done(string, ...any)   {}
func (silentStep) Fail(string, ...any)   {}
