package deferred_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/config/deferred"
	"github.com/waypoint-serverless/waypoint/internal/config/functions"
)

// TestTemplatesOfARealFile evaluates what package config defers.
func TestTemplatesOfARealFile(t *testing.T) {
	src, err := os.ReadFile("../testdata/valid/09-config.hcl")
	if err != nil {
		t.Fatal(err)
	}
	f, _ := config.Parse(src, "waypoint.hcl")
	p, diags := f.Project(config.Input{ProjectDir: "../testdata"})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	entries, diags := p.Apps[0].ConfigEntries()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	values := deferred.Values{Internal: map[string]string{"user": "bob"}, Env: map[string]string{"SET_ELSEWHERE": "x${y}"}}
	want := map[string]string{
		"DATABASE_URL": "postgres://bob:s3cr3t-value@db/web",
		"FROM_SERVER":  "x${y}",
		"app.ini":      "user=bob\nlist=A,B\n",
	}
	for _, e := range entries {
		if e.Template == "" {
			continue
		}
		got, err := deferred.Evaluate(e.Template, values, functions.Env{})
		if err != nil || got != want[e.Name] {
			t.Errorf("%s: %s gives %q, %v; want %q", e.Name, e.Template, got, err, want[e.Name])
		}
		delete(want, e.Name)
	}
	if len(want) > 0 {
		t.Errorf("not deferred: %v", want)
	}
}

func TestRefs(t *testing.T) {
	refs, err := deferred.Refs(`${upper(config.internal.a)}-${config.env["B"]}-${[for x in [1] : x][0]}`)
	if err != nil || !slices.Equal(refs, []string{"internal.a", "env.B"}) {
		t.Error(refs, err)
	}
}

func TestErrorsShowNoValue(t *testing.T) {
	v := deferred.Values{Internal: map[string]string{"s": "topsecret"}}
	for _, template := range []string{`${parseint(config.internal.s, 10)}`, `${config.internal.nope}`, `${`, `${file(config.internal.s)}`, `${[config.internal.s]}`, `${null}`, `${gitrefhash()}`} {
		if got, err := deferred.Evaluate(template, v, functions.Env{}); err == nil || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %q, %v", template, got, err)
		}
	}
}
