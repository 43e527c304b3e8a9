package lifecycle

import (
	"context"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// chosen is the releaser of an app: its release stanza's, or the one that its platform brings, or none.
type chosen struct {
	releaser plugin.Releaser
	plugin   string
	labels   map[string]string
	hooks    []config.Hook
}

// rerunnable: without a releaser nothing acts.
func (c chosen) rerunnable() bool {
	if c.releaser == nil {
		return true
	}
	r, ok := plugin.As[plugin.RerunnableReleaser](c.releaser)
	return ok && r.ReleaseRerunnable()
}

func (j *stages) releaser(ctx context.Context, target *waypointv1.Deployment) (chosen, error) {
	in, err := j.inputOf(ctx, target)
	if err != nil {
		return chosen{}, err
	}
	return j.releaserWith(in)
}

func (j *stages) releaserWith(in config.StageInput) (chosen, error) {
	stage, err := j.stage(config.Release, in)
	if err != nil {
		return chosen{}, err
	}
	if stage != nil {
		r, err := component(j, stage, j.h.Catalog.Releaser)
		return chosen{releaser: r, plugin: stage.Plugin, labels: stage.Labels, hooks: stage.Hooks}, err
	}
	deployStage, platform, err := j.platform(in)
	if err != nil {
		return chosen{}, err
	}
	c := chosen{plugin: deployStage.Plugin, labels: deployStage.Labels}
	if d, ok := plugin.As[plugin.DefaultReleaser](platform); ok {
		c.releaser = d.DefaultReleaser()
	}
	return c, nil
}

// inputOf is what stages see of a deployment that exists. The entrypoint's token is not known any more.
func (j *stages) inputOf(ctx context.Context, d *waypointv1.Deployment) (config.StageInput, error) {
	artifact := j.result.GetArtifact()
	if id := d.GetArtifactId(); artifact.GetMeta().GetId() != id {
		artifact = nil
		if id != "" {
			found, err := j.findArtifact(ctx, id)
			if err != nil && !missing(err) {
				return config.StageInput{}, err
			}
			artifact = found
		}
	}
	in := j.deployInput(artifact, d.GetMeta().GetId(), "")
	in.Deploy = template(d.GetResult())
	return in, nil
}
