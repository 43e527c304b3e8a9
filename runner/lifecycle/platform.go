package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// platformOf is the plugin that made a deployment. It has its configuration if waypoint.hcl still deploys with it.
func (j *stages) platformOf(ctx context.Context, d *waypointv1.Deployment) (plugin.Platform, map[string]string, error) {
	in, err := j.inputOf(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	stage, platform, err := j.platform(in)
	if err != nil || stage.Plugin == d.GetMeta().GetPlugin() {
		return platform, d.GetMeta().GetLabels(), err
	}
	platform, err = j.h.Catalog.Platform(d.GetMeta().GetPlugin())
	return platform, d.GetMeta().GetLabels(), err
}

// platform is the deploy stage and its configured plugin.
func (j *stages) platform(in config.StageInput) (*config.Stage, plugin.Platform, error) {
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

// deployInput is what the deploy stage sees.
func (j *stages) deployInput(artifact *waypointv1.Artifact, deploymentID, token string) config.StageInput {
	return config.StageInput{
		Artifact: template(artifact.GetResult()),
		EntrypointEnv: map[string]string{
			"WAYPOINT_SERVER_ADDR": j.h.EntrypointServerAddr, "WAYPOINT_ENTRYPOINT_TOKEN": token, "WAYPOINT_DEPLOYMENT_ID": deploymentID,
		},
	}
}

// takeBack removes a deployment whose state cannot be stored, so that nobody could remove it later. It returns why that
// is.
func (j *stages) takeBack(ctx context.Context, env *plugin.Call, platform plugin.Platform, d *waypointv1.Deployment, why error) error {
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

// syncConfig brings the file's config stanzas to the server before the app starts with them. Variables that left the
// file stay, as in Waypoint.
func (j *stages) syncConfig(ctx context.Context) error {
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
		req.Entries = append(req.Entries, e.Contract())
	}
	signal, diags := j.app.FileChangeSignal()
	if err := j.diagnosed(diags); err != nil {
		return err
	}
	if len(req.Entries) == 0 && signal == "" {
		return nil
	}
	req.FileChangeSignal = &signal
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
