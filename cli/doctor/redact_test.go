package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatLooksSecretIsRemoved(t *testing.T) {
	r := newRedactor()
	r.addEnvironment([]string{"PATH=/usr/bin", "DB_PASSWORD=MARKER-known", "WP_VAR_port=MARKER-var"})
	r.addConfigured("short", "MARKER-configured")
	for _, text := range []string{
		"it said MARKER-known and MARKER-var and MARKER-configured",
		"https://user:MARKER@example.com/path", "postgres://MARKER@h/db", "redis://:MARKER@h",
		"wp_user_MARKER0123456789", "AKIA0MARKER000000000", "ghp_MARKER0123456789", "eyJMARKERMARKER.eyJhIjoiYiJ9.MARKER",
		"-----BEGIN OPENSSH PRIVATE KEY-----\nMARKER\n-----END OPENSSH PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nMARKER",
		"API_TOKEN=MARKER", `API_TOKEN = "MARKER with spaces"`, `{"client_secret": "MARKER\" quoted"}`, "password: 'MARKER with spaces'",
		"Authorization: Bearer MARKER", "authorization: Basic MARKER==", `msg="a \"token\": \"MARKER\""`, "--token=MARKER", "aws_secret_access_key = MARKER",
	} {
		if got := r.text(text); strings.Contains(got, "MARKER") {
			t.Errorf("%q became %q", text, got)
		}
	}
	for _, text := range []string{
		"no token was given", "this line stays, with the word password in it", "the job 01M8K5VHKQ06KS48A8QDMYKN71 failed",
		"https://example.com/a@b", "git@github.com:owner/repo.git", "short",
	} {
		if got := r.text(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestTheTailOfALogBeginsWithAWholeLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("first line\nsecond\nthird\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for most, want := range map[int64]string{100: "first line\nsecond\nthird\n", 15: "second\nthird\n", 7: "third\n", 3: ""} {
		if got, err := tailOf(path, most); err != nil || string(got) != want {
			t.Errorf("the last %d bytes: %q, %v; want %q", most, got, err, want)
		}
	}
}
