package initialize

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/cli/shelltest"
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
	found, err := begin(shell.New(shell.Deps{Env: env}))
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
	for _, text := range []string{"not a valid project name", "1. docker", "2. process", "3. pack", "from 1 to 3"} {
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
