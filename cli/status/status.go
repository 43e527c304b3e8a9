package status

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/logs"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/project"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

type options struct {
	refresh, allProjects bool
	operation.Flags
}

// New makes the command status.
func New(sh Host) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "status", Short: "Show what runs, and its health", Args: shell.ArgCount(0, 0),
		Long: `Shows the apps of the project; with -app, one app with its resources; without a project, all projects.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, sh, o) },
	}
	o.Register(cmd)
	cmd.Flags().BoolVar(&o.refresh, "refresh", false, "ask the platforms for the current health first")
	cmd.Flags().BoolVar(&o.allProjects, "all-projects", false, "show all projects")
	return cmd
}

func run(cmd *cobra.Command, sh Host, o *options) error {
	ctx := cmd.Context()
	s, err := scope.Find(sh)
	if o.allProjects || problem.IsReason(err, "NO_PROJECT") {
		c, err := sh.ReadClient(ctx)
		if err != nil {
			return err
		}
		return statusOfProjects(ctx, sh, c, o.JSON)
	}
	if err != nil {
		return err
	}
	if err := scope.CheckWorkspace(sh); err != nil {
		return err
	}
	if o.refresh {
		if err := o.ask(cmd, sh); err != nil {
			return err
		}
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	apps, err := scope.Apps(ctx, sh, c, s)
	if err != nil {
		return err
	}
	var all []*appStatus
	for _, app := range apps {
		one, err := readAppStatus(ctx, c, &waypointv1.RecordSelector{Project: s.Project, App: app, Workspace: sh.Workspace()})
		if err != nil {
			return fmt.Errorf("reading the status of %s: %w", app, err)
		}
		all = append(all, one)
	}
	looked := lookAtApps(ctx, sh, all)
	if o.JSON {
		return sh.PrintJSON(map[string]any{"project": s.Project, "workspace": sh.Workspace(), "apps": statusObjects(all)})
	}
	showAppStatus(sh, all)
	showProblems(sh, all)
	showNews(sh, all)
	if sh.Flags().App != "" {
		showResources(sh, all[0])
	}
	switch {
	case o.refresh || !anyDeployed(all):
	case looked:
		sh.Progressf("Apps on this machine were checked just now; for others this is the last reported health, and `waypoint status -refresh` asks the platforms.\n")
	default:
		sh.Progressf("This is the last reported health; `waypoint status -refresh` asks the platforms.\n")
	}
	return nil
}

// ask queues a status operation for each app. Its progress goes to stderr, so that --json stays one document.
func (o *options) ask(cmd *cobra.Command, sh Host) error {
	flags := o.Flags
	flags.JSON = false
	return operation.Run(cmd, sh, &flags, operation.Operation{
		Name: "status", Doing: "Checking the health of", Done: "Checked the health of",
		Spec: operation.Same(&waypointv1.Operation{Operation: &waypointv1.Operation_Status{Status: &waypointv1.StatusOp{}}}),
	})
}

// appStatus is what stands of an app in a workspace.
type appStatus struct {
	sel *waypointv1.RecordSelector
	// deployment is the one that serves: the released one, or the newest if none is.
	deployment *waypointv1.Deployment
	// newer is a later deployment that stands and is not released; nil: there is none.
	newer   *waypointv1.Deployment
	release *waypointv1.Release
	report  *waypointv1.StatusReport
	// crashes are those of an app of this machine's process plugin.
	crashes plugin.Crashes
	// failed is the last job, if it failed.
	failed *waypointv1.Job
	// problems are what running instances of the deployment report.
	problems []*waypointv1.InstanceProblem
}

func anyDeployed(all []*appStatus) bool {
	for _, a := range all {
		if a.deployment != nil {
			return true
		}
	}
	return false
}

func statusObjects(all []*appStatus) []any {
	out := make([]any, len(all))
	for i, a := range all {
		m := map[string]any{"app": a.sel.GetApp(), "deployment": nil, "release": nil, "status": nil}
		if a.deployment != nil {
			m["deployment"] = render.Object(a.deployment)
		}
		if a.release != nil {
			m["release"] = render.Object(a.release)
		}
		if a.report != nil {
			m["status"] = render.Object(a.report)
		}
		if a.newer != nil {
			m["newer_deployment"] = render.Object(a.newer)
		}
		if a.failed != nil {
			m["failed_job"] = render.Object(a.failed)
		}
		if len(a.problems) > 0 {
			m["problems"] = problemObjects(a.problems)
		}
		out[i] = m
	}
	return out
}

func problemObjects(problems []*waypointv1.InstanceProblem) []any {
	out := make([]any, len(problems))
	for i, p := range problems {
		out[i] = render.Object(p)
	}
	return out
}

// showProblems shows what running instances report, a line each.
func showProblems(sh Host, all []*appStatus) {
	for _, a := range all {
		for _, p := range a.problems {
			sh.Printf("%s v%d/%s: %s.\n", a.sel.GetApp(), a.deployment.GetMeta().GetSequence(), logs.ShortInstance(p.GetInstanceId()),
				terminal.Clean(p.GetProblem(), false))
		}
	}
}

func showAppStatus(sh Host, all []*appStatus) {
	t := terminal.Table{Columns: []terminal.Column{
		{Title: "APP"}, {Title: "WORKSPACE", Rank: 3}, {Title: "DEPLOYMENT"}, {Title: "DEPLOYED", Rank: 4},
		{Title: "RELEASE", Rank: 1}, {Title: "HEALTH"}, {Title: "REPORTED", Rank: 5}, {Title: "URL", Rank: 2},
	}}
	for _, a := range all {
		row := []string{a.sel.GetApp(), a.sel.GetWorkspace(), "none", "-", "none", "-", "-", "-"}
		if d := a.deployment; d != nil {
			row[2] = "v" + strconv.FormatInt(d.GetMeta().GetSequence(), 10)
			row[3], row[7] = sh.Ago(render.UnixMS(d.GetMeta().GetCompletedUnixMs())), d.GetUrl()
			if d.GetMeta().GetState() != waypointv1.RecordState_RECORD_STATE_SUCCESS {
				row[2] += " (" + render.Enum(d.GetMeta().GetState().String(), "RECORD_STATE_") + ")"
			}
		}
		if r := a.release; r != nil {
			row[4] = "v" + strconv.FormatInt(r.GetMeta().GetSequence(), 10)
			if r.GetUrl() != "" {
				row[7] = r.GetUrl()
			}
		}
		if p := a.report; p != nil {
			row[5] = render.HealthWord(p.GetHealth())
			row[6] = sh.Ago(render.UnixMS(p.GetTimeUnixMs()))
		}
		t.Rows = append(t.Rows, row)
	}
	sh.Table(t)
}

func showResources(sh Host, a *appStatus) {
	resources := a.report.GetResources()
	if len(resources) == 0 {
		resources = a.deployment.GetResources()
	}
	if m := a.report.GetHealthMessage(); m != "" {
		sh.Printf("\n%s\n", terminal.Clean(m, false))
	}
	if len(resources) == 0 {
		return
	}
	t := terminal.Table{Columns: []terminal.Column{
		{Title: "RESOURCE"}, {Title: "NAME"}, {Title: "PLATFORM", Rank: 2}, {Title: "HEALTH"}, {Title: "CREATED", Rank: 3}, {Title: "MESSAGE", Rank: 1},
	}}
	for _, r := range resources {
		t.Rows = append(t.Rows, []string{
			r.GetType(), r.GetName(), r.GetPlatform(), render.HealthWord(r.GetHealth()), created(sh, r.GetCreatedUnix()), r.GetHealthMessage(),
		})
	}
	sh.Printf("\n")
	sh.Table(t)
}

func created(sh Host, at int64) string {
	if at == 0 {
		return "-"
	}
	return terminal.Relative(time.Unix(at, 0), sh.Env().Now())
}

// statusOfProjects is the view over all projects.
func statusOfProjects(ctx context.Context, sh Host, c *client.Client, asJSON bool) error {
	projects, err := scope.ListProjects(ctx, c, 0)
	if err != nil {
		return err
	}
	return project.ShowProjects(sh, projects, asJSON)
}
