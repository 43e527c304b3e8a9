//go:build docker

package e2e

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/moby/client"
	"google.golang.org/protobuf/encoding/protojson"
)

const registryPassword = "q7registry8pswordfish"

// imageHCL builds with a Dockerfile and pushes; the deployment only says what it was given.
const imageHCL = `project = "%[1]s"
%[3]s
variable "password" {
  type      = string
  sensitive = true
}
app "web" {
  build {
    use "docker" {
      build_args = { WHO = "e2e" }
    }
    registry {
      use "docker" {
        image    = "%[2]s/acme/%[1]s"
        tag      = "1.0"
        username = "acme-bot"
        password = var.password
      }
    }
  }
  deploy {
    use "exec" {
      command = ["echo", "deploying", artifact.name, artifact.digest]
    }
  }
}
`

// A Dockerfile is built, gets the entrypoint, and arrives in a registry that wants credentials, from this directory and
// from git; the credentials stand nowhere.
func TestDocker_UpBuildsAndPushes(t *testing.T) {
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "acme-bot" || password != registryPassword {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			http.Error(w, "who is there?", http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")

	w := newWorld(t)
	w.startServer()
	w.startRunner("r1")
	var said strings.Builder
	for _, remoteRun := range []bool{false, true} {
		project, source := "image-local", ""
		dir := filepath.Join(w.dir, "projects", project)
		if remoteRun {
			project = "image-git"
			dir = filepath.Join(w.dir, "projects", project)
			source = fmt.Sprintf("runner {\n  enabled = true\n  data_source \"git\" {\n    url = \"file://%s\"\n  }\n}\n", dir)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "app"), "../examples/hello/main.go")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for name, text := range map[string]string{
			"waypoint.hcl": fmt.Sprintf(imageHCL, project, host, source),
			"Dockerfile":   "FROM scratch\nARG WHO\nLABEL who=$WHO\nCOPY app /app\nENTRYPOINT [\"/app\"]\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if remoteRun {
			w.commit(dir)
		}
		said.WriteString(w.must(dir, "init"))
		up := w.must(dir, "up", "-var", "password="+registryPassword)
		said.WriteString(up)
		t.Cleanup(func() { removeProjectImages(t, project) })

		ref, err := name.ParseReference(host + "/acme/" + project + ":1.0")
		if err != nil {
			t.Fatal(err)
		}
		found, err := remote.Get(ref, remote.WithAuth(&authn.Basic{Username: "acme-bot", Password: registryPassword}))
		if err != nil {
			t.Fatalf("%v\n%s", err, up)
		}
		img, err := found.Image()
		if err != nil {
			t.Fatal(err)
		}
		file, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(file.Config.Entrypoint, " "); got != "/waypoint-entrypoint /app" || file.Config.Labels["who"] != "e2e" || file.Config.Labels["waypoint.project"] != project {
			t.Errorf("the registry's image runs %q, labels %v", got, file.Config.Labels)
		}
		if want := fmt.Sprintf("deploying %s %s", ref, found.Digest); !strings.Contains(up, want) {
			t.Errorf("%q is not in\n%s", want, up)
		}
		again := w.must(dir, "up", "-var", "password="+registryPassword)
		if !strings.Contains(again, found.Digest.String()) {
			t.Errorf("unchanged, and not %s:\n%s", found.Digest, again)
		}
		record, err := protojson.Marshal(w.latestJob(project))
		if err != nil {
			t.Fatal(err)
		}
		said.WriteString(again)
		said.Write(record)
		// A refused password is explained, and not shown either.
		out, err := w.waypoint(dir, "up", "-var", "password=wrong-"+registryPassword)
		if err == nil || !strings.Contains(out, "refused the credentials of the user \"acme-bot\"") {
			t.Errorf("got %v\n%s", err, out)
		}
		said.WriteString(out)
	}
	expectNone(t, "what the commands print and jobs record", []byte(said.String()), []string{registryPassword})
	if err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		expectNone(t, strings.TrimPrefix(path, w.dir), text, []string{registryPassword})
		return err
	}); err != nil {
		t.Error(err)
	}
}

// removeProjectImages takes away what the test left in the engine.
func removeProjectImages(t *testing.T, project string) {
	t.Helper()
	engine, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	ctx := context.Background() // the test's has ended
	list, err := engine.ImageList(ctx, client.ImageListOptions{Filters: client.Filters{}.Add("label", "waypoint.project="+project)})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range list.Items {
		_, _ = engine.ImageRemove(ctx, item.ID, client.ImageRemoveOptions{Force: true, PruneChildren: true})
	}
}
