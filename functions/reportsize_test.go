package functions_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// noise is text that does not compress.
func noise(n int) string {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[rand.IntN(len(letters))]
	}
	return string(b)
}

// A runner shortens what it reports. One that does not, an older one say, must not lose a job for it.
func TestWhatAJobReportsIsShortenedAndTheJobEndsAsItDid(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	for name, failure := range map[string]*waypointv1.JobError{
		"succeeded": nil, "failed": {Reason: "PLUGIN_FAILED", Message: noise(300 << 10), Hint: noise(300 << 10), Step: noise(300 << 10)},
	} {
		t.Run(name, func(t *testing.T) {
			fence := c.claimed(t, noop())
			report := &waypointv1.ReportJobRequest{Fence: fence, Source: &waypointv1.SourceRef{Commit: "abc", CommitMessage: noise(1 << 20)}}
			for n := range 20 {
				report.VariablesUsed = append(report.VariablesUsed, &waypointv1.VariableUsed{Name: fmt.Sprint("v", n), Value: noise(60 << 10)})
			}
			must[waypointv1.ReportJobResponse](t)(c.agent.ReportJob(ctx, ask(report)))
			d := deployment(c.ID(t), success, waypointv1.PhysicalState_PHYSICAL_STATE_CREATED).GetDeployment()
			d.Result = &waypointv1.PluginResult{StateJson: []byte(noise(1 << 20)), TemplateJson: []byte(noise(1 << 20))}
			must[waypointv1.CompleteJobResponse](t)(c.agent.CompleteJob(ctx, ask(&waypointv1.CompleteJobRequest{
				Fence: fence, Error: failure, Result: &waypointv1.JobResult{Deployment: d, DeployUrl: "http://d"},
			})))
			job := must[waypointv1.GetJobResponse](t)(c.jobs.GetJob(ctx, ask(&waypointv1.GetJobRequest{Id: fence.GetJobId()}))).GetJob()
			want := waypointv1.JobState_JOB_STATE_SUCCEEDED
			if failure != nil {
				want = waypointv1.JobState_JOB_STATE_FAILED
			}
			if job.GetState() != want || job.GetAttempt() != 1 || job.GetError().GetReason() != failure.GetReason() {
				t.Errorf("the job is %s after %d attempts: %.100v", job.GetState(), job.GetAttempt(), job.GetError())
			}
			if got := job.GetResult(); got.GetDeployment().GetMeta().GetId() != d.GetMeta().GetId() || got.GetDeployUrl() != "http://d" || got.GetDeployment().GetResult() != nil {
				t.Errorf("the result: %.200v", got)
			}
			if used := job.GetVariablesUsed(); len(used) != 20 || !strings.HasSuffix(used[0].GetValue(), "(61440 bytes)") {
				t.Errorf("%d variables", len(used))
			}
		})
	}
}

// What cannot be shortened without losing it is refused by name and size.
func TestALargeRecordIsRefusedAndALargeStatusIsShortened(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	d, _, fence := c.deployed(t)
	large := build(c.ID(t), success)
	large.GetBuild().Result.StateJson = []byte(noise(validate.MaxRecord))
	_, err := c.agent.PutRecord(ctx, ask(&waypointv1.PutRecordRequest{Fence: fence, Record: large}))
	wantFault(t, err, fault.TooLarge)
	if !strings.Contains(err.Error(), "the record of the build has") || !strings.Contains(err.Error(), fmt.Sprint(validate.MaxRecord)) {
		t.Error(err)
	}
	report := &waypointv1.StatusReport{DeploymentId: d, Health: waypointv1.Health_HEALTH_READY}
	for n := range 1_000 {
		report.Resources = append(report.Resources, &waypointv1.Resource{Name: fmt.Sprint("pod", n), StateJson: []byte(noise(2_000))})
	}
	must[waypointv1.PutStatusReportResponse](t)(c.agent.PutStatusReport(ctx, ask(&waypointv1.PutStatusReportRequest{Fence: fence, Report: report})))
	_, err = c.agent.PutStatusReport(ctx, ask(&waypointv1.PutStatusReportRequest{Fence: fence}))
	wantFault(t, err, fault.InvalidArgument)
}

// Two hundred records of the largest size are more than Lambda answers: a list has as many as fit, and goes on.
func TestAListOfLargeRecordsIsReadInPagesThatFit(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	fence := c.claimed(t, noop())
	const records = 24
	for range records {
		r := build(c.ID(t), success)
		r.GetBuild().Result.StateJson = []byte(noise(300 << 10))
		c.put(t, fence, r)
	}
	for _, workspace := range []string{"", "default"} {
		var numbers []int64
		in := &waypointv1.ListBuildsRequest{Selector: &waypointv1.RecordSelector{Project: "shop", App: "web", Workspace: workspace}, Page: &waypointv1.Page{Size: 200}}
		for pages := 0; ; pages++ {
			res := must[waypointv1.ListBuildsResponse](t)(c.builds.ListBuilds(ctx, ask(in)))
			for _, b := range res.GetBuilds() {
				numbers = append(numbers, b.GetMeta().GetSequence())
			}
			if in.Page.Token = res.GetNextPageToken(); in.Page.Token == "" || pages > records {
				break
			}
		}
		if len(numbers) != records || numbers[0] != records || numbers[records-1] != 1 {
			t.Errorf("in workspace %q: %v", workspace, numbers)
		}
	}
	if status, body := c.raw(t, "BuildService/ListBuilds", `{"selector":{"project":"shop","app":"web"},"page":{"size":200}}`); status != http.StatusOK || len(body) > validate.MaxMessage {
		t.Errorf("in JSON: %d, %d bytes", status, len(body))
	}
}
