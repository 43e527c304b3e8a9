package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// destroy removes everything of the app in the workspace: releases, then deployments, then what they shared; or only
// the deployments that are named, with their releases. Removing what is gone succeeds, so it may be run again.
func (j *removals) destroy(ctx context.Context, op *waypointv1.DestroyOp) error {
	j.ui.Line(plugin.Header, "Destroying %s in workspace %s", j.app.Name, j.workspace())
	return j.step(ctx, stepDestroy, true, func(ctx context.Context) (string, error) {
		j.result.Destroyed = 0
		deployments, err := j.listDeployments(ctx)
		if err != nil {
			return "", err
		}
		releases, err := j.listReleases(ctx)
		if err != nil {
			return "", err
		}
		if ids := op.GetDeploymentIds(); len(ids) > 0 {
			deployments = named(deployments, ids)
			return "", j.destroyThese(ctx, releases, deployments, op.GetForce())
		}
		// The configuration is rendered with the newest, even if it has been destroyed: what all shared can then still be
		// removed after a first try failed there.
		latest, err := j.newestDeployment(ctx)
		if err != nil {
			return "", err
		}
		if latest == nil {
			j.ui.Line(plugin.Info, "There is no deployment to destroy")
			return "", errors.Join(j.destroyUnrecorded(ctx), j.destroyBuilds(ctx))
		}
		err = j.destroyThese(ctx, releases, deployments, op.GetForce())
		if err != nil && !op.GetForce() {
			return "", err
		}
		return "", errors.Join(err, j.destroyShared(ctx, latest), j.destroyBuilds(ctx))
	})
}

func named(all []*waypointv1.Deployment, ids []string) []*waypointv1.Deployment {
	return slices.DeleteFunc(slices.Clone(all), func(d *waypointv1.Deployment) bool {
		return !slices.Contains(ids, d.GetMeta().GetId())
	})
}

// destroyThese destroys deployments after their releases. Only the newest release has traffic; the others are marked.
func (j *removals) destroyThese(ctx context.Context, releases []*waypointv1.Release, deployments []*waypointv1.Deployment, force bool) error {
	var failed []error
	for i, r := range releases {
		at := slices.IndexFunc(deployments, func(d *waypointv1.Deployment) bool { return d.GetMeta().GetId() == r.GetDeploymentId() })
		if at < 0 {
			continue
		}
		if i == 0 {
			if err := j.removeRelease(ctx, r, deployments[at]); err != nil {
				if stopped(err) {
					return err
				}
				failed = append(failed, fmt.Errorf("release v%d: %w", r.GetMeta().GetSequence(), err))
				if !force {
					continue
				}
			}
		}
		r.PhysicalState = waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED
		if err := j.put(ctx, releaseRecord(r)); err != nil {
			return err
		}
	}
	if err := j.destroyAll(ctx, deployments); err != nil {
		if stopped(err) {
			return err
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

func (j *removals) removeRelease(ctx context.Context, r *waypointv1.Release, target *waypointv1.Deployment) error {
	if r.GetUnimplemented() || len(r.GetResult().GetStateJson()) == 0 {
		return nil
	}
	c, err := j.releaser(ctx, target)
	if err != nil {
		return err
	}
	if c.releaser == nil || c.plugin != r.GetMeta().GetPlugin() {
		if c.releaser, err = j.h.Catalog.Releaser(r.GetMeta().GetPlugin()); err != nil {
			return err
		}
	}
	destroyer, ok := plugin.As[plugin.ReleaseDestroyer](c.releaser)
	if !ok {
		return nil
	}
	step := j.ui.Step("Destroying release v%d", r.GetMeta().GetSequence())
	err = j.guarded(ctx, func(work context.Context) error {
		return destroyer.DestroyRelease(work, j.env(c.labels, r.GetDeploymentId()), pluginRelease(r))
	})
	if err != nil {
		step.Fail("Destroying release v%d: %s", r.GetMeta().GetSequence(), err)
		return err
	}
	step.Done("Destroyed release v%d", r.GetMeta().GetSequence())
	return nil
}

// destroyShared removes what all deployments of the app in the workspace shared: the releaser's, then the platform's.
func (j *removals) destroyShared(ctx context.Context, latest *waypointv1.Deployment) error {
	in, err := j.inputOf(ctx, latest)
	if err != nil {
		return err
	}
	stage, platform, err := j.platform(in)
	if err != nil {
		return err
	}
	c, err := j.releaser(ctx, latest)
	if err != nil {
		return err
	}
	var owners []plugin.WorkspaceDestroyer
	if d, ok := plugin.As[plugin.WorkspaceDestroyer](c.releaser); ok {
		owners = append(owners, d)
	}
	if d, ok := plugin.As[plugin.WorkspaceDestroyer](platform); ok {
		owners = append(owners, d)
	}
	for _, owner := range owners {
		err := j.guarded(ctx, func(work context.Context) error { return owner.DestroyWorkspace(work, j.env(stage.Labels, "")) })
		if err != nil {
			return err
		}
	}
	return nil
}

// destroyUnrecorded removes what the platform has of the app in the workspace though no deployment is recorded, as
// after the server lost its data. Without a deployment the stage may not be evaluated: the platform is asked without
// configuration.
func (j *removals) destroyUnrecorded(ctx context.Context) error {
	stage, diags := j.app.Stage(config.Deploy, config.StageInput{})
	if diags.HasErrors() || stage == nil {
		return nil
	}
	p, err := j.h.Catalog.Platform(stage.Plugin)
	if err != nil {
		return nil //nolint:nilerr // a plugin that is not here has made nothing here
	}
	owner, ok := plugin.As[plugin.WorkspaceDestroyer](p)
	if !ok {
		return nil
	}
	err = j.guarded(ctx, func(work context.Context) error { return owner.DestroyWorkspace(work, j.env(stage.Labels, "")) })
	if err != nil && !stopped(err) {
		j.ui.Line(plugin.Warning, "What %s may have left of %s could not be removed: %s", stage.Plugin, j.app.Name, err)
		return nil
	}
	return err
}

// destroyBuilds removes what the builder keeps for the app in the workspace: images, directories. It needs no
// configuration, so that a build stanza which cannot be evaluated any more does not keep it from going.
func (j *removals) destroyBuilds(ctx context.Context) error {
	stage, diags := j.app.Stage(config.Build, config.StageInput{})
	if err := j.diagnosed(diags); err != nil || stage == nil {
		return err
	}
	b, err := j.h.Catalog.Builder(stage.Plugin)
	if err != nil {
		return nil //nolint:nilerr // a plugin that is not here has kept nothing here
	}
	owner, ok := plugin.As[plugin.WorkspaceDestroyer](b)
	if !ok {
		return nil
	}
	return j.guarded(ctx, func(work context.Context) error { return owner.DestroyWorkspace(work, j.env(stage.Labels, "")) })
}
