package guard

import (
	"context"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/version"
)

const (
	// reportBound is how long the server may be away for a report. After that, the expiring lease says the same, later.
	reportBound = time.Minute
	// settle is how long a call of the killed runner may still be under way.
	settle = 300 * time.Millisecond
	// findMost is how many of an app's newest jobs are looked through for one whose id is not known.
	findMost = 20
)

// report tells the server of the attempts and places in lanes that ended with the runner.
func (s *state) report(ctx context.Context) {
	ctx, cancel := context.WithTimeout(client.WithMaxRetry(ctx, reportBound), reportBound)
	defer cancel()
	c, err := client.New(client.Options{
		Address: s.Server.Address, Token: s.Server.Token, Component: "runner", Version: version.Version(), MaxRetry: reportBound,
	})
	if err != nil {
		return // the runner had the same address: it reached nobody either
	}
	defer c.CloseIdle()
	reported := map[string]bool{}
	for _, w := range s.Work {
		if w.Attempt > 0 {
			reported[w.JobID] = true
			reportAttempt(ctx, c, w)
		}
	}
	for _, w := range s.Work {
		if w.Attempt == 0 && !reported[w.JobID] {
			cancelWaiting(ctx, c, w)
		}
	}
}

// reportAttempt gives back a job that this runner had claimed. The server decides as it does for a lease that expired: the
// job goes to another runner, or ends, if a step was cut that may not be repeated or nobody else can reach its source.
func reportAttempt(ctx context.Context, c *client.Client, w Work) {
	fence := &waypointv1.Fence{JobId: w.JobID, Attempt: w.Attempt, RunnerId: w.RunnerID}
	if w.Canceled {
		_, _ = c.Agent.CompleteJob(ctx, connect.NewRequest(&waypointv1.CompleteJobRequest{
			Fence: fence, Error: &waypointv1.JobError{Reason: "CANCELED", Message: "the job was canceled"},
		}))
		return
	}
	_, _ = c.Agent.HandBackJob(ctx, connect.NewRequest(&waypointv1.HandBackJobRequest{Fence: fence, Lost: true}))
}

// cancelWaiting cancels a local job that had not been claimed, or whose claim was not answered: its CLI is gone. The cancel
// is forced, since such a claim may stand.
func cancelWaiting(ctx context.Context, c *client.Client, w Work) {
	ids := []string{w.JobID}
	if w.JobID == "" {
		time.Sleep(settle)
		ids = findJobs(ctx, c, w)
	}
	for _, id := range ids {
		_, _ = c.Job.CancelJob(ctx, connect.NewRequest(&waypointv1.CancelJobRequest{Id: id, Force: true}))
	}
}

// findJobs finds the jobs that only the runner may claim.
func findJobs(ctx context.Context, c *client.Client, w Work) (ids []string) {
	res, err := c.Job.ListJobs(ctx, connect.NewRequest(&waypointv1.ListJobsRequest{
		Project: w.Project, App: w.App, Workspace: w.Workspace, Page: &waypointv1.Page{Size: findMost},
	}))
	if err != nil {
		return nil
	}
	for _, j := range res.Msg.GetJobs() {
		if j.GetSpec().GetTarget().GetRunnerId() == w.RunnerID && j.GetState() <= waypointv1.JobState_JOB_STATE_RUNNING {
			ids = append(ids, j.GetId())
		}
	}
	return ids
}
