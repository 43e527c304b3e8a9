package docker

import (
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/runner/plugins/docker/buildkit"
)

// A quick instruction begins, prints and ends in one message of BuildKit's; a slow line comes after the end.
func TestWhatAQuickStepPrintsIsShown(t *testing.T) {
	ui := newScreen(t)
	b := &buildOutput{ui: ui, steps: map[string]*buildStep{}}
	b.progress(buildkit.Progress{
		Vertexes: []buildkit.Vertex{{Digest: "a", Name: "[1/1] RUN [\"/app\"]", Started: true, Completed: true}},
		Logs:     []buildkit.Log{{Vertex: "a", Text: []byte("it runs\n")}},
	})
	b.progress(buildkit.Progress{Logs: []buildkit.Log{{Vertex: "a", Text: []byte("too late\n")}, {Vertex: "none", Text: []byte("of nobody\n")}}})
	b.progress(buildkit.Progress{Vertexes: []buildkit.Vertex{{Digest: "b", Name: "[internal] load", Completed: true}}})
	b.progress(buildkit.Progress{Logs: []buildkit.Log{{Vertex: "b", Text: []byte("after the end\n")}}})
	said := ui.text(t)
	if !strings.Contains(said, "RUNNING [1/1] RUN") || !strings.Contains(said, "it runs") || !strings.Contains(said, "DONE") || strings.Contains(said, "[internal]") {
		t.Errorf("shown is\n%s", said)
	}
}
