package deployment

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/lifecycle"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

// New makes the command deployment.
func New(sh Host) *cobra.Command {
	return shell.Group("deployment", "Make, list and destroy deployments",
		lifecycle.NewDeploy(sh), newList(sh), newDestroy(sh))
}

type listOptions struct {
	records.Flags
	url bool
}

func newList(sh Host) *cobra.Command {
	o := &listOptions{}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List deployments", Args: shell.ArgCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), sh, o) },
	}
	o.Register(cmd, true)
	cmd.Flags().BoolVarP(&o.url, "url", "u", true, "show URLs")
	return cmd
}

func runList(ctx context.Context, sh Host, o *listOptions) error {
	items, err := records.EachApp(ctx, sh, &o.Flags, func(c *client.Client, sel *waypointv1.RecordSelector) ([]*waypointv1.Deployment, error) {
		return listDeployments(ctx, c, sel, &o.Flags)
	})
	if err != nil {
		return err
	}
	serving, err := findServing(ctx, sh, items)
	if err != nil {
		return err
	}
	if o.JSON {
		list := make([]map[string]any, len(items))
		for i, d := range items {
			list[i] = render.Object(d)
			list[i]["serves"] = serving[d.GetMeta().GetId()]
		}
		return sh.PrintJSON(list)
	}
	extra := []terminal.Column{{Title: "SERVES", Rank: 1}}
	if o.url {
		extra = append(extra, terminal.Column{Title: "URL", Rank: 2})
	}
	return records.Show(sh, false, items, "deployments", records.Columns(extra...), func(d *waypointv1.Deployment) []string {
		cells := []string{"-", d.GetUrl()}
		if serving[d.GetMeta().GetId()] {
			cells[0] = "yes"
		}
		return records.Cells(sh, d.GetMeta(), &o.Flags, cells[:len(extra)]...)
	})
}

// findServing finds which of the listed deployments serve: one at most for each app and workspace.
func findServing(ctx context.Context, sh Host, items []*waypointv1.Deployment) (map[string]bool, error) {
	type place struct{ project, app, workspace string }
	groups := map[place][]*waypointv1.Deployment{}
	for _, d := range items {
		at := place{d.GetMeta().GetProject(), d.GetMeta().GetApp(), d.GetMeta().GetWorkspace()}
		groups[at] = append(groups[at], d)
	}
	serving := map[string]bool{}
	for at, deployments := range groups {
		c, err := sh.ReadClient(ctx)
		if err != nil {
			return nil, err
		}
		d, err := records.Serving(ctx, c, &waypointv1.RecordSelector{Project: at.project, App: at.app, Workspace: at.workspace}, deployments)
		if err != nil {
			return nil, err
		}
		if d != nil {
			serving[d.GetMeta().GetId()] = true
		}
	}
	return serving, nil
}

func listDeployments(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector, f *records.Flags) ([]*waypointv1.Deployment, error) {
	state, err := f.RecordState()
	if err != nil {
		return nil, err
	}
	physical, err := f.PhysicalState()
	if err != nil {
		return nil, err
	}
	return render.Pages(f.Limit, func(p *waypointv1.Page) ([]*waypointv1.Deployment, string, error) {
		res, err := c.Deployment.ListDeployments(ctx, connect.NewRequest(&waypointv1.ListDeploymentsRequest{
			Selector: sel, Page: p, State: state, PhysicalState: physical,
		}))
		if err != nil {
			return nil, "", err
		}
		return res.Msg.GetDeployments(), res.Msg.GetNextPageToken(), nil
	})
}

type destroyOptions struct {
	operation.Flags
	approve    operation.ApproveFlags
	all, force bool
	which      []string
}

func newDestroy(sh Host) *cobra.Command {
	o := &destroyOptions{}
	cmd := &cobra.Command{
		Use: "destroy [NUMBER|ID ...]", Short: "Destroy deployments", Args: shell.ArgCount(0, -1),
		Long: `Destroys the deployments given by number or id; without arguments, every live deployment except the released
one (with -all, that one too).`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.which = args
			return runDestroy(cmd, sh, o)
		},
	}
	o.Register(cmd)
	o.approve.Register(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "destroy the released deployment too")
	cmd.Flags().BoolVar(&o.force, "force", false, "continue if the platform returns an error")
	return cmd
}

func runDestroy(cmd *cobra.Command, sh Host, o *destroyOptions) error {
	return operation.Run(cmd, sh, &o.Flags, operation.Operation{
		Name: "destroy", Doing: "Destroying deployments of", Done: "Destroyed deployments of", OneApp: true,
		Spec: func(ctx context.Context, c *client.Client, project, app string) (*waypointv1.Operation, error) {
			ids, err := o.pick(ctx, c, &waypointv1.RecordSelector{Project: project, App: app, Workspace: sh.Workspace()})
			if err != nil {
				return nil, err
			}
			return &waypointv1.Operation{Operation: &waypointv1.Operation_Destroy{Destroy: &waypointv1.DestroyOp{DeploymentIds: ids, Force: o.force}}}, nil
		},
		Confirm: func(_ string, apps []string) error {
			what := "every deployment but the released one"
			if o.all {
				what = "every deployment, the released one too,"
			}
			if len(o.which) > 0 {
				what = "the deployments " + strings.Join(o.which, ", ")
			}
			return sh.MustConfirm(fmt.Sprintf("Destroy %s of %s in workspace %s?", what, render.OrNone(apps), sh.Workspace()), o.approve.Given(), o.JSON)
		},
	})
}

// pick gives the ids to destroy; never none, which would mean everything.
func (o *destroyOptions) pick(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector) ([]string, error) {
	var ids []string
	for _, given := range o.which {
		id, err := records.DeploymentID(ctx, c, sel.GetProject(), sel.GetApp(), given)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(o.which) > 0 {
		return ids, nil
	}
	released := ""
	if !o.all {
		release, err := records.LatestRelease(ctx, c, sel)
		if err != nil {
			return nil, err
		}
		released = release.GetDeploymentId()
	}
	live, err := listDeployments(ctx, c, sel, &records.Flags{Physical: "created"})
	if err != nil {
		return nil, err
	}
	for _, d := range live {
		if id := d.GetMeta().GetId(); id != released {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, operation.ErrNothingToDo
	}
	return ids, nil
}
