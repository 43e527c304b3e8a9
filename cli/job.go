package cli

import (
	"context"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

func newCmdJob(sh *shell) *cobra.Command {
	return group("job", "List, inspect, cancel and watch jobs",
		newCmdJobList(sh), newCmdJobInspect(sh), newCmdJobCancel(sh), newCmdJobGetStream(sh))
}

type jobListOptions struct {
	states        []string
	limit         int
	allWorkspaces bool
	longIDs, json bool
}

func newCmdJobList(sh *shell) *cobra.Command {
	o := &jobListOptions{}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the project's jobs, newest first", Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runJobList(cmd.Context(), sh, o) },
	}
	cmd.Flags().StringSliceVar(&o.states, "state", nil, "only blocked, ready, running, succeeded, failed or canceled (repeatable)")
	cmd.Flags().IntVar(&o.limit, "limit", 20, "at most so many; 0: all")
	cmd.Flags().BoolVar(&o.allWorkspaces, "workspace-all", true, "of all workspaces; a -workspace picks one")
	cmd.Flags().BoolVar(&o.longIDs, "long-ids", true, "show ids whole")
	cmd.Flags().BoolVar(&o.json, "json", false, "print a JSON array")
	return cmd
}

func runJobList(ctx context.Context, sh *shell, o *jobListOptions) error {
	var states []waypointv1.JobState
	for _, word := range o.states {
		n, err := enumFlag("state", word, "JOB_STATE_", waypointv1.JobState_value)
		if err != nil {
			return err
		}
		states = append(states, waypointv1.JobState(n))
	}
	s, err := sh.findScope()
	if err != nil {
		return err
	}
	c, err := sh.look(ctx)
	if err != nil {
		return err
	}
	workspace := sh.flags.workspace
	if !o.allWorkspaces {
		workspace = sh.workspace()
	}
	jobs, err := pages(o.limit, func(p *waypointv1.Page) ([]*waypointv1.Job, string, error) {
		res, err := c.Job.ListJobs(ctx, connect.NewRequest(&waypointv1.ListJobsRequest{
			Project: s.project, App: sh.flags.app, Workspace: workspace, States: states, Page: p,
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
	return showList(sh, o.json, jobs, "jobs", cols, func(j *waypointv1.Job) []string {
		return []string{
			shortID(j.GetId(), o.longIDs), operationName(j.GetSpec().GetOperation()), j.GetSpec().GetApp(), workspaceName(j.GetSpec()),
			enumName(j.GetState().String(), "JOB_STATE_"), sh.ago(unixMS(j.GetQueuedUnixMs())), tookOf(j), j.GetQueuedBy(),
		}
	})
}

func workspaceName(s *waypointv1.JobSpec) string {
	if s.GetWorkspace() == "" {
		return "default"
	}
	return s.GetWorkspace()
}

func tookOf(j *waypointv1.Job) string {
	if j.GetStartedUnixMs() == 0 || j.GetEndedUnixMs() == 0 {
		return "-"
	}
	return terminal.Duration(unixMS(j.GetEndedUnixMs()).Sub(unixMS(j.GetStartedUnixMs())))
}

// operationName is the word for an operation: "up", "deploy", ….
func operationName(op *waypointv1.Operation) string {
	m := op.ProtoReflect()
	f := m.WhichOneof(m.Descriptor().Oneofs().ByName("operation"))
	if f == nil {
		return "-"
	}
	return string(f.Name())
}

type jobOptions struct{ json, force bool }

func newCmdJobInspect(sh *shell) *cobra.Command {
	o := &jobOptions{}
	cmd := &cobra.Command{
		Use: "inspect ID", Short: "Show one job", Args: argCount(1, 1), ValidArgsFunction: completeJobs(sh),
		RunE: func(cmd *cobra.Command, args []string) error { return runJobInspect(cmd.Context(), sh, o, args[0]) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runJobInspect(ctx context.Context, sh *shell, o *jobOptions, id string) error {
	j, _, err := sh.getJob(ctx, id)
	if err != nil {
		return err
	}
	if o.json {
		return sh.printJSON(jsonObject(j))
	}
	for _, line := range terminal.NamedValues(sh.jobFacts(j), sh.outSetting().Color()) {
		sh.printf("%s\n", line)
	}
	if len(j.GetSteps()) > 0 {
		t := terminal.Table{Columns: []terminal.Column{{Title: "STEP"}, {Title: "STARTED"}, {Title: "TOOK"}, {Title: "ATTEMPT"}, {Title: "RECORD", Rank: 1}}}
		for _, s := range j.GetSteps() {
			took := "not finished"
			if s.GetEndedUnixMs() > 0 {
				took = terminal.Duration(stepTime(s))
			}
			t.Rows = append(t.Rows, []string{s.GetName(), sh.ago(unixMS(s.GetStartedUnixMs())), took, strconv.Itoa(int(s.GetAttempt())), s.GetRecordId()})
		}
		sh.printf("\n")
		sh.table(t)
	}
	if used := j.GetVariablesUsed(); len(used) > 0 {
		sh.printf("\n")
		sh.table(variablesTable(used))
	}
	return nil
}

func (sh *shell) getJob(ctx context.Context, id string) (*waypointv1.Job, *client.Client, error) {
	id = strings.ToUpper(id)
	if err := validate.ID("id", id); err != nil {
		return nil, nil, err
	}
	c, err := sh.look(ctx)
	if err != nil {
		return nil, nil, err
	}
	got, err := c.Job.GetJob(ctx, connect.NewRequest(&waypointv1.GetJobRequest{Id: id}))
	if err != nil {
		return nil, nil, err
	}
	return got.Msg.GetJob(), c, nil
}

func (sh *shell) jobFacts(j *waypointv1.Job) [][2]string {
	s := j.GetSpec()
	facts := [][2]string{
		{"Job", j.GetId()},
		{"Operation", operationName(s.GetOperation())},
		{"Project", s.GetProject()}, {"App", s.GetApp()}, {"Workspace", workspaceName(s)},
		{"State", enumName(j.GetState().String(), "JOB_STATE_")},
		{"Queued", sh.when(j.GetQueuedUnixMs()) + " by " + j.GetQueuedBy()},
	}
	add := func(name, value string) {
		if value != "" && value != "0" {
			facts = append(facts, [2]string{name, value})
		}
	}
	add("Waiting", strings.TrimPrefix(whyNot(j.GetWhyNot()), "Waiting: "))
	add("Started", sh.when(j.GetStartedUnixMs()))
	add("Ended", sh.when(j.GetEndedUnixMs()))
	if took := tookOf(j); took != "-" {
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
	if j.GetCancelRequested() && !hasEnded(j) {
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
	for _, line := range madeLines(j.GetResult()) {
		add("Made", line)
	}
	add("Deployment URL", j.GetResult().GetDeployUrl())
	add("Release URL", j.GetResult().GetReleaseUrl())
	return facts
}

func newCmdJobCancel(sh *shell) *cobra.Command {
	o := &jobOptions{}
	cmd := &cobra.Command{
		Use: "cancel ID", Short: "Cancel a job", Args: argCount(1, 1), ValidArgsFunction: completeJobs(sh),
		RunE: func(cmd *cobra.Command, args []string) error { return runJobCancel(cmd.Context(), sh, o, args[0]) },
	}
	cmd.Flags().BoolVar(&o.force, "force", false, "end it at once; its plugin may still run for some seconds")
	cmd.Flags().BoolVar(&o.force, "dangerously-force", false, "the same as -force")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runJobCancel(ctx context.Context, sh *shell, o *jobOptions, id string) error {
	id = strings.ToUpper(id)
	if err := validate.ID("id", id); err != nil {
		return err
	}
	c, err := sh.look(ctx)
	if err != nil {
		return err
	}
	res, err := c.Job.CancelJob(ctx, connect.NewRequest(&waypointv1.CancelJobRequest{Id: id, Force: o.force}))
	if err != nil {
		return err
	}
	j := res.Msg.GetJob()
	if o.json {
		return sh.printJSON(jsonObject(j))
	}
	switch {
	case j.GetState() == waypointv1.JobState_JOB_STATE_CANCELED:
		sh.sayf("The job is cancelled.\n")
	case hasEnded(j):
		sh.sayf("The job had already ended: %s.\n", enumName(j.GetState().String(), "JOB_STATE_"))
	default:
		sh.sayf("The runner has been asked to stop. See how it ends with `waypoint job get-stream %s`.\n", id)
	}
	if o.force {
		sh.sayf("The plugin that was running may go on for some seconds.\n")
	}
	return nil
}

func newCmdJobGetStream(sh *shell) *cobra.Command {
	o := &jobOptions{}
	cmd := &cobra.Command{
		Use: "get-stream ID", Short: "Show a job's output, from its beginning and on", Args: argCount(1, 1), ValidArgsFunction: completeJobs(sh),
		RunE: func(cmd *cobra.Command, args []string) error { return runJobGetStream(cmd.Context(), sh, o, args[0]) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON event a line; the last one is the result")
	return cmd
}

func runJobGetStream(ctx context.Context, sh *shell, o *jobOptions, id string) error {
	j, c, err := sh.getJob(ctx, id)
	if err != nil {
		return err
	}
	return watchJob(ctx, sh, c, j, o.json)
}
