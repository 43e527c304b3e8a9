package status

import (
	"context"
	"strings"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// readAppStatus reads which deployment serves, its last report, the release, a newer deployment, and the last job.
func readAppStatus(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector) (*appStatus, error) {
	a := &appStatus{sel: sel}
	var err error
	if a.release, err = records.LatestRelease(ctx, c, sel); err != nil {
		return nil, err
	}
	list, err := c.Deployment.ListDeployments(ctx, connect.NewRequest(&waypointv1.ListDeploymentsRequest{
		Selector: sel, Page: &waypointv1.Page{Size: 1}, PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_CREATED,
	}))
	if err != nil {
		return nil, err
	}
	if len(list.Msg.GetDeployments()) > 0 {
		if err := a.readDeployment(ctx, c, list.Msg.GetDeployments()[0]); err != nil {
			return nil, err
		}
	}
	a.failed, err = lastFailure(ctx, c, sel)
	return a, err
}

// readDeployment reads the deployment that serves; newest is the newest that stands.
func (a *appStatus) readDeployment(ctx context.Context, c *client.Client, newest *waypointv1.Deployment) error {
	id := newest.GetMeta().GetId()
	if a.release != nil {
		id = a.release.GetDeploymentId()
	}
	got, err := getDeployment(ctx, c, id)
	if err != nil {
		return err
	}
	if d := got.GetDeployment(); id != newest.GetMeta().GetId() && records.ServingOf(a.release, []*waypointv1.Deployment{newest, d}) != d {
		// The newest replaced the released one in place, or that one was removed.
		if got, err = getDeployment(ctx, c, newest.GetMeta().GetId()); err != nil {
			return err
		}
	}
	a.deployment, a.report, a.problems = got.GetDeployment(), got.GetStatus(), got.GetProblems()
	if newest.GetMeta().GetSequence() > a.deployment.GetMeta().GetSequence() {
		a.newer = newest
	}
	return nil
}

func getDeployment(ctx context.Context, c *client.Client, id string) (*waypointv1.GetDeploymentResponse, error) {
	got, err := c.Deployment.GetDeployment(ctx, connect.NewRequest(&waypointv1.GetDeploymentRequest{
		Ref: &waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Id{Id: id}},
	}))
	if err != nil {
		return nil, err
	}
	return got.Msg, nil
}

// lastFailure is the last job of an app in a workspace, if it failed.
func lastFailure(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector) (*waypointv1.Job, error) {
	res, err := c.Job.ListJobs(ctx, connect.NewRequest(&waypointv1.ListJobsRequest{
		Project: sel.GetProject(), App: sel.GetApp(), Workspace: sel.GetWorkspace(), Page: &waypointv1.Page{Size: 1},
	}))
	if err != nil {
		if code := connect.CodeOf(err); code == connect.CodePermissionDenied || code == connect.CodeUnimplemented {
			return nil, nil // who may see what runs may not see jobs
		}
		return nil, err
	}
	if jobs := res.Msg.GetJobs(); len(jobs) > 0 && jobs[0].GetState() == waypointv1.JobState_JOB_STATE_FAILED {
		return jobs[0], nil
	}
	return nil, nil
}

// showNews says what the table has no column for: a deployment that waits for its release, and an operation that
// failed.
func showNews(sh Host, all []*appStatus) {
	for _, a := range all {
		app := a.sel.GetApp()
		if text := a.unwell(sh.Env().Now()); text != "" && sh.Flags().App == "" {
			sh.Printf("%s: %s\n", app, text)
		}
		if a.newer != nil {
			sh.Printf("%s: v%d is deployed, but v%d serves. `waypoint release -app %s` releases v%d.\n", app, a.newer.GetMeta().GetSequence(),
				a.deployment.GetMeta().GetSequence(), app, a.newer.GetMeta().GetSequence())
		}
		if j := a.failed; j != nil {
			sh.Printf("%s: the last %s failed %s: %s `waypoint job inspect %s` shows it.\n", app, render.OperationName(j.GetSpec().GetOperation()), sh.Ago(render.UnixMS(j.GetEndedUnixMs())),
				failure(j.GetError()), j.GetId())
		}
	}
}

// unwell says why an app is not ready, or that it was started again; "" if there is nothing to say.
func (a *appStatus) unwell(now time.Time) string {
	switch a.report.GetHealth() {
	case waypointv1.Health_HEALTH_ALIVE, waypointv1.Health_HEALTH_PARTIAL, waypointv1.Health_HEALTH_DOWN, waypointv1.Health_HEALTH_MISSING:
		if m := a.report.GetHealthMessage(); m != "" {
			return terminal.Clean(m, false)
		}
	}
	if text := a.crashes.Text(now); text != "" {
		return "it " + text + "."
	}
	return ""
}

// failure is why a job failed, as a sentence of one line.
func failure(e *waypointv1.JobError) string {
	text := strings.Join(strings.Fields(terminal.Clean(e.GetMessage(), false)), " ")
	if text == "" {
		text = e.GetReason()
	}
	return strings.TrimRight(text, ".") + "."
}
