package job

import (
	"context"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/completion"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// New makes the command job.
func New(sh Host) *cobra.Command {
	return shell.Group("job", "List, inspect, cancel and watch jobs",
		newList(sh), newInspect(sh), newCancel(sh), newGetStream(sh))
}

type listOptions struct {
	states        []string
	limit         int
	allWorkspaces bool
	longIDs, json bool
}

func newList(sh Host) *cobra.Command {
	o := &listOptions{}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the project's jobs, newest first", Args: shell.ArgCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), sh, o) },
	}
	cmd.Flags().StringSliceVar(&o.states, "state", nil, "show only jobs in this state: blocked, ready, running, succeeded, failed or canceled (repeatable)")
	cmd.Flags().IntVar(&o.limit, "limit", 20, "how many to show at most; 0: all")
	cmd.Flags().BoolVar(&o.allWorkspaces, "workspace-all", true, "show the jobs of all workspaces; -workspace selects one")
	cmd.Flags().BoolVar(&o.longIDs, "long-ids", true, "show full ids")
	cmd.Flags().BoolVar(&o.json, "json", false, "print a JSON array")
	return cmd
}

func runList(ctx context.Context, sh Host, o *listOptions) error {
	var states []waypointv1.JobState
	for _, word := range o.states {
		n, err := render.EnumFlag("state", word, "JOB_STATE_", waypointv1.JobState_value)
		if err != nil {
			return err
		}
		states = append(states, waypointv1.JobState(n))
	}
	s, err := scope.Find(sh)
	if err != nil {
		return err
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	workspace := sh.Flags().Workspace
	if !o.allWorkspaces {
		workspace = sh.Workspace()
	}
	jobs, err := render.Pages(o.limit, func(p *waypointv1.Page) ([]*waypointv1.Job, string, error) {
		res, err := c.Job.ListJobs(ctx, connect.NewRequest(&waypointv1.ListJobsRequest{
			Project: s.Project, App: sh.Flags().App, Workspace: workspace, States: states, Page: p,
		}))
		if err != nil {
			return nil, "", err
		}
		return res.Msg.GetJobs(), res.Msg.GetNextPageToken(), nil
	})
	if err != nil {
		return err
	}
	cols := []terminal.Column{
		{Title: "ID"}, {Title: "OPERATION"}, {Title: "APP", Rank: 2}, {Title: "WORKSPACE", Rank: 4}, {Title: "STATE"},
		{Title: "QUEUED", Rank: 1}, {Title: "TOOK", Rank: 3}, {Title: "BY", Rank: 5},
	}
	return records.Show(sh, o.json, jobs, "jobs", cols, func(j *waypointv1.Job) []string {
		return []string{
			render.ShortID(j.GetId(), o.longIDs), render.OperationName(j.GetSpec().GetOperation()), j.GetSpec().GetApp(), render.WorkspaceName(j.GetSpec()),
			render.Enum(j.GetState().String(), "JOB_STATE_"), sh.Ago(render.UnixMS(j.GetQueuedUnixMs())), render.JobDuration(j), j.GetQueuedBy(),
		}
	})
}

type options struct{ json, force bool }

func newInspect(sh Host) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "inspect ID", Short: "Show one job", Args: shell.ArgCount(1, 1), ValidArgsFunction: completion.Jobs(sh),
		RunE: func(cmd *cobra.Command, args []string) error { return runInspect(cmd.Context(), sh, o, args[0]) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runInspect(ctx context.Context, sh Host, o *options, id string) error {
	j, _, err := getJob(ctx, sh, id)
	if err != nil {
		return err
	}
	if o.json {
		return sh.PrintJSON(render.Object(j))
	}
	sh.NamedValues(jobFacts(sh, j))
	if len(j.GetSteps()) > 0 {
		t := terminal.Table{Columns: []terminal.Column{{Title: "STEP"}, {Title: "STARTED"}, {Title: "TOOK"}, {Title: "ATTEMPT"}, {Title: "RECORD", Rank: 1}}}
		for _, s := range j.GetSteps() {
			took := "not finished"
			if s.GetEndedUnixMs() > 0 {
				took = terminal.Duration(render.StepTime(s))
			}
			t.Rows = append(t.Rows, []string{s.GetName(), sh.Ago(render.UnixMS(s.GetStartedUnixMs())), took, strconv.Itoa(int(s.GetAttempt())), s.GetRecordId()})
		}
		sh.Printf("\n")
		sh.Table(t)
	}
	if used := j.GetVariablesUsed(); len(used) > 0 {
		sh.Printf("\n")
		sh.Table(render.VariablesTable(used))
	}
	return nil
}

func getJob(ctx context.Context, sh Host, id string) (*waypointv1.Job, *client.Client, error) {
	id = strings.ToUpper(id)
	if err := validate.ID("id", id); err != nil {
		return nil, nil, err
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return nil, nil, err
	}
	got, err := c.Job.GetJob(ctx, connect.NewRequest(&waypointv1.GetJobRequest{Id: id}))
	if err != nil {
		return nil, nil, err
	}
	return got.Msg.GetJob(), c, nil
}

func jobFacts(sh Host, j *waypointv1.Job) [][2]string {
	s := j.GetSpec()
	facts := [][2]string{
		{"Job", j.GetId()},
		{"Operation", render.OperationName(s.GetOperation())},
		{"Project", s.GetProject()}, {"App", s.GetApp()}, {"Workspace", render.WorkspaceName(s)},
		{"State", render.Enum(j.GetState().String(), "JOB_STATE_")},
		{"Queued", sh.When(j.GetQueuedUnixMs()) + " by " + j.GetQueuedBy()},
	}
	add := func(name, value string) {
		if value != "" && value != "0" {
			facts = append(facts, [2]string{name, value})
		}
	}
	add("Waiting", strings.TrimPrefix(render.WhyNot(j.GetWhyNot()), "Waiting: "))
	add("Started", sh.When(j.GetStartedUnixMs()))
	add("Ended", sh.When(j.GetEndedUnixMs()))
	if took := render.JobDuration(j); took != "-" {
		add("Took", took)
	}
	add("Runner", strings.TrimSpace(j.GetRunnerName()+" "+j.GetRunnerId()))
	add("Attempts", strconv.Itoa(int(j.GetAttempt())))
	if src := j.GetSource(); src.GetCommit() != "" {
		text := src.GetCommit()
		if src.GetDirty() {
			text += ", with changes"
		}
		add("Commit", text)
	}
	if j.GetCancelRequested() && !render.HasEnded(j) {
		add("Cancel", "requested")
	}
	if e := j.GetError(); e != nil {
		text := e.GetMessage() + " (" + e.GetReason() + ")"
		if e.GetHint() != "" {
			text += "\n" + e.GetHint()
		}
		add("Error", text)
		add("Failed at", e.GetStep())
	}
	add("Outcome", render.UpToDate(j.GetSpec().GetApp(), j.GetResult()))
	for _, line := range render.MadeLines(j.GetResult()) {
		add("Made", line)
	}
	add("Deployment URL", j.GetResult().GetDeployUrl())
	add("Release URL", j.GetResult().GetReleaseUrl())
	return facts
}

func newCancel(sh Host) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "cancel ID", Short: "Cancel a job", Args: shell.ArgCount(1, 1), ValidArgsFunction: completion.Jobs(sh),
		RunE: func(cmd *cobra.Command, args []string) error { return runCancel(cmd.Context(), sh, o, args[0]) },
	}
	cmd.Flags().BoolVar(&o.force, "force", false, "end the job immediately; its plugin may keep running for some seconds")
	cmd.Flags().BoolVar(&o.force, "dangerously-force", false, "the same as -force")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runCancel(ctx context.Context, sh Host, o *options, id string) error {
	id = strings.ToUpper(id)
	if err := validate.ID("id", id); err != nil {
		return err
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	res, err := c.Job.CancelJob(ctx, connect.NewRequest(&waypointv1.CancelJobRequest{Id: id, Force: o.force}))
	if err != nil {
		return err
	}
	j := res.Msg.GetJob()
	if o.json {
		return sh.PrintJSON(render.Object(j))
	}
	switch {
	case j.GetState() == waypointv1.JobState_JOB_STATE_CANCELED:
		sh.Progressf("The job is cancelled.\n")
	case render.HasEnded(j):
		sh.Progressf("The job had already ended: %s.\n", render.Enum(j.GetState().String(), "JOB_STATE_"))
	default:
		sh.Progressf("The runner has been asked to stop. Follow the job with `waypoint job get-stream %s`.\n", id)
	}
	if o.force {
		sh.Progressf("The plugin that was running may keep running for some seconds.\n")
	}
	return nil
}

func newGetStream(sh Host) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "get-stream ID", Short: "Print a job's output from the start and follow it", Args: shell.ArgCount(1, 1), ValidArgsFunction: completion.Jobs(sh),
		RunE: func(cmd *cobra.Command, args []string) error { return runGetStream(cmd.Context(), sh, o, args[0]) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON event a line; the last one is the result")
	return cmd
}

func runGetStream(ctx context.Context, sh Host, o *options, id string) error {
	j, c, err := getJob(ctx, sh, id)
	if err != nil {
		return err
	}
	return operation.Watch(ctx, sh, c, j, o.json)
}
