package about

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewerReleases(t *testing.T) {
	for content, want := range map[string]string{
		"0.1.0\n": "0.1.0", "v1.2.3": "1.2.3", // newer than a build of the tests, which has no version
		"": "has no version", "<html>": "has no version",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, latestFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		served := httptest.NewServer(http.FileServer(http.Dir(dir)))
		defer served.Close()
		for _, from := range []string{dir, served.URL, served.URL + "/"} {
			newer, err := newerRelease(t.Context(), "/", from)
			if err != nil {
				newer = err.Error()
			}
			if !strings.Contains(newer, want) {
				t.Errorf("%q from %s: %q, want %q", content, from, newer, want)
			}
		}
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	defer gone.Close()
	for _, from := range []string{gone.URL, "http://127.0.0.1:1", "nothere"} {
		if newer, err := newerRelease(t.Context(), t.TempDir(), from); err == nil || newer != "" || !strings.Contains(err.Error(), envReleases) {
			t.Errorf("%s: %q, %v", from, newer, err)
		}
	}
}
