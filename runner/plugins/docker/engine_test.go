//go:build docker

package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
)

// These tests run on the real engine: `make test-docker`. They need no image that would have to be pulled.

// TestMain says once what is missing, where there is no engine.
func TestMain(m *testing.M) {
	e, err := connect(context.Background(), nil, nil)
	if err != nil && os.Getenv(asAnotherUser) == "" {
		hint := ""
		if known := (*plugin.Error)(nil); errors.As(err, &known) {
			hint = known.Hint
		}
		fmt.Fprintf(os.Stderr, "These tests need a Docker engine: %v.\n%s\n`.ci/docker-engine make test-docker` installs Debian's, and starts it for the tests.\n", err, hint)
		os.Exit(1)
	}
	if err == nil {
		_ = e.Close()
	}
	os.Exit(m.Run())
}

// theEngine is the engine.
func theEngine(t *testing.T) *engine {
	t.Helper()
	e, err := connect(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// bins is where `make build` puts what goes into images.
func bins(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "..", "bin"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "waypoint-entrypoint-linux-arm64")); err != nil {
		t.Fatal("the entrypoints are missing: run `make build`")
	}
	return dir
}

// program is a static program for linux that images FROM scratch can start.
var program = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "app")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	source := `package main

import ("fmt"; "os"; "strconv"; "time")

func main() {
	fmt.Println("app", os.Args[1:], "WHO="+os.Getenv("WHO"))
	for i, a := range os.Args {
		switch a {
		case "exit":
			fmt.Fprintln(os.Stderr, "boom at line 7")
			code, _ := strconv.Atoi(os.Args[i+1])
			os.Exit(code)
		case "proxies":
			for _, v := range os.Environ() {
				fmt.Println(v)
			}
		case "stamp":
			os.WriteFile("/stamp", []byte(time.Now().Format(time.RFC3339Nano)), 0o644)
		}
	}
}
`
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "app"), filepath.Join(dir, "main.go"))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.New(string(out))
	}
	return os.ReadFile(filepath.Join(dir, "app"))
})

// contextOf makes an app's directory with the program as "app" and the files given.
func contextOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	content, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "app"), content, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, text)
	}
	return dir
}

// engineEnv is the surroundings of a component; what was made for its project goes with the test.
func engineEnv(t *testing.T, dir string) (*plugin.Call, *screen) {
	t.Helper()
	e := theEngine(t)
	env, ui := newEnv(t, dir)
	env.Project = strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())
	env.Entrypoint = filepath.Join(bins(t), "waypoint-entrypoint")
	env.Environ = append(env.Environ, "DOCKER_HOST="+os.Getenv("DOCKER_HOST"), "PATH="+os.Getenv("PATH"))
	t.Cleanup(func() {
		env := *env
		list, err := e.ImageList(context.Background(), client.ImageListOptions{Filters: client.Filters{}.Add("label", labelProject+"="+env.Project)})
		if err != nil {
			t.Error(err)
		}
		for _, item := range list.Items {
			_, _ = e.ImageRemove(context.Background(), item.ID, client.ImageRemoveOptions{Force: true, PruneChildren: true})
		}
	})
	return env, ui
}

// built runs the builder and gives the image.
func built(t *testing.T, env *plugin.Call, c BuilderConfig) (image.Image, *plugin.Result) {
	t.Helper()
	r, err := (&builder{config: c}).Build(t.Context(), env)
	if err != nil {
		t.Fatalf("%v\n%s", err, env.UI.(*screen).text(t))
	}
	i, ok := r.State.(image.Image)
	if !ok {
		t.Fatalf("the state is %T", r.State)
	}
	return i, r
}

func inspect(t *testing.T, e *engine, name string) client.ImageInspectResult {
	t.Helper()
	about, err := e.ImageInspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return about
}

// content is the image's file system as the engine gives it: names of files to what is in them.
func content(t *testing.T, e *engine, name string) map[string]string {
	t.Helper()
	all := mutate.Extract(saved(t, e, name))
	defer all.Close()
	files := map[string]string{}
	for r := tar.NewReader(all); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeSymlink {
			text = []byte("-> " + h.Linkname)
		}
		files[strings.TrimSuffix(h.Name, "/")] = string(text)
	}
}

func saved(t *testing.T, e *engine, name string) v1.Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := e.save(t.Context(), name, path); err != nil {
		t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// run starts the image and gives what it printed and its exit code.
func run(t *testing.T, e *engine, name string) (string, int64) {
	t.Helper()
	c, err := e.ContainerCreate(t.Context(), client.ContainerCreateOptions{Config: &container.Config{Image: name, Tty: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_, _ = e.ContainerRemove(context.Background(), c.ID, client.ContainerRemoveOptions{Force: true})
	}()
	if _, err := e.ContainerStart(t.Context(), c.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	wait := e.ContainerWait(t.Context(), c.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	var code int64
	select {
	case result := <-wait.Result:
		code = result.StatusCode
	case err := <-wait.Error:
		t.Fatal(err)
	}
	logs, err := e.ContainerLogs(t.Context(), c.ID, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	text, err := io.ReadAll(logs)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), code
}
