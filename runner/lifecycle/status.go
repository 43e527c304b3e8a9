package lifecycle

import (
	"context"
	"encoding/json"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/redact"
)

// reports asks plugins how deployments and releases are, and reports it to the server.
type reports struct{ *stages }

// status asks the plugins how a deployment and a release are, and reports it.
func (j *reports) status(ctx context.Context, op *waypointv1.StatusOp) error {
	return j.step(ctx, stepStatus, true, func(ctx context.Context) (string, error) {
		deployment, err := j.findDeployment(ctx, op.GetDeploymentId())
		if err != nil {
			return "", err
		}
		j.result.Deployment = deployment
		platform, labels, err := j.platformOf(ctx, deployment)
		if err != nil {
			return "", err
		}
		if _, err := j.askDeployment(ctx, platform, labels, deployment); err != nil {
			return "", err
		}
		release, err := j.findRelease(ctx, op.GetReleaseId())
		if err != nil || release == nil {
			return "", err
		}
		j.result.Release, j.result.ReleaseUrl = release, release.GetUrl()
		c, err := j.releaser(ctx, deployment)
		if err != nil {
			return "", err
		}
		_, err = j.askRelease(ctx, c.releaser, c.labels, release)
		return "", err
	})
}

// reportDeployment reports a deployment just made. Its failure is a warning: the deployment stands.
func (j *reports) reportDeployment(ctx context.Context, p plugin.Platform, labels map[string]string, d *waypointv1.Deployment) {
	if _, err := j.askDeployment(ctx, p, labels, d); err != nil && !stopped(err) {
		j.ui.Line(plugin.Warning, "The deployment's status could not be read: %s", err)
	}
}

func (j *reports) reportRelease(ctx context.Context, r plugin.Releaser, labels map[string]string, record *waypointv1.Release) {
	if _, err := j.askRelease(ctx, r, labels, record); err != nil && !stopped(err) {
		j.ui.Line(plugin.Warning, "The release's status could not be read: %s", err)
	}
}

// askDeployment asks how a deployment is and reports it; its health is empty if nobody can be asked.
func (j *reports) askDeployment(ctx context.Context, p plugin.Platform, labels map[string]string, d *waypointv1.Deployment) (plugin.Health, error) {
	asker, ok := plugin.As[plugin.DeploymentStatusReporter](p)
	if !ok {
		return "", nil
	}
	return j.ask(ctx, &waypointv1.StatusReport{DeploymentId: d.GetMeta().GetId()}, func(work context.Context) (*plugin.Status, error) {
		return asker.DeploymentStatus(work, j.env(labels, d.GetMeta().GetId()), pluginDeployment(d))
	})
}

func (j *reports) askRelease(ctx context.Context, r plugin.Releaser, labels map[string]string, record *waypointv1.Release) (plugin.Health, error) {
	asker, ok := plugin.As[plugin.ReleaseStatusReporter](r)
	if !ok || record.GetUnimplemented() {
		return "", nil
	}
	report := &waypointv1.StatusReport{DeploymentId: record.GetDeploymentId(), ReleaseId: record.GetMeta().GetId()}
	return j.ask(ctx, report, func(work context.Context) (*plugin.Status, error) {
		return asker.ReleaseStatus(work, j.env(labels, record.GetDeploymentId()), pluginRelease(record))
	})
}

func (j *reports) ask(ctx context.Context, report *waypointv1.StatusReport, f func(context.Context) (*plugin.Status, error)) (plugin.Health, error) {
	var status *plugin.Status
	err := j.guarded(ctx, func(work context.Context) (err error) {
		status, err = f(work)
		return err
	})
	if err != nil {
		return "", err
	}
	report.Health, report.HealthMessage = wireHealth(status.Health), status.Message
	report.Resources = wireResources(status.Resources)
	report.TimeUnixMs = j.h.Now().UnixMilli()
	_, err = call(ctx, j.attempt, j.h.Server.Agent.PutStatusReport, &waypointv1.PutStatusReportRequest{
		Fence: j.claim.GetFence(), Report: validate.ShortStatus(redact.Message(j.secrets, report)),
	})
	return status.Health, err
}

func wireHealth(h plugin.Health) waypointv1.Health {
	switch h {
	case plugin.Ready:
		return waypointv1.Health_HEALTH_READY
	case plugin.Alive:
		return waypointv1.Health_HEALTH_ALIVE
	case plugin.Partial:
		return waypointv1.Health_HEALTH_PARTIAL
	case plugin.Down:
		return waypointv1.Health_HEALTH_DOWN
	case plugin.Missing:
		return waypointv1.Health_HEALTH_MISSING
	}
	return waypointv1.Health_HEALTH_UNKNOWN
}

func wireResources(resources []plugin.Resource) []*waypointv1.Resource {
	out := make([]*waypointv1.Resource, 0, len(resources))
	for _, r := range resources {
		w := &waypointv1.Resource{
			Id: r.ID, ParentId: r.ParentID, Name: r.Name, Type: r.Type, Platform: r.Platform, PlatformUrl: r.PlatformURL,
			Health: wireHealth(r.Health), HealthMessage: r.HealthMessage,
		}
		if r.State != nil {
			w.StateJson, _ = json.Marshal(r.State) // for display alone
		}
		if !r.Created.IsZero() {
			w.CreatedUnix = r.Created.Unix()
		}
		out = append(out, w)
	}
	return out
}
