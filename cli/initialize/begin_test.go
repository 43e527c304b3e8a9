package initialize

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/cli/shelltest"
	"github.com/waypoint-serverless/waypoint/runner/plugins/builtin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process"
)

// begun runs the generator for a person who types answers, in a directory with the files.
func begun(t *testing.T, answers string, files map[string]string) (shown, written string, found bool) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := shelltest.Env(t)
	var out bytes.Buffer
	env.In, env.Err, env.Dir, env.InTTY, env.ErrTTY = strings.NewReader(answers), &out, dir, true, true
	found, err := begin(shell.New(shell.Deps{Env: env, Catalog: func() *catalog.Catalog { return builtin.Catalog(process.Options{}) }}))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "waypoint.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), string(text), found
}

func TestInitAsksWhatIsNotClear(t *testing.T) {
	shown, written, found := begun(t, "my shop\nshop\nfront\n9\n2\n", map[string]string{
		"Dockerfile": "FROM scratch\nEXPOSE 80\n", "go.mod": "module x", "main.go": "package main",
	})
	if !found || !strings.Contains(written, `project = "shop"`) || !strings.Contains(written, `app "front" {`) || !strings.Contains(written, `use "process" {`) {
		t.Errorf("%s\n%s", shown, written)
	}
	for _, text := range []string{"not a valid project name", "1. docker", "2. process", "from 1 to 2"} {
		if !strings.Contains(shown, text) {
			t.Errorf("%q is not said:\n%s", text, shown)
		}
	}
}

func TestInitTakesWhatIsInBrackets(t *testing.T) {
	shown, written, found := begun(t, "\n\n\n", map[string]string{"Dockerfile": "FROM scratch\n"})
	if !found || !strings.Contains(written, `use "docker" {}`) || strings.Contains(written, "registry") {
		t.Errorf("%s\n%s", shown, written)
	}
}

func TestInitWritesTheRegistryThatIsNamed(t *testing.T) {
	shown, written, _ := begun(t, "\n\nghcr.io/acme/shop:v1\nghcr.io/acme/shop\n", map[string]string{"Dockerfile": "FROM scratch\n"})
	if !strings.Contains(written, `image = "ghcr.io/acme/shop"`) || !strings.Contains(written, "gitrefpretty()") || !strings.Contains(shown, "a tag") {
		t.Errorf("%s\n%s", shown, written)
	}
}

func TestInitBeginsWhereNothingIs(t *testing.T) {
	_, written, found := begun(t, "\n", nil)
	if found || !strings.Contains(written, `app "web"`) {
		t.Error(written)
	}
}

func TestInitShowsWhatItFoundBeforeItAsks(t *testing.T) {
	shown, written, _ := begun(t, "\n\n\n\n", map[string]string{
		"compose.yaml": "services: {web: {build: ., environment: {A: b}}, db: {image: postgres}}", "Dockerfile": "FROM scratch\nEXPOSE 53/udp 8081\n", ".env": "A=b",
	})
	found, asked := strings.Index(shown, "service web of compose.yaml: an image, run as a container that listens on port 8081"), strings.Index(shown, "Name of the project")
	if left := strings.Index(shown, "were left out: db (postgres)"); found < 0 || left < found || asked < left {
		t.Errorf("the order is %d %d %d:\n%s", found, left, asked, shown)
	}
	for _, text := range []string{"`waypoint config set -env-file .env`", "has no .dockerignore: the build of web can see .env"} {
		if !strings.Contains(shown, text) {
			t.Errorf("%q is not said:\n%s", text, shown)
		}
	}
	if !strings.Contains(written, "# - compose.yaml: services without `build` are not apps, and were left out: db (postgres).") {
		t.Error(written)
	}
}

func TestInitWritesAndShowsWhatIsIgnored(t *testing.T) {
	shown, _, found := begun(t, "\n\n\n", map[string]string{"index.html": "", ".env": "A=b"})
	if !found || !strings.Contains(shown, ".waypointignore has been written:") || !strings.Contains(shown, "    .env\n    waypoint.hcl") {
		t.Error(shown)
	}
}
