package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/config"
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
	rerun, _ := plugin.As[plugin.RerunnableDeployer](platform)
	j.ui.Line(plugin.Header, "Deploying %s", j.app.Name)
	if err := j.removeLeftovers(ctx, d); err != nil {
		return nil, err
	}
	err = j.runStage(ctx, stageRun{
		step: stepDeploy, labels: stage.Labels, deploymentID: meta.GetId(), hooks: stage.Hooks, rerunnable: rerun != nil && rerun.DeployRerunnable(),
		record: deploymentRecord(d),
		act:    func(ctx context.Context, env *plugin.Call) error { return j.callPlatform(ctx, env, artifact, d) },
	})
	if err != nil {
		return d, err
	}
	j.result.DeployUrl = d.GetUrl()
	j.reportDeployment(ctx, platform, stage.Labels, d)
	return d, nil
}

// callPlatform gives the deployment its token and configuration, and has the plugin make it.
func (j *job) callPlatform(ctx context.Context, env *plugin.Call, artifact *waypointv1.Artifact, d *waypointv1.Deployment) error {
	token, err := call(ctx, j, j.h.Server.Agent.CreateEntrypointToken, &waypointv1.CreateEntrypointTokenRequest{
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

// takeBack removes a deployment whose state cannot be stored, so that nobody could remove it later. It returns why that is.
func (j *job) takeBack(ctx context.Context, env *plugin.Call, platform plugin.Platform, d *waypointv1.Deployment, why error) error {
	destroyer, ok := plugin.As[plugin.DeploymentDestroyer](platform)
	if !ok {
		return why
	}
	if err := destroyer.DestroyDeployment(ctx, env, pluginDeployment(d)); err != nil {
		return errors.Join(why, fmt.Errorf("removing the deployment again: %w", err))
	}
	d.Result, d.Resources, d.Url = nil, nil, ""
	d.PhysicalState = waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED
	return why
}

// deployInput is what the deploy stage sees.
func (j *job) deployInput(artifact *waypointv1.Artifact, deploymentID, token string) config.StageInput {
	return config.StageInput{
		Artifact: template(artifact.GetResult()),
		EntrypointEnv: map[string]string{
			"WAYPOINT_SERVER_ADDR": j.h.EntrypointServerAddr, "WAYPOINT_ENTRYPOINT_TOKEN": token, "WAYPOINT_DEPLOYMENT_ID": deploymentID,
		},
	}
}

// platform is the deploy stage and its configured plugin.
func (j *job) platform(in config.StageInput) (*config.Stage, plugin.Platform, error) {
	stage, err := j.stage(config.Deploy, in)
	if err != nil {
		return nil, nil, err
	}
	if stage == nil {
		return nil, nil, &failure{reason: fault.ConfigInvalid, message: fmt.Sprintf("the app %q has no deploy stanza", j.app.Name)}
	}
	p, err := component(j, stage, j.h.Catalog.Platform)
	return stage, p, err
}

// syncConfig brings the file's config stanzas to the server before the app starts with them. Variables that left the
// file stay, as in Waypoint.
func (j *job) syncConfig(ctx context.Context) error {
	project, diags := j.project.ConfigEntries()
	if err := j.diagnosed(diags); err != nil {
		return err
	}
	app, diags := j.app.ConfigEntries()
	if err := j.diagnosed(diags); err != nil {
		return err
	}
	req := &waypointv1.SyncConfigRequest{Fence: j.claim.GetFence()}
	for _, e := range append(project, app...) {
		if what := beyond(e); what != "" {
			return &failure{
				reason:  fault.ConfigInvalid,
				message: fmt.Sprintf("%s:%d:%d: config value %s: %s cannot be used yet", e.Range.Filename, e.Range.Start.Line, e.Range.Start.Column, e.Name, what),
				hint:    "Set it with: waypoint config set",
			}
		}
		req.Entries = append(req.Entries, &waypointv1.ConfigEntry{
			Name: e.Name, Value: e.Value, Internal: e.Kind == config.ConfigInternal, File: e.Kind == config.ConfigFile,
			Workspace: e.Workspace, AppScope: e.App != "", Sensitive: e.Sensitive,
		})
	}
	if len(req.Entries) == 0 {
		return nil
	}
	_, err := Call(ctx, j.lease, j.h.Server.Agent.SyncConfig, req) // with the values: the server keeps them for the app
	return err
}

// beyond names what the server cannot keep of an entry; empty if it can keep it.
func beyond(e config.ConfigEntry) string {
	switch {
	case e.Dynamic != nil:
		return "a dynamic value"
	case e.Template != "":
		return "a value that refers to one known only in the app"
	case e.LabelSelector != "":
		return "a label scope"
	case e.Runner:
		return "a runner scope"
	}
	return ""
}
