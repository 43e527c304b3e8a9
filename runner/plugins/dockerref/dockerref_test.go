package dockerref

import (
	"context"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/output"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

func TestBuild(t *testing.T) {
	cases := map[string]struct {
		config Config
		ok     bool
	}{
		"a reference":            {Config{Image: "ghcr.io/acme/web", Tag: "1.2"}, true},
		"a registry with a port": {Config{Image: "localhost:5000/web", Tag: "x"}, true},
		"no tag":                 {Config{Image: "nginx"}, false},
		"no image":               {Config{Tag: "1"}, false},
		"a tag with a slash":     {Config{Image: "nginx", Tag: "a/b"}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ui := output.New(t.Context(), output.Options{Append: func(_ context.Context, n int64, _ []*waypointv1.OutputEvent) (int64, error) { return n + 1, nil }})
			defer func() { _ = ui.Close(context.Background()) }()
			b := Definition().Builder()
			*b.Config().(*Config) = c.config
			r, err := b.Build(t.Context(), &plugin.Call{Host: plugin.Host{UI: ui}})
			if (err == nil) != c.ok {
				t.Fatal(err)
			}
			if c.ok && (!r.Portable || r.Template["image"] != c.config.Image || r.Template["tag"] != c.config.Tag) {
				t.Fatalf("got %+v", r)
			}
		})
	}
}
