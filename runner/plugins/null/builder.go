package null

import (
	"context"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

type builder struct{ component }

func (b *builder) Build(ctx context.Context, env *plugin.Call) (*plugin.Result, error) {
	r, err := b.act(ctx, env)
	return &r, err
}
