package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// defaultRetain is how many unreleased deployments stay if nobody says otherwise, as in Waypoint.
const defaultRetain = 1

// toPrune picks the deployments that go: of those that exist, were made by the target's platform and are another
// generation than the target, all but the newest retain.
func toPrune(all []*waypointv1.Deployment, target *waypointv1.Deployment, retain int32) []*waypointv1.Deployment {
	if retain < 0 {
		retain = defaultRetain
	}
	var others []*waypointv1.Deployment
	for _, d := range all {
		if d.GetPhysicalState() == waypointv1.PhysicalState_PHYSICAL_STATE_CREATED &&
			d.GetMeta().GetId() != target.GetMeta().GetId() &&
			d.GetMeta().GetPlugin() == target.GetMeta().GetPlugin() &&
			(d.GetGeneration() == "" || d.GetGeneration() != target.GetGeneration()) {
			others = append(others, d)
		}
	}
	slices.SortFunc(others, func(a, b *waypointv1.Deployment) int {
		return cmp.Compare(b.GetMeta().GetSequence(), a.GetMeta().GetSequence())
	})
	return others[min(int(retain), len(others)):]
}

// removals removes deployments and releases: old ones, interrupted ones, or all of the app in the workspace.
type removals struct{ *stages }

// prune destroys the deployments that a release left over. Its failure fails the job, which says that the release
// itself stands.
func (j *removals) prune(ctx context.Context, target *waypointv1.Deployment, retain int32) error {
	all, err := j.listDeployments(ctx)
	if err != nil {
		return err
	}
	old := toPrune(all, target, retain)
	if len(old) == 0 {
		return nil
	}
	j.ui.Line(plugin.Header, "Pruning old deployments of %s", j.app.Name)
	return j.step(ctx, stepPrune, true, func(ctx context.Context) (string, error) {
		releases, err := j.listReleases(ctx)
		if err != nil {
			return "", err
		}
		if err := j.destroyAll(ctx, old); err != nil {
			if stopped(err) {
				return "", err
			}
			return "", &failure{
				reason: fault.PluginFailed, message: fmt.Sprintf("deployment v%d is released, but older ones could not be removed", target.GetMeta().GetSequence()),
				cause: err, hint: "Remove them with: waypoint deployment destroy",
			}
		}
		return "", j.retireReleases(ctx, releases, old)
	})
}

// leftoversSeen is how many of the newest pending deployments a deploy looks at for what others left: a page costs
// little, and each deploy looks.
const leftoversSeen = 20

// isLeftover reports whether a deployment was cut short: its job was killed or lost its lease, and no attempt went on.
// The lane lets one deploy at a time touch the app in the workspace, so that none but the current one is under way.
func isLeftover(d, current *waypointv1.Deployment) bool {
	return d.GetMeta().GetId() != current.GetMeta().GetId() &&
		d.GetMeta().GetState() == waypointv1.RecordState_RECORD_STATE_RUNNING &&
		d.GetPhysicalState() == waypointv1.PhysicalState_PHYSICAL_STATE_PENDING
}

// removeLeftovers removes what deploys before this one left when they were cut short, and might be in the way. That it
// fails is a warning: the next deploy or destroy tries again.
func (j *removals) removeLeftovers(ctx context.Context, current *waypointv1.Deployment) error {
	req := &waypointv1.ListDeploymentsRequest{Selector: j.selector(), Page: &waypointv1.Page{Size: leftoversSeen},
		PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_PENDING}
	res, err := call(ctx, j.attempt, j.h.Server.Deployments.ListDeployments, req)
	if err != nil && !stopped(err) {
		j.ui.Line(plugin.Warning, "Interrupted deployments could not be looked for: %s", err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, d := range res.GetDeployments() {
		if !isLeftover(d, current) {
			continue
		}
		if err := j.removeLeftover(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (j *removals) removeLeftover(ctx context.Context, d *waypointv1.Deployment) error {
	n := d.GetMeta().GetSequence()
	step := j.ui.Step("Removing what the interrupted deployment v%d left", n)
	err := j.removeDeployment(ctx, d)
	if err == nil {
		j.markDestroyed(d)
		err = j.put(ctx, deploymentRecord(d))
	}
	switch {
	case err == nil:
		step.Done("Removed what the interrupted deployment v%d left", n)
	case stopped(err):
		step.Fail("Removing what the interrupted deployment v%d left: %s", n, err)
		return err
	default:
		step.Fail("Removing what the interrupted deployment v%d left: %s (the next deploy, or waypoint destroy, tries again)", n, err)
	}
	return nil
}

// markDestroyed marks the record of a deployment of which nothing is left; one that was cut short says so.
func (j *removals) markDestroyed(d *waypointv1.Deployment) {
	d.PhysicalState = waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED
	if d.GetMeta().GetState() == waypointv1.RecordState_RECORD_STATE_RUNNING {
		d.Meta.State, d.Meta.CompletedUnixMs = waypointv1.RecordState_RECORD_STATE_ERROR, j.h.Now().UnixMilli()
		d.Meta.Error = "the deploy was interrupted"
	}
}

// retireReleases marks releases of destroyed deployments. No plugin is called: a newer release took their traffic over.
func (j *removals) retireReleases(ctx context.Context, releases []*waypointv1.Release, gone []*waypointv1.Deployment) error {
	for _, r := range releases {
		if !slices.ContainsFunc(gone, func(d *waypointv1.Deployment) bool { return d.GetMeta().GetId() == r.GetDeploymentId() }) {
			continue
		}
		r.PhysicalState = waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED
		if err := j.put(ctx, releaseRecord(r)); err != nil {
			return err
		}
	}
	return nil
}

// destroyAll destroys deployments one after another, goes on after a failure, and returns all failures.
func (j *removals) destroyAll(ctx context.Context, deployments []*waypointv1.Deployment) error {
	var failed []error
	for _, d := range deployments {
		err := j.destroyDeployment(ctx, d)
		if err != nil && stopped(err) {
			return err
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("deployment v%d: %w", d.GetMeta().GetSequence(), err))
		}
	}
	return errors.Join(failed...)
}

// destroyDeployment removes what a deployment made and marks its record. With a platform that cannot remove, it is only
// marked.
func (j *removals) destroyDeployment(ctx context.Context, d *waypointv1.Deployment) error {
	step := j.ui.Step("Destroying deployment v%d", d.GetMeta().GetSequence())
	err := j.removeDeployment(ctx, d)
	if err == nil {
		j.markDestroyed(d)
		err = j.put(ctx, deploymentRecord(d))
	}
	if err != nil {
		step.Fail("Destroying deployment v%d: %s", d.GetMeta().GetSequence(), err)
		return err
	}
	j.result.Destroyed++
	step.Done("Destroyed deployment v%d", d.GetMeta().GetSequence())
	return nil
}

// removeDeployment removes what a deployment made, by its id alone if the deploy was cut short before its state was
// recorded: then nobody knows how far it came.
func (j *removals) removeDeployment(ctx context.Context, d *waypointv1.Deployment) error {
	platform, labels, err := j.platformOf(ctx, d)
	if err != nil && !stopped(err) && len(d.GetResult().GetStateJson()) == 0 {
		// Its stage cannot be evaluated, with an artifact that is gone, say. What it left is removed without configuration.
		platform, err = j.h.Catalog.Platform(d.GetMeta().GetPlugin())
	}
	if err != nil {
		return err
	}
	destroyer, ok := plugin.As[plugin.DeploymentDestroyer](platform)
	if !ok {
		return nil
	}
	return j.guarded(ctx, func(work context.Context) error {
		return destroyer.DestroyDeployment(work, j.env(labels, d.GetMeta().GetId()), pluginDeployment(d))
	})
}
