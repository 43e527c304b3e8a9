//go:build docker

package docker

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image/inject"
)

const simple = "FROM scratch\nCOPY app /app\nENTRYPOINT [\"/app\"]\nCMD [\"serve\"]\n"

// builders are the two of an engine.
func builders() map[string]*bool {
	yes, no := true, false
	return map[string]*bool{"BuildKit": &yes, "classic": &no}
}

func TestDockerBuildsAnImageThatRunsUnderTheEntrypoint(t *testing.T) {
	for name, kit := range builders() {
		t.Run(name, func(t *testing.T) {
			e := theEngine(t)
			env, ui := engineEnv(t, contextOf(t, map[string]string{"Dockerfile": simple}))
			img, result := built(t, env, BuilderConfig{BuildKit: kit})
			about := inspect(t, e, img.Name())
			if about.ID != img.ID || img.Location != image.InEngine || result.Portable || result.Template["architecture"] != about.Architecture {
				t.Errorf("got %+v, the engine says %s %s", img, about.ID, about.Architecture)
			}
			if !slices.Equal(about.Config.Entrypoint, []string{inject.Path, "/app"}) || !slices.Equal(about.Config.Cmd, []string{"serve"}) {
				t.Errorf("the engine runs %q %q", about.Config.Entrypoint, about.Config.Cmd)
			}
			for label, value := range ownLabels(env) {
				if about.Config.Labels[label] != value {
					t.Errorf("label %s is %q", label, about.Config.Labels[label])
				}
			}
			if out, code := run(t, e, img.Name()); !strings.Contains(out, "app [serve]") || code != 0 {
				t.Errorf("exit code %d: %s", code, out)
			}
			for _, want := range []string{"COPY app /app", "RUNNING Adding the Waypoint entrypoint"} {
				if shown := ui.text(t); !strings.Contains(shown, want) {
					t.Errorf("%q is not in the output:\n%s", want, shown)
				}
			}
			if left := inspectError(t, e, baseName(env)); left == nil {
				t.Error("the name of the image without the entrypoint is still there")
			}
			started := time.Now()
			again, _ := built(t, env, BuilderConfig{BuildKit: kit})
			t.Logf("built again in %v; the entrypoint and the app make %d bytes", time.Since(started).Round(time.Millisecond), about.Size)
			if again != img {
				t.Errorf("unchanged, and built as %+v after %+v", again, img)
			}
		})
	}
}

func inspectError(t *testing.T, e *engine, name string) error {
	t.Helper()
	_, err := e.ImageInspect(t.Context(), name)
	return err
}
