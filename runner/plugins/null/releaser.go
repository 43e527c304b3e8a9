package null

import (
	"context"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

type releaser struct{ component }

func (r *releaser) Release(ctx context.Context, env *plugin.Call, _ *plugin.Deployment) (*plugin.ReleaseResult, error) {
	result, err := r.act(ctx, env)
	return &plugin.ReleaseResult{Result: result, URL: r.config.Values["url"]}, err
}

func (r *releaser) ReleaseRerunnable() bool { return true }

func (r *releaser) DestroyRelease(context.Context, *plugin.Call, *plugin.Release) error { return nil }

func (r *releaser) ReleaseStatus(context.Context, *plugin.Call, *plugin.Release) (*plugin.Status, error) {
	return &plugin.Status{Health: plugin.Ready, Message: "null is always ready"}, nil
}
