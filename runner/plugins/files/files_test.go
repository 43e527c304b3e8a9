package files

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
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
	env := &plugin.Call{Host: plugin.Host{UI: ui(t)}, Env: plugin.Env{Dir: app, ProjectDir: project}}
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
	env := &plugin.Call{Host: plugin.Host{UI: ui(t)}, Env: plugin.Env{Dir: t.TempDir()}}
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

// A second release replaces the first one's files, with their modes; what only the target has stays, and a release that
// cannot be made changes nothing.
func TestAPushReplacesAndNeverLeavesHalfARelease(t *testing.T) {
	from, store := t.TempDir(), t.TempDir()
	put := func(path, content string, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	push := func() error {
		raw, _ := json.Marshal(state{Path: from})
		r := Definition().Registry()
		r.Config().(*RegistryConfig).Path = store
		_, err := r.Push(t.Context(), &plugin.Call{Host: plugin.Host{UI: ui(t)}, Env: plugin.Env{Dir: from, ProjectDir: from}}, &plugin.Artifact{Plugin: "files", State: raw})
		return err
	}
	put(filepath.Join(store, "uploaded"), "theirs", 0o600)
	put(filepath.Join(from, "a"), "1", 0o644)
	put(filepath.Join(from, "run.sh"), "1", 0o644)
	if err := push(); err != nil {
		t.Fatal(err)
	}
	put(filepath.Join(from, "a"), "2", 0o644)
	put(filepath.Join(from, "run.sh"), "1", 0o755)
	if err := push(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(store, "run.sh")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o755 {
		t.Errorf("after chmod the copy has %v, %v", info.Mode(), err)
	}
	put(filepath.Join(from, "a"), "3", 0o644)
	if err := os.Symlink("../outside", filepath.Join(from, "z")); err != nil {
		t.Skipf("symbolic links cannot be made here: %v", err)
	}
	if err := push(); err == nil {
		t.Error("a link that leads out was copied")
	}
	for name, want := range map[string]string{"a": "2", "run.sh": "1", "uploaded": "theirs"} {
		if got, err := os.ReadFile(filepath.Join(store, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
	if entries, err := os.ReadDir(store); err != nil || len(entries) != 3 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}
