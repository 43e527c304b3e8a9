package source

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

func gitSource(g *waypointv1.GitSource) *waypointv1.DataSource {
	return &waypointv1.DataSource{Source: &waypointv1.DataSource_Git{Git: g}}
}

func TestFetchFromFiles(t *testing.T) {
	h := newHistory(t)
	cases := map[string]struct {
		ref, path string
		overrides map[string]string
		want      string
		text      string
		fails     string
	}{
		"HEAD":                            {want: h.second, text: "two"},
		"a branch":                        {ref: "feature/x", want: h.branch, text: "branch"},
		"a tag":                           {ref: "v1.0", want: h.first, text: "one"},
		"a commit":                        {ref: h.first, want: h.first, text: "one"},
		"a short commit":                  {ref: h.first[:8], want: h.first, text: "one"},
		"a full branch":                   {ref: "refs/heads/feature/x", want: h.branch, text: "branch"},
		"the commit before":               {ref: "HEAD~1", want: h.first, text: "one"},
		"before a branch":                 {ref: "feature/x~1", want: h.first, text: "one"},
		"a reference of another kind":     {ref: "refs/pull/7/head", want: h.branch, text: "branch"},
		"a full branch that is not there": {ref: "refs/heads/nope", fails: `no branch, tag or commit "refs/heads/nope"`},
		"a reference that is not there":   {ref: "refs/pull/8/head", fails: `no branch, tag or commit`},
		"a commit that is not there":      {ref: strings.Repeat("ab", 20), fails: `no branch, tag or commit`},
		"an option as ref":                {ref: "--upload-pack=x", fails: "not a git reference"},
		"a full reference":                {ref: "refs/tags/v1.0", want: h.first, text: "one"},
		"an override":                     {overrides: map[string]string{"ref": "feature/x"}, want: h.branch, text: "branch"},
		"an unknown ref":                  {ref: "nope", fails: `no branch, tag or commit "nope"`},
		"a path that is not there":        {path: "other", fails: `no directory "other"`},
		"a path that leaves the source":   {path: "../x", fails: "'..'"},
		"an override that does not exist": {overrides: map[string]string{"reff": "x"}, fails: `no "reff"`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := c.path
			if path == "" {
				path = "app"
			}
			got, err := Fetch(t.Context(), Request{
				Source:    gitSource(&waypointv1.GitSource{Url: "file://" + h.dir, Ref: c.ref, Path: path}),
				Overrides: c.overrides, Dir: filepath.Join(t.TempDir(), "source"),
			})
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(got.Dir, "waypoint.hcl"))
			if err != nil || string(text) != c.text || got.Ref.GetCommit() != c.want {
				t.Fatalf("got %q at %s: %v", text, got.Ref.GetCommit(), err)
			}
			if got.Ref.GetCommitTimeUnix() != 1_700_000_000 || strings.Contains(got.Ref.GetCommitMessage(), "\n") {
				t.Fatalf("got %v", got.Ref)
			}
		})
	}
	t.Run("the source is left as it was", func(t *testing.T) {
		if head := runGit(t, h.dir, "rev-parse", "HEAD"); head != h.second {
			t.Fatal(head)
		}
	})
	t.Run("no repository", func(t *testing.T) {
		_, err := Fetch(t.Context(), Request{Source: gitSource(&waypointv1.GitSource{Url: "file://" + t.TempDir()}), Dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), "no git repository") {
			t.Fatal(err)
		}
	})
}

func TestFetchOverHTTP(t *testing.T) {
	h := newHistory(t)
	server := serveGit(t, filepath.Dir(h.dir), serving{user: "ada", password: "s3cret-word"})
	url := server.url + "/repo/.git"
	cases := map[string]struct {
		git   *waypointv1.GitSource
		fails string
	}{
		"with the right password": {git: &waypointv1.GitSource{Url: url, Username: "ada", Password: "s3cret-word"}},
		"with a wrong one":        {git: &waypointv1.GitSource{Url: url, Username: "ada", Password: "wrong"}, fails: "refused the credentials"},
		"without":                 {git: &waypointv1.GitSource{Url: url}, fails: "refused the credentials"},
		"in clear text":           {git: &waypointv1.GitSource{Url: "http://example.com/x", Password: "s3cret-word"}, fails: "clear text"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Fetch(t.Context(), Request{Source: gitSource(c.git), Dir: filepath.Join(t.TempDir(), "s")})
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) || strings.Contains(err.Error(), "s3cret") {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil || got.Ref.GetCommit() != h.second {
				t.Fatalf("got %v, %v", got, err)
			}
		})
	}
}

func TestLocal(t *testing.T) {
	h := newHistory(t)
	local := &waypointv1.DataSource{Source: &waypointv1.DataSource_Local{Local: &waypointv1.LocalSource{}}}
	fetch := func(t *testing.T) *Fetched {
		t.Helper()
		got, err := Fetch(t.Context(), Request{Source: local, LocalDir: h.dir})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	t.Run("is used in place, with its commit", func(t *testing.T) {
		if got := fetch(t); got.Dir != h.dir || !got.Local || got.Ref.GetCommit() != h.second || got.Ref.GetDirty() {
			t.Fatalf("got %+v", got)
		}
	})
	t.Run("says that it has changes", func(t *testing.T) {
		if err := os.WriteFile(filepath.Join(h.dir, "new"), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := fetch(t); !got.Ref.GetDirty() {
			t.Fatalf("got %+v", got)
		}
	})
	t.Run("has no commit outside git", func(t *testing.T) {
		got, err := Fetch(t.Context(), Request{Source: local, LocalDir: t.TempDir()})
		if err != nil || got.Ref != nil {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
	for name, r := range map[string]Request{
		"cannot be reached by another runner": {Source: local},
		"has nothing to override":             {Source: local, LocalDir: h.dir, Overrides: map[string]string{"ref": "x"}},
		"must be there":                       {Source: local, LocalDir: filepath.Join(h.dir, "missing")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Fetch(t.Context(), r)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestOverrideOfTheURLForgetsCredentialsOfAnotherHost(t *testing.T) {
	stored := &waypointv1.GitSource{Url: "https://github.com/a/b", Username: "u", Password: "p", PrivateKeyPem: "k"}
	cases := map[string]struct {
		overrides map[string]string
		password  string
	}{
		"same host":            {map[string]string{"url": "https://github.com/c/d"}, "p"},
		"another host":         {map[string]string{"url": "https://evil.example/a/b"}, ""},
		"another scheme":       {map[string]string{"url": "http://github.com/a/b"}, ""},
		"with credentials too": {map[string]string{"url": "https://other.example/a", "password": "q"}, "q"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := override(stored, c.overrides)
			if err != nil || got.GetPassword() != c.password || stored.GetPassword() != "p" {
				t.Fatalf("got %v, %v", got, err)
			}
		})
	}
}

func TestCanceledFetchEnds(t *testing.T) {
	block := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-block:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(block)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Fetch(ctx, Request{Source: gitSource(&waypointv1.GitSource{Url: server.URL}), Dir: t.TempDir()}); err == nil {
		t.Fatal("no error")
	}
}
