//go:build docker

package e2e

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/moby/moby/client"
)

const taggedHCL = `project = "%[1]s"

app "web" {
  build {
    use "docker-pull" {
      image              = "%[2]s/acme/hello"
      tag                = "stable"
      disable_entrypoint = true
    }
  }

  deploy {
    use "docker" {
      networks     = ["%[1]s"]
      service_port = 8080
    }
  }
}
`

// helloImage is the program of examples/docker in an image with a label.
func helloImage(t *testing.T, label string) v1.Image {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "hello"), ".")
	build.Dir, build.Env = "../examples/docker", append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	packed := filepath.Join(dir, "layer.tar")
	if out, err := exec.Command("tar", "-C", dir, "-cf", packed, "hello").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	layer, err := tarball.LayerFromFile(packed)
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: runtime.GOARCH, OS: "linux", RootFS: must(t)(img.ConfigFile()).RootFS,
		Config: v1.Config{Entrypoint: []string{"/hello"}, Labels: map[string]string{"version": label}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func must(t *testing.T) func(f *v1.ConfigFile, err error) *v1.ConfigFile {
	return func(f *v1.ConfigFile, err error) *v1.ConfigFile {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
}

// removePulled removes the images that were pulled from a registry of the test.
func (e engine) removePulled(host string) {
	ctx := context.Background() // the test's has ended
	list, err := e.ImageList(ctx, client.ImageListOptions{All: true})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, image := range list.Items {
		if slices.ContainsFunc(slices.Concat(image.RepoTags, image.RepoDigests), func(ref string) bool { return strings.HasPrefix(ref, host+"/") }) {
			if _, err := e.ImageRemove(ctx, image.ID, client.ImageRemoveOptions{Force: true, PruneChildren: true}); err != nil {
				e.t.Error(err)
			}
		}
	}
}

// A tag that was moved, and a container that died, are deployed again; nothing else is.
func TestDocker_UpToDate(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	ref, err := name.ParseReference(host + "/acme/hello:stable")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, helloImage(t, "1")); err != nil {
		t.Fatal(err)
	}
	w, e := newWorld(t), theEngine(t)
	w.startServer()
	project := "tagged-" + filepath.Base(w.dir)
	dir := filepath.Join(w.dir, "p")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w.write(filepath.Join(dir, "waypoint.hcl"), fmt.Sprintf(taggedHCL, project, host))
	t.Cleanup(func() {
		e.clear(project)
		e.removePulled(host)
	})
	up := func(what, want string) {
		t.Helper()
		if out := w.must(dir, "up"); !strings.Contains(out, want) {
			t.Fatalf("%s: %q is expected:\n%s", what, want, out)
		}
	}
	up("the first", "deployment v1 (docker)")
	up("the second", "web is up to date (v1)")
	if err := remote.Write(ref, helloImage(t, "2")); err != nil {
		t.Fatal(err)
	}
	up("a tag that was moved", "deployment v2 (docker)")
	up("the moved tag again", "web is up to date (v2)")
	list, err := e.ContainerList(context.Background(), client.ContainerListOptions{Filters: ofProject(project)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Items {
		if _, err := e.ContainerRemove(context.Background(), c.ID, client.ContainerRemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	up("a container that is gone", "deployment v3 (docker)")
	up("the new container again", "web is up to date (v3)")
	w.must(dir, "destroy", "-auto-approve")
}
