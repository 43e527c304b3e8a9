package functions_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// instance is an entrypoint of a deployment that sends its log.
type logInstance struct {
	*caller
	deployment, id string
	sequence       int64
}

func (w *world) starts(t *testing.T, e *caller, deployment string) *logInstance {
	t.Helper()
	i := &logInstance{caller: e, deployment: deployment, id: w.ID(t)}
	must[waypointv1.RegisterInstanceResponse](t)(e.entrypoint.RegisterInstance(t.Context(), ask(&waypointv1.RegisterInstanceRequest{
		DeploymentId: deployment, InstanceId: i.id})))
	return i
}

func (i *logInstance) writes(t *testing.T, lines ...string) {
	t.Helper()
	in := &waypointv1.PutLogsRequest{DeploymentId: i.deployment, InstanceId: i.id, Sequence: i.sequence}
	for _, text := range lines {
		in.Lines = append(in.Lines, &waypointv1.LogLine{TimeUnixMs: i.Clock.Now().UnixMilli(), Text: text})
	}
	must[waypointv1.PutLogsResponse](t)(i.entrypoint.PutLogs(t.Context(), ask(in)))
	i.sequence++
}

func (c *caller) logs(t *testing.T, cursor string, backlog int32) *waypointv1.TailLogsResponse {
	t.Helper()
	return must[waypointv1.TailLogsResponse](t)(c.tail.TailLogs(t.Context(), ask(&waypointv1.TailLogsRequest{
		Project: "shop", App: "web", Cursor: cursor, Backlog: backlog})))
}

// An app that crashes once in five minutes makes 2,000 instances in a week. The newest are those that say why.
func TestAnAppThatCrashesAgainAndAgainShowsItsNewestInstances(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	d, e, fence := c.deployed(t)
	steady := w.starts(t, e, d)
	steady.writes(t, "steady 0")
	for n := range 1_100 {
		w.Clock.Pass(5 * time.Minute)
		must[waypointv1.GetAppConfigResponse](t)(e.entrypoint.GetAppConfig(t.Context(), ask(&waypointv1.GetAppConfigRequest{
			DeploymentId: d, InstanceId: steady.id})))
		i := w.starts(t, e, d)
		if n >= 1_090 {
			i.writes(t, fmt.Sprintf("crash %d", n))
		}
	}
	first := c.logs(t, "", 3)
	if got := texts(first); got != "crash 1097,crash 1098,crash 1099" {
		t.Errorf("the backlog: %s", got)
	}
	steady.writes(t, "steady 1")
	w.Clock.Pass(time.Second)
	last := w.starts(t, e, d)
	last.writes(t, "crash 1100")
	if got := texts(c.logs(t, first.GetNextCursor(), 0)); got != "steady 1,crash 1100" {
		t.Errorf("what came since: %s", got)
	}
	report := &waypointv1.StatusReport{DeploymentId: d, Health: waypointv1.Health_HEALTH_READY}
	must[waypointv1.PutStatusReportResponse](t)(c.agent.PutStatusReport(t.Context(), ask(&waypointv1.PutStatusReportRequest{Fence: fence, Report: report})))
	status := must[waypointv1.GetDeploymentResponse](t)(c.deployments.GetDeployment(t.Context(), ask(&waypointv1.GetDeploymentRequest{
		Ref: &waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Id{Id: d}}}))).GetStatus()
	if status.GetInstances() != 4 { // the steady one, and those that started in the last six minutes
		t.Errorf("%d instances live", status.GetInstances())
	}
}

func TestTheBacklogOfManyInstancesIsTheirLastLinesAndIsNotSentAgain(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	d, e, _ := c.deployed(t)
	instances := []*logInstance{w.starts(t, e, d), w.starts(t, e, d), w.starts(t, e, d)}
	const lines, each = 2_000, 100
	for n := 0; n < lines; n += each {
		for k, i := range instances {
			w.Clock.Pass(time.Second)
			batch := make([]string, each)
			for j := range batch {
				batch[j] = fmt.Sprintf("%d/%d %s", k, n+j, strings.Repeat("x", 1_000))
			}
			i.writes(t, batch...)
		}
	}
	first := c.logs(t, "", 10_000)
	if got := first.GetLines(); len(got) < 1_000 || !strings.HasPrefix(got[len(got)-1].GetText(), "2/1999 ") {
		t.Fatalf("%d lines, the last is %.20s", len(got), got[len(got)-1].GetText())
	}
	for _, l := range first.GetLines() {
		if strings.HasPrefix(l.GetText(), "0/0 ") {
			t.Error("the backlog begins with the first lines")
		}
	}
	cursor := first.GetNextCursor()
	for range 3 {
		res := c.logs(t, cursor, 0)
		if len(res.GetLines()) > 0 {
			t.Fatalf("%d lines are sent after the backlog, from %.20q on", len(res.GetLines()), res.GetLines()[0].GetText())
		}
		cursor = res.GetNextCursor()
	}
	instances[1].writes(t, "news")
	if got := texts(c.logs(t, cursor, 0)); got != "news" {
		t.Errorf("what came since: %.40s", got)
	}
}

// Log batches expire after a week; until DynamoDB deletes them they are stored, and what follows them is read all the same.
func TestLogsAreReadPastWhatHasExpired(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	d, e, _ := c.deployed(t)
	i := w.starts(t, e, d)
	first := c.logs(t, "", 0)
	for n := range 60 {
		i.writes(t, fmt.Sprintf("old %d", n))
	}
	w.Clock.Pass(8 * 24 * time.Hour)
	must[waypointv1.GetAppConfigResponse](t)(e.entrypoint.GetAppConfig(t.Context(), ask(&waypointv1.GetAppConfigRequest{DeploymentId: d, InstanceId: i.id})))
	i.writes(t, "new")
	if got := texts(c.logs(t, first.GetNextCursor(), 0)); got != "new" {
		t.Errorf("from a cursor: %q", got)
	}
	if got := texts(c.logs(t, "", 10)); got != "new" {
		t.Errorf("the backlog: %q", got)
	}
}
