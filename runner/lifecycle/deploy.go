package lifecycle

import (
	"bytes"
	"context"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// deploy runs the deploy stage, or loads the deployment that an earlier attempt finished.
func (j *job) deploy(ctx context.Context, artifact *waypointv1.Artifact) (*waypointv1.Deployment, error) {
	if done := j.finished(stepDeploy); done != nil {
		deployment, err := j.findDeployment(ctx, done.GetRecordId())
		if err != nil {
			return nil, err
		}
		j.result.Deployment, j.result.DeployUrl = deployment, deployment.GetUrl()
		return deployment, nil
	}
	if err := j.reachable("artifact", artifact.GetMeta(), artifact.GetResult()); err != nil {
		return nil, err
	}
	id, err := recordID(j.claim.GetJob().GetId(), stepDeploy)
	if err != nil {
		return nil, err
	}
	// Without the token: what the step needs to know beforehand, and all mistakes in the file, show here.
	stage, platform, err := j.platform(j.deployInput(artifact, id, ""))
	if err != nil {
		return nil, err
	}
	meta, err := j.newMeta(stepDeploy, stage.Plugin, stage.Labels)
	if err != nil {
		return nil, err
	}
	d := &waypointv1.Deployment{
		Meta: meta, ArtifactId: artifact.GetMeta().GetId(), ArtifactSequence: artifact.GetMeta().GetSequence(),
		PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_PENDING,
	}
	j.result.Artifact, j.result.Deployment = artifact, d
	if j.h.BeforeDeploy != nil {
		if err := j.guarded(ctx, j.h.BeforeDeploy); err != nil {
			return nil, err
		}
	}
	before := j.deployFingerprint(ctx, artifact)
	rerun, _ := plugin.As[plugin.RerunnableDeployer](platform)
	j.ui.Line(plugin.Header, "Deploying %s", j.app.Name)
	if err := j.removals.removeLeftovers(ctx, d); err != nil {
		return nil, err
	}
	err = j.runStage(ctx, stageRun{
		step: stepDeploy, labels: stage.Labels, deploymentID: meta.GetId(), hooks: stage.Hooks, rerunnable: rerun != nil && rerun.DeployRerunnable(),
		record: deploymentRecord(d),
		act:    func(ctx context.Context, env *plugin.Call) error { return j.callPlatform(ctx, env, artifact, d) },
		fingerprint: func() []byte {
			if after := j.deployFingerprint(ctx, artifact); bytes.Equal(before, after) {
				return after
			}
			return nil // something changed meanwhile: nobody knows with which of it the platform acted
		},
	})
	if err != nil {
		return d, err
	}
	j.result.DeployUrl = d.GetUrl()
	j.reports.reportDeployment(ctx, platform, stage.Labels, d)
	return d, nil
}

// callPlatform gives the deployment its token and configuration, and has the plugin make it.
func (j *job) callPlatform(ctx context.Context, env *plugin.Call, artifact *waypointv1.Artifact, d *waypointv1.Deployment) error {
	token, err := call(ctx, j.attempt, j.h.Server.Agent.CreateEntrypointToken, &waypointv1.CreateEntrypointTokenRequest{
		Fence: j.claim.GetFence(), DeploymentId: d.GetMeta().GetId(),
	})
	if err != nil {
		return err
	}
	j.secrets.Add(token.GetToken())
	in := j.deployInput(artifact, d.GetMeta().GetId(), token.GetToken())
	_, platform, err := j.platform(in)
	if err != nil {
		return err
	}
	if err := j.syncConfig(ctx); err != nil {
		return err
	}
	return j.guarded(ctx, func(work context.Context) error {
		d.Generation = d.GetMeta().GetId() // without a say of the plugin each deployment is a thing of its own
		if g, ok := plugin.As[plugin.Generation](platform); ok {
			if d.Generation, err = g.Generation(work, env); err != nil {
				return err
			}
		}
		result, err := platform.Deploy(work, env, &plugin.DeployRequest{
			Artifact:     pluginArtifact(artifact.GetMeta(), artifact.GetResult()),
			DeploymentID: d.GetMeta().GetId(), Sequence: d.GetMeta().GetSequence(), EntrypointEnv: in.EntrypointEnv,
		})
		if err != nil {
			return err
		}
		d.Url, d.Resources = result.URL, validate.ShortResources(wireResources(result.Resources), resourcesMost)
		d.PhysicalState = waypointv1.PhysicalState_PHYSICAL_STATE_CREATED
		if d.Result, err = j.keep(d.Meta, &result.Result); err == nil {
			err = tooLarge(deploymentRecord(d))
		}
		if err != nil {
			return j.takeBack(work, env, platform, d, err)
		}
		return nil
	})
}

// resourcesMost bounds the resources in the record of a deployment or release, which are for display alone.
const resourcesMost = 64 << 10
