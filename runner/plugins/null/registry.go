package null

import (
	"context"
	"maps"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

type registry struct{ component }

// Push passes the artifact's values on, with its own over them.
func (r *registry) Push(ctx context.Context, env *plugin.Call, artifact *plugin.Artifact) (*plugin.Result, error) {
	result, err := r.act(ctx, env)
	merged := maps.Clone(artifact.Template)
	if merged == nil {
		merged = map[string]any{}
	}
	maps.Copy(merged, result.Template)
	result.Template = merged
	return &result, err
}
