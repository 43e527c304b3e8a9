package lifecycle

import (
	"context"
	"fmt"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// release sends traffic to a deployment and prunes what that leaves over. Releasing what is released already succeeds
// without doing anything, unless repeat is set.
func (j *job) release(ctx context.Context, target *waypointv1.Deployment, repeat bool, prune *waypointv1.Prune) error {
	j.result.Deployment, j.result.DeployUrl = target, target.GetUrl()
	if err := releasable(target); err != nil {
		return err
	}
	if j.finished(stepRelease) == nil {
		if err := j.releaseStage(ctx, target, repeat); err != nil {
			return err
		}
	} else if err := j.loadRelease(ctx); err != nil {
		return err
	}
	if !prune.GetEnabled() || j.finished(stepPrune) != nil {
		return nil
	}
	return j.removals.prune(ctx, target, prune.GetRetain())
}

func releasable(d *waypointv1.Deployment) error {
	switch {
	case d.GetPhysicalState() == waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED:
		return &failure{reason: fault.Conflict, message: fmt.Sprintf("the deployment v%d is destroyed", d.GetMeta().GetSequence())}
	case d.GetMeta().GetState() != waypointv1.RecordState_RECORD_STATE_SUCCESS:
		return &failure{reason: fault.Conflict, message: fmt.Sprintf("the deployment v%d did not succeed", d.GetMeta().GetSequence())}
	}
	return nil
}

func (j *job) loadRelease(ctx context.Context) error {
	release, err := j.latestRelease(ctx)
	if err != nil {
		return err
	}
	j.result.Release, j.result.ReleaseUrl = release, release.GetUrl()
	return nil
}

// releaseStage runs the releaser, unless the deployment serves already.
func (j *job) releaseStage(ctx context.Context, target *waypointv1.Deployment, repeat bool) error {
	last, err := j.latestRelease(ctx)
	if err != nil {
		return err
	}
	serves, err := j.serves(ctx, last, target)
	if err != nil {
		return err
	}
	if serves && !repeat {
		if serves, err = j.answers(ctx, last, target); err != nil {
			return err
		}
	}
	if serves && !repeat {
		j.result.Release, j.result.ReleaseUrl = last, last.GetUrl()
		j.ui.Line(plugin.Info, "Deployment v%d is released already", target.GetMeta().GetSequence())
		return nil
	}
	r, err := j.releaser(ctx, target)
	if err != nil {
		return err
	}
	meta, err := j.newMeta(stepRelease, r.plugin, r.labels)
	if err != nil {
		return err
	}
	record := &waypointv1.Release{
		Meta: meta, DeploymentId: target.GetMeta().GetId(), DeploymentSequence: target.GetMeta().GetSequence(),
		PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_PENDING, Unimplemented: r.releaser == nil,
	}
	j.result.Release = record
	j.ui.Line(plugin.Header, "Releasing %s", j.app.Name)
	err = j.runStage(ctx, stageRun{
		step: stepRelease, labels: r.labels, deploymentID: target.GetMeta().GetId(), hooks: r.hooks, rerunnable: r.rerunnable(), record: releaseRecord(record),
		act: func(ctx context.Context, env *plugin.Call) error {
			return j.callReleaser(ctx, env, r.releaser, target, record)
		},
		fingerprint: func() []byte { return j.releaseFingerprint(r) },
	})
	if err != nil {
		return err
	}
	j.result.ReleaseUrl = record.GetUrl()
	j.reports.reportRelease(ctx, r.releaser, r.labels, record)
	return nil
}

// serves reports whether the last release points to this deployment, or to one of the same generation: a thing that its
// platform replaced in place.
func (j *job) serves(ctx context.Context, last *waypointv1.Release, target *waypointv1.Deployment) (bool, error) {
	if last == nil || last.GetPhysicalState() == waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED {
		return false, nil
	}
	if last.GetDeploymentId() == target.GetMeta().GetId() {
		return true, nil
	}
	if target.GetGeneration() == "" || target.GetGeneration() == target.GetMeta().GetId() {
		return false, nil
	}
	before, err := j.findDeployment(ctx, last.GetDeploymentId())
	if missing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return before.GetGeneration() == target.GetGeneration(), nil
}

// answers asks the releaser whether what is released serves still, and makes a release that does not be made again: a
// stable port may be gone with its machine's last start. A releaser that cannot be asked counts as serving.
func (j *job) answers(ctx context.Context, last *waypointv1.Release, target *waypointv1.Deployment) (bool, error) {
	c, err := j.releaser(ctx, target)
	if err != nil {
		return false, err
	}
	asker, ok := plugin.As[plugin.ReleaseStatusReporter](c.releaser)
	if !ok || last.GetUnimplemented() {
		return true, nil
	}
	var status *plugin.Status
	if err := j.guarded(ctx, func(work context.Context) (err error) {
		status, err = asker.ReleaseStatus(work, j.env(c.labels, last.GetDeploymentId()), pluginRelease(last))
		return err
	}); err != nil {
		return false, err
	}
	if status.Health != plugin.Down && status.Health != plugin.Missing {
		return true, nil
	}
	j.ui.Line(plugin.Warning, "Deployment v%d is released, but does not serve; releasing it again. %s", target.GetMeta().GetSequence(), status.Message)
	return false, nil
}

// callReleaser has the plugin release; without one the record alone says which deployment counts.
func (j *job) callReleaser(ctx context.Context, env *plugin.Call, r plugin.Releaser, target *waypointv1.Deployment, record *waypointv1.Release) error {
	if r == nil {
		record.PhysicalState = waypointv1.PhysicalState_PHYSICAL_STATE_CREATED
		return nil
	}
	return j.guarded(ctx, func(work context.Context) error {
		result, err := r.Release(work, env, pluginDeployment(target))
		if err != nil {
			return err
		}
		record.Url, record.Resources = result.URL, validate.ShortResources(wireResources(result.Resources), resourcesMost)
		record.PhysicalState = waypointv1.PhysicalState_PHYSICAL_STATE_CREATED
		record.Result, err = j.keep(record.Meta, &result.Result)
		return err
	})
}
