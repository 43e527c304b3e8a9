package config_test

import (
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/waypoint-serverless/waypoint/internal/config"
)

func TestErrorsInScopesThatARunDoesNotUseAreWarnings(t *testing.T) {
	const file = `project = "shop"
app "web" {
  labels = { tier = "front" }
  config {
    workspace "prod" {
      nonsense = 1
    }
  }
  build {
    use "null" {}
    workspace "prod" {
      use "null" {}
      url {}
    }
  }
  deploy {
    use "null" {}
    label "tier == back" {
      use "null" {}
      url {}
    }
    label "env == dev" {
      use "null" {}
      url {}
    }
  }
}
`
	for name, test := range map[string]struct {
		in     config.Input
		errors int
	}{
		"another workspace": {config.Input{}, 1}, // that of config stays
		"this workspace":    {config.Input{Workspace: "prod"}, 2},
		"these labels":      {config.Input{LabelOverrides: map[string]string{"env": "dev"}}, 2},
		"other labels":      {config.Input{LabelOverrides: map[string]string{"tier": "back"}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f, diags := config.Parse([]byte(file), "waypoint.hcl")
			before, errors := len(diags), 0
			for _, d := range f.Relax(diags, test.in) {
				if d.Severity == hcl.DiagError {
					errors++
				}
			}
			if before != 4 || errors != test.errors {
				t.Errorf("%d errors of %d:\n%s", errors, before, render(f, f.Relax(diags, test.in)))
			}
			for _, d := range diags {
				if d.Severity != hcl.DiagError {
					t.Error("the diagnostics that were given have changed")
				}
			}
		})
	}
	f, diags := config.Parse([]byte("project = \"x\"\napp \"web\" {"), "waypoint.hcl")
	if !f.Relax(diags, config.Input{}).HasErrors() {
		t.Error("a file that cannot be parsed is accepted")
	}
}
