package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestArchivesHoldTheirFilesAndNothingOfTheMachine(t *testing.T) {
	files := []member{{"waypoint", 0o755, []byte("program")}, {"LICENSE", 0o644, []byte("text")}}
	var tarred, again, zipped bytes.Buffer
	for _, err := range []error{writeTar(&tarred, files), writeTar(&again, files), writeZip(&zipped, files)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(tarred.Bytes(), again.Bytes()) {
		t.Error("two archives of the same files differ")
	}
	unpacked, err := gzip.NewReader(&tarred)
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(unpacked)
	for _, f := range files {
		h, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil || h.Name != f.name || h.Mode != int64(f.mode) || !bytes.Equal(content, f.content) {
			t.Errorf("%+v, %v", h, err)
		}
		if !h.ModTime.Equal(oldest()) || h.Uid != 0 || h.Uname != "" {
			t.Errorf("the archive tells of the machine: %+v", h)
		}
	}
	z, err := zip.NewReader(bytes.NewReader(zipped.Bytes()), int64(zipped.Len()))
	if err != nil || len(z.File) != 2 || z.File[0].Name != "waypoint" || z.File[0].Mode() != 0o755 {
		t.Fatal(z, err)
	}
}

func TestSumsAreWhatSha256sumChecks(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"b": "two", "a": "one", sumsFile: "old"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeSums(dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, sumsFile))
	want := fmt.Sprintf("%x  a\n%x  b\n", sha256.Sum256([]byte("one")), sha256.Sum256([]byte("two")))
	if err != nil || string(got) != want {
		t.Fatalf("%s, %v", got, err)
	}
}
