package inject

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

var binaries = map[string]*Binary{"amd64": NewBinary([]byte("program of amd64")), "arm64": NewBinary([]byte("program of arm64"))}

func find(architecture string) (*Binary, error) { return binaries[architecture], nil }

// base is an image of two layers; its layers and time are the same each time for one seed.
func base(t *testing.T, os, architecture string, entrypoint, cmd []string, oci bool) v1.Image {
	t.Helper()
	img, err := random.Image(1000, 2)
	if err != nil {
		t.Fatal(err)
	}
	if oci {
		img = mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = os, architecture, v1.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	file.Config.Entrypoint, file.Config.Cmd, file.Config.User = entrypoint, cmd, "1000"
	file.Config.Labels = map[string]string{"who": "me"}
	if img, err = mutate.ConfigFile(img, file); err != nil {
		t.Fatal(err)
	}
	return img
}

func config(t *testing.T, img v1.Image) *v1.ConfigFile {
	t.Helper()
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTheImagesOwnCommandRunsUnderTheEntrypoint(t *testing.T) {
	cases := map[string]struct{ entrypoint, cmd, wantEntrypoint, wantCmd []string }{
		"ENTRYPOINT and CMD": {[]string{"/app"}, []string{"serve"}, []string{Path, "/app"}, []string{"serve"}},
		"ENTRYPOINT alone":   {[]string{"/app", "-v"}, nil, []string{Path, "/app", "-v"}, nil},
		"CMD alone":          {nil, []string{"/app", "serve"}, []string{Path}, []string{"/app", "serve"}},
		"neither":            {nil, nil, []string{Path}, nil},
	}
	for name, c := range cases {
		for _, oci := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				from := base(t, "linux", "arm64", c.entrypoint, c.cmd, oci)
				img, changed, err := Image("web", from, find, map[string]string{"waypoint.app": "web"})
				if err != nil || !changed {
					t.Fatal(changed, err)
				}
				stored(t, img)
				got, was := config(t, img), config(t, from)
				if !slices.Equal(got.Config.Entrypoint, c.wantEntrypoint) || !slices.Equal(got.Config.Cmd, c.wantCmd) {
					t.Errorf("got %q %q", got.Config.Entrypoint, got.Config.Cmd)
				}
				if got.Config.User != "1000" || got.Config.Labels["who"] != "me" || got.Config.Labels["waypoint.app"] != "web" ||
					got.Config.Labels[Label] != binaries["arm64"].Digest || !got.Created.Equal(was.Created.Time) {
					t.Errorf("got %+v", got.Config)
				}
				if !slices.Equal(got.RootFS.DiffIDs[:2], was.RootFS.DiffIDs) || len(got.RootFS.DiffIDs) != 3 {
					t.Errorf("layers %v, were %v", got.RootFS.DiffIDs, was.RootFS.DiffIDs)
				}
				if content, mode := fileIn(t, img, "waypoint-entrypoint"); content != "program of arm64" || mode != 0o755 {
					t.Errorf("the image has %q with mode %o", content, mode)
				}
				again, changed, err := Image("web", img, find, nil)
				if err != nil || changed || digest(t, again) != digest(t, img) {
					t.Errorf("a second injection changed the image: %v, %v", changed, err)
				}
				same, _, err := Image("web", from, find, map[string]string{"waypoint.app": "web"})
				if err != nil || digest(t, same) != digest(t, img) {
					t.Errorf("the same image and binary made %s and %s, %v", digest(t, img), digest(t, same), err)
				}
			})
		}
	}
}

func TestOtherSystemsAreRefused(t *testing.T) {
	for _, p := range [][2]string{{"linux", "s390x"}, {"windows", "amd64"}} {
		_, _, err := Image("web:1", base(t, p[0], p[1], nil, []string{"x"}, false), find, nil)
		var known *plugin.Error
		if !errors.As(err, &known) || !strings.Contains(known.Message, "web:1 is for "+p[0]+"/"+p[1]) || !strings.Contains(known.Hint, "disable_entrypoint") {
			t.Errorf("got %v", err)
		}
	}
}

func TestAnIndexKeepsItsOtherPlatforms(t *testing.T) {
	all := map[string]v1.Image{}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, architecture := range []string{"amd64", "arm64", "s390x"} {
		img := base(t, "linux", architecture, []string{"/app"}, nil, true)
		all[architecture] = img
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: architecture}, Annotations: map[string]string{"of": architecture},
		}})
	}
	attestation := base(t, "unknown", "unknown", nil, nil, true)
	index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: attestation, Descriptor: v1.Descriptor{
		Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
	}})
	made, changed, err := Index("web", index, find, nil)
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	at := repository(t)
	if err := remote.WriteIndex(at, made); err != nil {
		t.Fatal(err)
	}
	back, err := remote.Index(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(back); err != nil {
		t.Error(err)
	}
	manifest, err := made.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 4 {
		t.Fatalf("got %d manifests", len(manifest.Manifests))
	}
	for _, d := range manifest.Manifests {
		img, err := made.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		switch a := d.Platform.Architecture; a {
		case "amd64", "arm64":
			if content, _ := fileIn(t, img, "waypoint-entrypoint"); content != "program of "+a || d.Annotations["of"] != a {
				t.Errorf("%s has %q, %v", a, content, d.Annotations)
			}
		case "s390x":
			if digest(t, img) != digest(t, all[a]) || d.Annotations["of"] != a {
				t.Errorf("%s was changed", a)
			}
		default:
			if digest(t, img) != digest(t, attestation) {
				t.Errorf("%s was changed", a)
			}
		}
	}
	again, changed, err := Index("web", made, find, nil)
	if err != nil || changed {
		t.Fatal(changed, err)
	}
	one, _ := made.Digest()
	if two, _ := again.Digest(); one != two {
		t.Error("a second injection changed the index")
	}
}

func TestABinaryThatWouldNotStartIsRefused(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	put := func(architecture string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, "waypoint-entrypoint-linux-"+architecture), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	look := Find(&plugin.Call{Env: plugin.Env{Entrypoint: filepath.Join(dir, "waypoint-entrypoint")}})
	if _, err := look("arm64"); err == nil || !strings.Contains(err.Error(), "carries no waypoint-entrypoint for linux/arm64") {
		t.Errorf("none there: %v", err)
	}
	put("arm64", []byte("#!/bin/sh\n"))
	if _, err := look("arm64"); err == nil || !strings.Contains(err.Error(), "not a program of linux") {
		t.Errorf("a script: %v", err)
	}
	if runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
		put("arm64", content)
		if _, err := look("arm64"); err == nil || !strings.Contains(err.Error(), "not for arm64") {
			t.Errorf("of another machine: %v", err)
		}
	}
}

// repository is a tag of a registry that is there for the test alone.
func repository(t *testing.T) name.Tag {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	tag, err := name.NewTag(strings.TrimPrefix(server.URL, "http://") + "/web:1")
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

// stored checks that a registry takes the image and gives it back whole.
func stored(t *testing.T, img v1.Image) {
	t.Helper()
	at := repository(t)
	if err := remote.Write(at, img); err != nil {
		t.Fatal(err)
	}
	back, err := remote.Image(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(back); err != nil {
		t.Error(err)
	}
	if digest(t, back) != digest(t, img) {
		t.Errorf("stored as %s, was %s", digest(t, back), digest(t, img))
	}
}

func digest(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// fileIn reads a file of the image's whole file system.
func fileIn(t *testing.T, img v1.Image, name string) (string, int64) {
	t.Helper()
	all := mutate.Extract(img)
	defer all.Close()
	for r := tar.NewReader(all); ; {
		h, err := r.Next()
		if err == io.EOF {
			return "", 0
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name == name {
			var out bytes.Buffer
			if _, err := io.Copy(&out, r); err != nil {
				t.Fatal(err)
			}
			return out.String(), h.Mode
		}
	}
}
