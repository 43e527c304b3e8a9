package entrypoint

import (
	"os/exec"
	"strings"
	"testing"
)

// The entrypoint lives inside other people's images: what it links is part of its design.
func TestTheBinaryLinksNothingHeavy(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./waypoint-entrypoint").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("only %d packages are listed", len(deps))
	}
	for _, dep := range deps {
		for _, heavy := range []string{
			"spf13/cobra", "aws/aws-sdk-go", "hashicorp/hcl", "zclconf/go-cty", "go-git", "zombiezen.com", "text/template", "html/template",
			"waypoint/functions", "waypoint/runner", "waypoint/cli", "waypoint/localstack/server", "waypoint/internal/config",
		} {
			if strings.Contains(dep, heavy) {
				t.Errorf("links %s", dep)
			}
		}
	}
}
