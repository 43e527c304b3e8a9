package project

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/completion"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

type destroyOptions struct {
	operation.Flags
	approve       operation.ApproveFlags
	skipResources bool
}

func newDestroy(sh Host) *cobra.Command {
	o := &destroyOptions{}
	cmd := &cobra.Command{
		Use: "destroy [NAME]", Short: "Destroy all that a project runs, and forget it", Args: shell.ArgCount(0, 1), ValidArgsFunction: completion.Projects(sh),
		Long: `Destroys the releases and deployments of every app in every workspace, as "waypoint destroy" does, and then removes the
project from the server: its apps, workspaces, records, configuration, input variables and logs. There is no way back. The
project's jobs stay in "waypoint job list", and tokens that name the project stay: see "waypoint token list".

If it is interrupted, run it again: it goes on where it was.`,
		Example: "  waypoint project destroy\n  waypoint project destroy shop -auto-approve\n  waypoint project destroy shop -skip-destroy-resources",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				sh.Flags().Project = args[0]
			}
			return runDestroy(cmd, sh, o)
		},
	}
	o.Register(cmd)
	o.approve.Register(cmd)
	cmd.Flags().BoolVar(&o.skipResources, "skip-destroy-resources", false, "leave what runs as it is, and only forget it")
	return cmd
}

func runDestroy(cmd *cobra.Command, sh Host, o *destroyOptions) error {
	ctx := cmd.Context()
	s, err := scope.Find(sh)
	if err != nil {
		return err
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return err
	}
	got, err := c.Project.GetProject(ctx, connect.NewRequest(&waypointv1.GetProjectRequest{Name: s.Project}))
	if err != nil {
		return err
	}
	running, err := workspacesInUse(ctx, c, got.Msg)
	if err != nil {
		return err
	}
	if err := sh.MustConfirm(question(s.Project, running, o.skipResources), o.approve.Given(), o.JSON); err != nil {
		return err
	}
	if !o.skipResources && !got.Msg.GetProject().GetDestroying() {
		for _, workspace := range running {
			sh.Flags().Workspace = workspace
			if err := operation.Run(cmd, sh, &o.Flags, operation.Destroy()); err != nil {
				return fmt.Errorf("the project %s was kept: %w", s.Project, err)
			}
		}
	}
	removed, err := forget(ctx, c, s.Project, o.skipResources)
	if err != nil {
		return err
	}
	if o.JSON {
		return sh.PrintJSON(map[string]any{"type": "result", "operation": "project destroy", "project": s.Project, "removed": removed})
	}
	sh.Printf("Destroyed the project %s: %d stored items were removed.\n", s.Project, removed)
	return nil
}

func question(project string, running []string, skip bool) string {
	what := fmt.Sprintf("the project %s, its records, configuration and logs", project)
	switch {
	case len(running) == 0:
		return fmt.Sprintf("Destroy %s? Nothing of it runs.", what)
	case skip:
		return fmt.Sprintf("Forget %s? What runs in %s goes on.", what, strings.Join(running, ", "))
	}
	return fmt.Sprintf("Destroy all that runs in the workspaces %s, and %s?", strings.Join(running, ", "), what)
}

// workspacesInUse are the workspaces of a project in which a deployment or release of an app was not destroyed.
func workspacesInUse(ctx context.Context, c *client.Client, p *waypointv1.GetProjectResponse) (names []string, err error) {
	for _, w := range p.GetWorkspaces() {
		for _, app := range p.GetApps() {
			used, err := inUse(ctx, c, &waypointv1.RecordSelector{Project: p.GetProject().GetName(), App: app.GetName(), Workspace: w.GetName()})
			if err != nil {
				return nil, err
			}
			if used {
				names = append(names, w.GetName())
				break
			}
		}
	}
	return names, nil
}

func inUse(ctx context.Context, c *client.Client, of *waypointv1.RecordSelector) (bool, error) {
	const created = waypointv1.PhysicalState_PHYSICAL_STATE_CREATED
	one := &waypointv1.Page{Size: 1}
	deployments, err := c.Deployment.ListDeployments(ctx, connect.NewRequest(&waypointv1.ListDeploymentsRequest{Selector: of, Page: one, PhysicalState: created}))
	if err != nil || len(deployments.Msg.GetDeployments()) > 0 {
		return err == nil, err
	}
	releases, err := c.Release.ListReleases(ctx, connect.NewRequest(&waypointv1.ListReleasesRequest{Selector: of, Page: one, PhysicalState: created}))
	return err == nil && len(releases.Msg.GetReleases()) > 0, err
}

// settling is the pause after the first call: the server's index shows a job that was queued just before it by then.
const settling = time.Second

// forget lets the server remove the project, call by call.
func forget(ctx context.Context, c *client.Client, project string, skip bool) (removed int64, err error) {
	for call := 0; ; call++ {
		res, err := c.Project.DestroyProject(ctx, connect.NewRequest(&waypointv1.DestroyProjectRequest{Name: project, SkipDestroyResources: skip}))
		if call > 0 && fault.Is(err, fault.ProjectNotFound) {
			return removed, nil // the answer that it is gone was lost
		}
		if err != nil {
			return removed, err
		}
		if removed += res.Msg.GetRemoved(); res.Msg.GetDone() {
			return removed, nil
		}
		if call > 0 {
			continue
		}
		pause := time.NewTimer(settling)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return removed, ctx.Err()
		}
	}
}
