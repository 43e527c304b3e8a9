package e2e

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// oldData puts the data of a server of an earlier version in place of this world's; testdata/<version>/README.md says how it was made.
func (w *world) oldData(version string) {
	w.t.Helper()
	from := filepath.Join("testdata", version)
	if err := os.MkdirAll(w.data(), 0o700); err != nil {
		w.t.Fatal(err)
	}
	for _, name := range []string{"keys.json", "admin-token"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(w.data(), name), data, 0o600)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	file, err := os.Open(filepath.Join(from, "data.db.gz"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := io.ReadAll(unpacked)
	if err == nil {
		err = os.WriteFile(filepath.Join(w.data(), "data.db"), data, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestDataOfAnEarlierVersionIsReadAndGoesOn(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0c2378e", "0.1.0"} { // a commit before there were releases, and releases
		t.Run(version, func(t *testing.T) { goesOn(t, version) }) // one after the other: the app's stable port is the machine's
	}
}

func goesOn(t *testing.T, version string) {
	t.Helper()
	w := newWorld(t)
	w.oldData(version)
	w.startServer()
	dir := filepath.Join(w.dir, "shop")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	hcl := fmt.Sprintf(`project = "shop"

app "web" {
  labels = { tier = "front" }

  config {
    env = {
      FROM_FILE = "file"
    }
  }

  build {
    use "process" {}
  }

  deploy {
    use "process" {
      command = [%q, "e2e-serve"]
    }
  }
}
`, os.Args[0])
	if err := os.WriteFile(filepath.Join(dir, "waypoint.hcl"), []byte(hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, list := range []struct {
		args string
		want []string
		not  string
	}{
		{"project list", []string{"shop"}, ""},
		{"project inspect shop", []string{"web", "staging", "default"}, ""},
		{"job list", []string{"up", "succeeded"}, ""},
		{"artifact list-builds", []string{"v1", "v2"}, ""},
		{"artifact list", []string{"v1", "v2"}, ""},
		{"deployment list", []string{"v1", "v2"}, "v3"},
		{"release list", []string{"v1", "v2"}, "v3"},
		{"status", []string{"v2"}, "v3"},
		{"config get", []string{"PLAIN", "one", "SHARED", "three", "FROM_FILE", "file"}, ""},
		{"config get --runner", []string{"EVERYWHERE", "four"}, ""},
		{"token list", []string{"install", "ci", "local runner"}, ""},
		{"runner list", nil, ""},
	} {
		out := w.must(dir, strings.Fields(list.args)...)
		for _, want := range list.want {
			if !strings.Contains(out, want) {
				t.Errorf("waypoint %s does not show %s:\n%s", list.args, want, out)
			}
		}
		if list.not != "" && strings.Contains(out, list.not) {
			t.Errorf("waypoint %s shows %s:\n%s", list.args, list.not, out)
		}
	}
	out := w.must(dir, "up", "--plain")
	if !strings.Contains(out, "deployment v4") {
		t.Errorf("the app does not go on with deployment v4:\n%s", out)
	}
	if out := w.must(dir, "status"); !strings.Contains(out, "v4") {
		t.Errorf("waypoint status does not show v4:\n%s", out)
	}
	out = w.must(dir, "destroy", "--auto-approve", "--plain")
	if out := w.must(dir, "status"); strings.Contains(out, "v4") || strings.Contains(out, "v2") {
		t.Errorf("waypoint status shows what was destroyed:\n%s", out)
	}
	t.Log(out)
}
