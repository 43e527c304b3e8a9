package dockerpull

import (
	"context"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/docker"
	"github.com/waypoint-serverless/waypoint/runner/plugins/image"
)

type builder struct{ config Config }

func (b *builder) Config() any { return &b.config }

func (b *builder) Build(ctx context.Context, env *plugin.Call) (*plugin.Result, error) {
	c := b.config
	name, tag, err := image.Reference(c.Image, c.Tag)
	if err != nil {
		return nil, err
	}
	pulled, err := docker.Pull(ctx, env, docker.PullRequest{
		Image:    image.Image{Image: name, Tag: tag},
		Settings: image.Settings{Auth: c.Auth, Encoded: c.EncodedAuth},
		Inject:   !c.DisableEntrypoint,
	})
	if err != nil {
		return nil, err
	}
	return pulled.Result(), nil
}

// DestroyWorkspace removes the images that were made for the app in the workspace.
func (b *builder) DestroyWorkspace(ctx context.Context, env *plugin.Call) error {
	return docker.DestroyImages(ctx, env)
}
