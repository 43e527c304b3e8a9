// Package inject puts the Waypoint entrypoint into container images: one layer with a static binary, and the image's own
// command run under it. It works on images as go-containerregistry has them and needs no engine.
//
// It is a pure function of the image and the binary: the same two make the same bytes, and an image that has the
// entrypoint already comes back as it is.
package inject

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// Path is where the entrypoint is in an image.
const Path = "/waypoint-entrypoint"

// Label says which entrypoint an image has: the SHA-256 of the binary.
const Label = "waypoint.entrypoint"

// Binary is an entrypoint for one architecture of linux.
type Binary struct {
	Content []byte
	// Digest is the SHA-256 of Content, in hex.
	Digest string
}

// Binaries finds the entrypoint for an architecture; Find does.
type Binaries func(architecture string) (*Binary, error)

// Command is what an image starts, as in its configuration.
type Command struct{ Entrypoint, Cmd []string }

// Done reports whether the command runs under the entrypoint already.
func (c Command) Done() bool { return len(c.Entrypoint) > 0 && c.Entrypoint[0] == Path }

// Empty says that the image starts nothing of itself.
func (c Command) Empty() bool { return len(c.Entrypoint) == 0 && len(c.Cmd) == 0 }

// Under is the command run under the entrypoint. CMD stays what it is, so that whoever replaces it still can.
func (c Command) Under() Command {
	return Command{Entrypoint: append([]string{Path}, c.Entrypoint...), Cmd: c.Cmd}
}

// Check refuses platforms that there is no entrypoint for. named is how messages call the image.
func Check(named, os, architecture string) error {
	if os == "linux" && (architecture == "amd64" || architecture == "arm64") {
		return nil
	}
	return &plugin.Error{
		Message: fmt.Sprintf("the image %s is for %s/%s, and the Waypoint entrypoint is only there for linux on amd64 and arm64", named, os, architecture),
		Hint:    "Set disable_entrypoint = true, or build for linux/amd64 or linux/arm64 (platform).",
	}
}

// Image gives the image with the entrypoint in it, and whether anything changed. labels are added besides.
func Image(named string, img v1.Image, find Binaries, labels map[string]string) (v1.Image, bool, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return nil, false, fmt.Errorf("reading the configuration of %s: %w", named, err)
	}
	command := Command{Entrypoint: file.Config.Entrypoint, Cmd: file.Config.Cmd}
	if command.Done() {
		return img, false, nil
	}
	if err := Check(named, file.OS, file.Architecture); err != nil {
		return nil, false, err
	}
	binary, err := find(file.Architecture)
	if err != nil {
		return nil, false, err
	}
	packed, err := binary.Layer()
	if err != nil {
		return nil, false, err
	}
	media, err := layerType(img)
	if err != nil {
		return nil, false, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil },
		tarball.WithMediaType(media))
	if err != nil {
		return nil, false, fmt.Errorf("packing the entrypoint: %w", err)
	}
	// The time is the image's own: what is put in adds no new one, so that the result does not change from run to run.
	img, err = mutate.Append(img, mutate.Addendum{
		Layer: layer, History: v1.History{Created: file.Created, CreatedBy: "COPY waypoint-entrypoint " + Path, Comment: "Waypoint"},
	})
	if err != nil {
		return nil, false, fmt.Errorf("adding the entrypoint to %s: %w", named, err)
	}
	if file, err = img.ConfigFile(); err != nil {
		return nil, false, err
	}
	file = file.DeepCopy()
	under := command.Under()
	file.Config.Entrypoint, file.Config.Cmd = under.Entrypoint, under.Cmd
	if file.Config.Labels == nil {
		file.Config.Labels = map[string]string{}
	}
	for name, value := range labels {
		file.Config.Labels[name] = value
	}
	file.Config.Labels[Label] = binary.Digest
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return nil, false, fmt.Errorf("setting the command of %s: %w", named, err)
	}
	return img, true, nil
}

// Index gives the index with the entrypoint in each of its images that there is one for; the others stay, so that
// nothing is lost. It fails if there is none at all.
func Index(named string, index v1.ImageIndex, find Binaries, labels map[string]string) (v1.ImageIndex, bool, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, false, fmt.Errorf("reading the index of %s: %w", named, err)
	}
	media, err := index.MediaType()
	if err != nil {
		return nil, false, err
	}
	out, changed, fits := mutate.IndexMediaType(empty.Index, media), false, 0
	var add []mutate.IndexAddendum
	for _, d := range manifest.Manifests {
		if !d.MediaType.IsImage() || d.Platform == nil || Check(named, d.Platform.OS, d.Platform.Architecture) != nil {
			kept, err := keep(index, d)
			if err != nil {
				return nil, false, fmt.Errorf("reading %s of %s: %w", d.Digest, named, err)
			}
			add = append(add, *kept)
			continue
		}
		fits++
		img, err := index.Image(d.Digest)
		if err != nil {
			return nil, false, fmt.Errorf("reading %s of %s: %w", d.Digest, named, err)
		}
		made, did, err := Image(named, img, find, labels)
		if err != nil {
			return nil, false, err
		}
		changed = changed || did
		// The digest and the size are the new image's; the rest of the descriptor is kept.
		add = append(add, mutate.IndexAddendum{Add: made, Descriptor: v1.Descriptor{
			Platform: d.Platform, Annotations: d.Annotations, URLs: d.URLs,
		}})
	}
	if fits == 0 {
		return nil, false, Check(named, "other systems", "architectures")
	}
	if !changed {
		return index, false, nil
	}
	out = mutate.AppendManifests(out, add...)
	if len(manifest.Annotations) > 0 {
		annotated, ok := mutate.Annotations(out, manifest.Annotations).(v1.ImageIndex)
		if !ok {
			return nil, false, fmt.Errorf("annotating the index of %s", named)
		}
		out = annotated
	}
	return out, true, nil
}

// keep takes a manifest over as it is.
func keep(index v1.ImageIndex, d v1.Descriptor) (*mutate.IndexAddendum, error) {
	a := &mutate.IndexAddendum{Descriptor: d}
	var err error
	if d.MediaType.IsIndex() {
		a.Add, err = index.ImageIndex(d.Digest)
	} else {
		a.Add, err = index.Image(d.Digest)
	}
	return a, err
}

// Layer is a tar archive with the binary alone: root's, executable, of no time, so that it is always the same.
func (b *Binary) Layer() ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: Path[1:], Mode: 0o755, Size: int64(len(b.Content)), Format: tar.FormatUSTAR,
	})
	if err == nil {
		_, err = w.Write(b.Content)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

// NewBinary is a binary with its digest.
func NewBinary(content []byte) *Binary {
	sum := sha256.Sum256(content)
	return &Binary{Content: content, Digest: hex.EncodeToString(sum[:])}
}

// layerType is how a further layer of the image is named: an image of the OCI's kind has only layers of that kind.
func layerType(img v1.Image) (types.MediaType, error) {
	media, err := img.MediaType()
	if err != nil {
		return "", err
	}
	if media == types.OCIManifestSchema1 {
		return types.OCILayer, nil
	}
	return types.DockerLayer, nil
}
