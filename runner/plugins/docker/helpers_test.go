package docker

import (
	"context"
	"strings"
	"sync"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/output"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// screen is the job's output as it is kept: the real writer, with a list for a server.
type screen struct {
	*output.Writer
	mu     sync.Mutex
	events []*waypointv1.OutputEvent
}

func newScreen(t *testing.T) *screen {
	s := &screen{}
	s.Writer = output.New(t.Context(), output.Options{Append: func(_ context.Context, n int64, events []*waypointv1.OutputEvent) (int64, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, events...)
		return n + int64(len(events)), nil
	}})
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

// text is everything that was shown, a line an event.
func (s *screen) text(t *testing.T) string {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	for _, e := range s.events {
		switch v := e.GetEvent().(type) {
		case *waypointv1.OutputEvent_Line_:
			out.WriteString(v.Line.GetText() + "\n")
		case *waypointv1.OutputEvent_Step_:
			out.WriteString(strings.TrimPrefix(v.Step.GetState().String(), "STEP_STATE_") + " " + v.Step.GetText() + string(v.Step.GetOutput()) + "\n")
		}
	}
	return out.String()
}

func newEnv(t *testing.T, dir string) (*plugin.Call, *screen) {
	ui := newScreen(t)
	return &plugin.Call{
		Host: plugin.Host{UI: ui},
		Env: plugin.Env{
			Project: "Shop", App: "web", Workspace: "default", JobID: "01J", Dir: dir, ProjectDir: dir, TempDir: t.TempDir(),
			Environ: []string{"DOCKER_CONFIG=" + t.TempDir()},
		},
	}, ui
}
