package programs_test

import (
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/internal/release/programs"
)

// forbidden are modules that no program of a release may link, each with the reason.
var forbidden = map[string]string{
	"github.com/testcontainers/":  "it starts containers for tests",
	"github.com/docker/docker/":   "it comes with testcontainers; Docker is spoken to through moby/moby/client",
	"github.com/go-git/":          "git work is done by the git program",
	"golang.org/x/crypto/openpgp": "it is unmaintained (GO-2026-5932)",
	"github.com/CycloneDX/":       "it is a tool",
	"golang.org/x/vuln":           "it is a tool",
}

func TestNoProgramLinksWhatIsForTestsAndToolsAlone(t *testing.T) {
	t.Parallel()
	for _, p := range programs.All() {
		for _, s := range p.Systems {
			t.Run(p.Name+" for "+s.String(), func(t *testing.T) {
				t.Parallel()
				paths, modules, err := programs.Packages(t.Context(), "../../..", p, s)
				if err != nil {
					t.Fatal(err)
				}
				if len(paths) < 50 || len(modules) == 0 {
					t.Fatalf("%d packages only", len(paths))
				}
				for _, path := range paths {
					for prefix, why := range forbidden {
						if strings.HasPrefix(path, prefix) {
							t.Errorf("it links %s: %s", path, why)
						}
					}
				}
			})
		}
	}
}
