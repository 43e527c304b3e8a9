package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/internal/config"
)

func TestNestedPipelinesOfOneNameAreAWarning(t *testing.T) {
	src, err := os.ReadFile("testdata/60-nested-pipelines-of-one-name.hcl")
	if err != nil {
		t.Fatal(err)
	}
	f, diags := config.Parse(src, "waypoint.hcl")
	if diags.HasErrors() || len(diags) != 1 || diags[0].Severity != hcl.DiagWarning || !strings.Contains(diags[0].Detail, "The later one replaces the earlier") {
		t.Error(render(f, diags))
	}
	_, diags = config.Parse(append(src, []byte("pipeline \"b\" {\n  step \"s\" {\n    use \"build\" {}\n  }\n}\n")...), "waypoint.hcl")
	if !diags.HasErrors() {
		t.Error("two pipelines of one name at the top level are accepted")
	}
}

func TestAReleaseWithoutANameIsNone(t *testing.T) {
	src, err := os.ReadFile("testdata/60-nested-pipelines-of-one-name.hcl")
	if err != nil {
		t.Fatal(err)
	}
	f, _ := config.Parse(src, "waypoint.hcl")
	p, diags := f.Project(config.Input{})
	if diags.HasErrors() {
		t.Fatal(render(f, diags))
	}
	if st, diags := p.Apps[0].Stage(config.Release, config.StageInput{}); st != nil || diags.HasErrors() || p.Apps[0].HasRelease {
		t.Errorf("%+v, %v, %v", st, p.Apps[0].HasRelease, diags)
	}
	for _, use := range f.Uses() {
		if use.Kind == config.Release {
			t.Error("its plugin is listed")
		}
	}
}
