package null

import (
	"context"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

type platform struct{ component }

func (p *platform) Deploy(ctx context.Context, env *plugin.Call, _ *plugin.DeployRequest) (*plugin.DeployResult, error) {
	r, err := p.act(ctx, env)
	return &plugin.DeployResult{Result: r, URL: p.config.Values["url"]}, err
}

func (p *platform) DeployRerunnable() bool { return true }

func (p *platform) DestroyDeployment(context.Context, *plugin.Call, *plugin.Deployment) error {
	return nil
}

func (p *platform) DestroyWorkspace(context.Context, *plugin.Call) error { return nil }

func (p *platform) DeploymentStatus(context.Context, *plugin.Call, *plugin.Deployment) (*plugin.Status, error) {
	return &plugin.Status{Health: plugin.Ready, Message: "null is always ready"}, nil
}
