package lifecycle

import (
	"context"
	"fmt"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// standing is what serves an app: its newest deployment and its newest release.
type standing struct {
	deployment *waypointv1.Deployment
	release    *waypointv1.Release
}

// serves reports whether the newest deployment is whole and is what the newest release, which is whole, too, points to.
// Anything newer, even if it failed or was destroyed, leaves doubts about what serves.
func (s standing) serves() bool {
	d, r := s.deployment, s.release
	return d != nil && r != nil &&
		d.GetMeta().GetState() == waypointv1.RecordState_RECORD_STATE_SUCCESS &&
		d.GetPhysicalState() == waypointv1.PhysicalState_PHYSICAL_STATE_CREATED &&
		r.GetMeta().GetState() == waypointv1.RecordState_RECORD_STATE_SUCCESS &&
		r.GetPhysicalState() == waypointv1.PhysicalState_PHYSICAL_STATE_CREATED &&
		r.GetDeploymentId() == d.GetMeta().GetId() &&
		d.GetArtifactId() != "" && d.GetGeneration() == d.GetMeta().GetId() // not one that is changed in place
}

// upToDate ends an up whose artifact would be deployed as what serves already was: nothing is deployed or released, and
// no hook of theirs runs. The configuration of the file goes to the server all the same, since apps fetch it while they
// run, and older deployments are pruned.
func (j *job) upToDate(ctx context.Context, artifact *waypointv1.Artifact, prune *waypointv1.Prune) (bool, error) {
	now, err := j.unchanged(ctx, artifact)
	if err != nil && stopped(err) {
		return false, err
	}
	if err != nil {
		j.log.DebugContext(ctx, "could not find out whether the app is up to date", "error", err)
		return false, nil
	}
	if now == nil {
		return false, nil
	}
	if err := j.syncConfig(ctx); err != nil {
		return false, err
	}
	j.result.Deployment, j.result.DeployUrl = now.deployment, now.deployment.GetUrl()
	j.result.Release, j.result.ReleaseUrl = now.release, now.release.GetUrl()
	j.result.UpToDate = true
	j.ui.Line(plugin.Info, "Deployment v%d is made of the same, serves, and is ready: nothing is deployed.", now.deployment.GetMeta().GetSequence())
	if !prune.GetEnabled() {
		return true, nil
	}
	return true, j.removals.prune(ctx, now.deployment, prune.GetRetain())
}

// unchanged returns what serves, if that is what a deploy of the artifact and its release would make again, and it is
// ready; nil if not. An error means that it could not be found out.
func (j *job) unchanged(ctx context.Context, artifact *waypointv1.Artifact) (*standing, error) {
	deploy := j.deployFingerprint(ctx, artifact)
	if deploy == nil || j.given == nil && (j.prints[stepBuild] == nil || j.prints[stepPush] == nil) {
		return nil, nil
	}
	now, err := j.newest(ctx)
	if err != nil || !now.serves() {
		return nil, err
	}
	served, err := j.findArtifact(ctx, now.deployment.GetArtifactId())
	if err != nil {
		return nil, err
	}
	in := j.deployInput(served, now.deployment.GetMeta().GetId(), "")
	in.Deploy = template(now.deployment.GetResult())
	releaser, err := j.releaserWith(in)
	if err != nil {
		return nil, err
	}
	prints := []*waypointv1.RecordFingerprint{
		{Kind: waypointv1.RecordKind_RECORD_KIND_BUILD, RecordId: served.GetBuildId(), Fingerprint: j.prints[stepBuild]},
		{Kind: waypointv1.RecordKind_RECORD_KIND_ARTIFACT, RecordId: served.GetMeta().GetId(), Fingerprint: j.prints[stepPush]},
		{Kind: waypointv1.RecordKind_RECORD_KIND_DEPLOYMENT, RecordId: now.deployment.GetMeta().GetId(), Fingerprint: deploy},
		{Kind: waypointv1.RecordKind_RECORD_KIND_RELEASE, RecordId: now.release.GetMeta().GetId(), Fingerprint: j.releaseFingerprint(releaser)},
	}
	if j.given != nil {
		prints[0].LikeRecordId, prints[1].LikeRecordId = j.given.GetBuildId(), j.given.GetMeta().GetId()
	}
	same, err := j.matches(ctx, prints)
	if err != nil || !same {
		return nil, err
	}
	stage, platform, err := j.quietPlatform(in)
	if err != nil || stage.Plugin != now.deployment.GetMeta().GetPlugin() {
		return nil, err
	}
	ready, err := j.reports.areReady(ctx, now, platform, releaser)
	if err != nil || !ready {
		return nil, err
	}
	return &now, nil
}

// newest finds the app's newest deployment and release in the workspace, whatever became of them.
func (j *records) newest(ctx context.Context) (now standing, err error) {
	if now.deployment, err = j.newestDeployment(ctx); err != nil {
		return now, err
	}
	req := &waypointv1.ListReleasesRequest{Selector: j.selector(), Page: &waypointv1.Page{Size: 1}}
	res, err := call(ctx, j.attempt, j.h.Server.Releases.ListReleases, req)
	if err != nil {
		return now, err
	}
	if len(res.GetReleases()) > 0 {
		now.release = res.GetReleases()[0]
	}
	return now, nil
}

// matches asks the server whether all records were written with these fingerprints.
func (j *records) matches(ctx context.Context, records []*waypointv1.RecordFingerprint) (bool, error) {
	for _, r := range records {
		if r.GetFingerprint() == nil && r.GetLikeRecordId() == "" || r.GetRecordId() == "" {
			return false, nil
		}
	}
	req := &waypointv1.MatchFingerprintsRequest{Fence: j.claim.GetFence(), Records: records}
	res, err := call(ctx, j.attempt, j.h.Server.Agent.MatchFingerprints, req)
	return res.GetMatch(), err
}

// areReady asks the plugins how what serves is, reports it, and returns whether all of it is ready. What cannot be asked
// is not.
func (j *reports) areReady(ctx context.Context, now standing, platform plugin.Platform, releaser chosen) (bool, error) {
	health, err := j.askDeployment(ctx, platform, now.deployment.GetMeta().GetLabels(), now.deployment)
	if err != nil {
		return false, err
	}
	if health != plugin.Ready {
		j.sayNotReady(fmt.Sprintf("Deployment v%d", now.deployment.GetMeta().GetSequence()), health)
		return false, nil
	}
	if releaser.releaser == nil {
		return now.release.GetUnimplemented(), nil
	}
	if health, err = j.askRelease(ctx, releaser.releaser, releaser.labels, now.release); err != nil {
		return false, err
	}
	if health != plugin.Ready {
		j.sayNotReady(fmt.Sprintf("Release v%d", now.release.GetMeta().GetSequence()), health)
	}
	return health == plugin.Ready, nil
}

func (j *reports) sayNotReady(what string, health plugin.Health) {
	if health != "" {
		j.ui.Line(plugin.Info, "%s is made of the same, but is %s: deploying again.", what, health)
	}
}
