package release

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

func packed(t *testing.T, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestExtractedEntrypointIsWholeAndExecutable(t *testing.T) {
	dir, content := filepath.Join(t.TempDir(), "not", "there", "yet"), bytes.Repeat([]byte("program"), 100_000)
	pack := packed(t, content)
	var unpacked sync.Map
	unpack := func() ([]byte, bool) { unpacked.Store(new(int), true); return content, true }

	// Many start at once: each gets a whole file.
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			path, err := extract(dir, pack, unpack)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	group.Wait()
	path, err := extract(dir, pack, func() ([]byte, bool) { t.Error("unpacked again"); return nil, false })
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o755 {
		t.Fatal(info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Fatalf("files left over: %v, %v", left, err)
	}
}

func TestExtractReplacesACutFileAndKeepsOtherReleases(t *testing.T) {
	dir := t.TempDir()
	one, err := extract(dir, packed(t, []byte("one")), func() ([]byte, bool) { return []byte("one"), true })
	if err != nil {
		t.Fatal(err)
	}
	two, err := extract(dir, packed(t, []byte("two")), func() ([]byte, bool) { return []byte("two"), true })
	if err != nil || one == two {
		t.Fatal(one, two, err)
	}
	if err := os.WriteFile(one, []byte("o"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := extract(dir, packed(t, []byte("one")), func() ([]byte, bool) { return []byte("one"), true }); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{one: "one", two: "two"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

func TestExtractRefusesADamagedPackage(t *testing.T) {
	if path, err := extract(t.TempDir(), nil, func() ([]byte, bool) { return nil, false }); err == nil {
		t.Fatalf("%s was extracted", path)
	}
}
