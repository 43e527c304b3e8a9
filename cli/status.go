package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

type statusOptions struct {
	refresh, allProjects bool
	operationFlags
}

func newCmdStatus(sh *shell) *cobra.Command {
	o := &statusOptions{}
	cmd := &cobra.Command{
		Use: "status", Short: "Show what runs, and how it is", Args: argCount(0, 0),
		Long: `Shows the apps of the project; with -app, one app with its resources; without a project, all projects.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runStatus(cmd, sh, o) },
	}
	o.register(cmd)
	cmd.Flags().BoolVar(&o.refresh, "refresh", false, "ask the platforms first")
	cmd.Flags().BoolVar(&o.allProjects, "all-projects", false, "show all projects")
	return cmd
}

func runStatus(cmd *cobra.Command, sh *shell, o *statusOptions) error {
	ctx := cmd.Context()
	s, err := sh.findScope()
	if o.allProjects || isReason(err, "NO_PROJECT") {
		c, err := sh.look(ctx)
		if err != nil {
			return err
		}
		return statusOfProjects(ctx, sh, c, o.json)
	}
	if err != nil {
		return err
	}
	if err := sh.checkWorkspace(); err != nil {
		return err
	}
	if o.refresh {
		if err := o.ask(cmd, sh); err != nil {
			return err
		}
	}
	c, err := sh.look(ctx)
	if err != nil {
		return err
	}
	apps, err := sh.apps(ctx, c, s)
	if err != nil {
		return err
	}
	var all []*appStatus
	for _, app := range apps {
		one, err := readAppStatus(ctx, c, &waypointv1.RecordSelector{Project: s.project, App: app, Workspace: sh.workspace()})
		if err != nil {
			return fmt.Errorf("reading the status of %s: %w", app, err)
		}
		all = append(all, one)
	}
	looked := sh.lookAtApps(ctx, all)
	if o.json {
		return sh.printJSON(map[string]any{"project": s.project, "workspace": sh.workspace(), "apps": statusObjects(all)})
	}
	sh.showAppStatus(all)
	sh.showProblems(all)
	if sh.flags.app != "" {
		sh.showResources(all[0])
	}
	switch {
	case o.refresh || !anyDeployed(all):
	case looked:
		sh.sayf("Whether apps of this machine answer was looked at now; else the health is as last reported, and `waypoint status -refresh` asks the platforms.\n")
	default:
		sh.sayf("The health is as last reported; `waypoint status -refresh` asks the platforms.\n")
	}
	return nil
}

// ask queues a status operation for each app. Its progress goes to stderr, so that --json stays one document.
func (o *statusOptions) ask(cmd *cobra.Command, sh *shell) error {
	flags := o.operationFlags
	flags.json = false
	return runOperation(cmd, sh, &flags, operation{
		name: "status", doing: "Asking how things are with", done: "Asked how things are with",
		spec: fixed(&waypointv1.Operation{Operation: &waypointv1.Operation_Status{Status: &waypointv1.StatusOp{}}}),
	})
}

// appStatus is what stands of an app in a workspace.
type appStatus struct {
	sel        *waypointv1.RecordSelector
	deployment *waypointv1.Deployment
	release    *waypointv1.Release
	report     *waypointv1.StatusReport
	// problems are what running instances of the deployment report.
	problems []*waypointv1.InstanceProblem
}

// readAppStatus reads the latest deployment that stands, its last report and the latest release that stands.
func readAppStatus(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector) (*appStatus, error) {
	a := &appStatus{sel: sel}
	deployments, err := c.Deployment.ListDeployments(ctx, connect.NewRequest(&waypointv1.ListDeploymentsRequest{
		Selector: sel, Page: &waypointv1.Page{Size: 1}, PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_CREATED,
	}))
	if err != nil {
		return nil, err
	}
	if len(deployments.Msg.GetDeployments()) > 0 {
		id := deployments.Msg.GetDeployments()[0].GetMeta().GetId()
		got, err := c.Deployment.GetDeployment(ctx, connect.NewRequest(&waypointv1.GetDeploymentRequest{
			Ref: &waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Id{Id: id}},
		}))
		if err != nil {
			return nil, err
		}
		a.deployment, a.report, a.problems = got.Msg.GetDeployment(), got.Msg.GetStatus(), got.Msg.GetProblems()
	}
	releases, err := c.Release.ListReleases(ctx, connect.NewRequest(&waypointv1.ListReleasesRequest{
		Selector: sel, Page: &waypointv1.Page{Size: 1}, PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_CREATED,
	}))
	if err != nil {
		return nil, err
	}
	if len(releases.Msg.GetReleases()) > 0 {
		a.release = releases.Msg.GetReleases()[0]
	}
	return a, nil
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
			m["deployment"] = jsonObject(a.deployment)
		}
		if a.release != nil {
			m["release"] = jsonObject(a.release)
		}
		if a.report != nil {
			m["status"] = jsonObject(a.report)
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
		out[i] = jsonObject(p)
	}
	return out
}

// showProblems shows what running instances report, a line each.
func (sh *shell) showProblems(all []*appStatus) {
	for _, a := range all {
		for _, p := range a.problems {
			sh.printf("%s v%d/%s: %s.\n", a.sel.GetApp(), a.deployment.GetMeta().GetSequence(), shortInstance(p.GetInstanceId()),
				terminal.Clean(p.GetProblem(), false))
		}
	}
}

func (sh *shell) showAppStatus(all []*appStatus) {
	t := terminal.Table{Columns: []terminal.Column{
		{Title: "APP"}, {Title: "WORKSPACE", Rank: 3}, {Title: "DEPLOYMENT"}, {Title: "DEPLOYED", Rank: 4},
		{Title: "RELEASE", Rank: 1}, {Title: "HEALTH"}, {Title: "REPORTED", Rank: 5}, {Title: "URL", Rank: 2},
	}}
	for _, a := range all {
		row := []string{a.sel.GetApp(), a.sel.GetWorkspace(), "none", "-", "none", "-", "-", "-"}
		if d := a.deployment; d != nil {
			row[2] = "v" + strconv.FormatInt(d.GetMeta().GetSequence(), 10)
			row[3], row[7] = sh.ago(unixMS(d.GetMeta().GetCompletedUnixMs())), d.GetUrl()
			if d.GetMeta().GetState() != waypointv1.RecordState_RECORD_STATE_SUCCESS {
				row[2] += " (" + enumName(d.GetMeta().GetState().String(), "RECORD_STATE_") + ")"
			}
		}
		if r := a.release; r != nil {
			row[4] = "v" + strconv.FormatInt(r.GetMeta().GetSequence(), 10)
			if r.GetUrl() != "" {
				row[7] = r.GetUrl()
			}
		}
		if p := a.report; p != nil {
			row[5] = healthWord(p.GetHealth())
			row[6] = sh.ago(unixMS(p.GetTimeUnixMs()))
		}
		t.Rows = append(t.Rows, row)
	}
	sh.table(t)
}

func healthWord(h waypointv1.Health) string { return enumName(h.String(), "HEALTH_") }

func (sh *shell) showResources(a *appStatus) {
	resources := a.report.GetResources()
	if len(resources) == 0 {
		resources = a.deployment.GetResources()
	}
	if m := a.report.GetHealthMessage(); m != "" {
		sh.printf("\n%s\n", terminal.Clean(m, false))
	}
	if len(resources) == 0 {
		return
	}
	t := terminal.Table{Columns: []terminal.Column{
		{Title: "RESOURCE"}, {Title: "NAME"}, {Title: "PLATFORM", Rank: 2}, {Title: "HEALTH"}, {Title: "CREATED", Rank: 3}, {Title: "MESSAGE", Rank: 1},
	}}
	for _, r := range resources {
		t.Rows = append(t.Rows, []string{
			r.GetType(), r.GetName(), r.GetPlatform(), healthWord(r.GetHealth()), sh.created(r.GetCreatedUnix()), r.GetHealthMessage(),
		})
	}
	sh.printf("\n")
	sh.table(t)
}

func (sh *shell) created(at int64) string {
	if at == 0 {
		return "-"
	}
	return terminal.Relative(time.Unix(at, 0), sh.env.Now())
}

// statusOfProjects is the view over all projects.
func statusOfProjects(ctx context.Context, sh *shell, c *client.Client, asJSON bool) error {
	projects, err := listProjects(ctx, c, 0)
	if err != nil {
		return err
	}
	return showProjects(sh, projects, asJSON)
}
