package files

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/output"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// ui is a real output that nobody reads.
func ui(t *testing.T) *output.Writer {
	w := output.New(t.Context(), output.Options{Append: func(_ context.Context, n int64, _ []*waypointv1.OutputEvent) (int64, error) { return n + 1, nil }})
	t.Cleanup(func() { _ = w.Close(context.Background()) })
	return w
}

func TestBuildThenPushCopiesWhatIsNotIgnored(t *testing.T) {
	project, store := t.TempDir(), filepath.Join(t.TempDir(), "store")
	app := filepath.Join(project, "web")
	for name, content := range map[string]string{"public/index.html": "hi", "public/x.log": "no", "public/.waypointignore": "*.log"} {
		path := filepath.Join(app, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := &plugin.Env{UI: ui(t), Dir: app, ProjectDir: project}
	b := Definition().Builder()
	b.Config().(*BuilderConfig).Path = "public"
	built, err := b.Build(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	if built.Portable || built.Template["path"] != filepath.Join(app, "public") {
		t.Fatalf("got %+v", built)
	}
	raw, _ := json.Marshal(built.State)
	r := Definition().Registry()
	r.Config().(*RegistryConfig).Path = store
	pushed, err := r.Push(t.Context(), env, &plugin.Artifact{Plugin: "files", State: raw})
	if err != nil {
		t.Fatal(err)
	}
	if pushed.Template["path"] != store {
		t.Fatalf("got %+v", pushed)
	}
	if _, err := os.Stat(filepath.Join(store, "index.html")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(store, "x.log")); err == nil {
		t.Fatal("an ignored file was copied")
	}
}

func TestWhatIsNoDirectoryIsRefused(t *testing.T) {
	env := &plugin.Env{UI: ui(t), Dir: t.TempDir()}
	b := Definition().Builder()
	b.Config().(*BuilderConfig).Path = "missing"
	if _, err := b.Build(t.Context(), env); err == nil {
		t.Fatal("a missing directory was accepted")
	}
	r := Definition().Registry()
	if _, err := r.Push(t.Context(), env, &plugin.Artifact{Plugin: "docker-ref", State: []byte(`{"image":"x"}`)}); err == nil {
		t.Fatal("an image was accepted as a directory")
	}
}
