package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/terminal"
)

func newCmdDeployment(sh *shell) *cobra.Command {
	return group("deployment", "Make, list and destroy deployments",
		newCmdDeploy(sh), newCmdDeploymentList(sh), newCmdDeploymentDestroy(sh))
}

type deploymentListOptions struct {
	listFlags
	url bool
}

func newCmdDeploymentList(sh *shell) *cobra.Command {
	o := &deploymentListOptions{}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List deployments", Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return runDeploymentList(cmd.Context(), sh, o) },
	}
	o.register(cmd, true)
	cmd.Flags().BoolVarP(&o.url, "url", "u", true, "show URLs")
	return cmd
}

func runDeploymentList(ctx context.Context, sh *shell, o *deploymentListOptions) error {
	items, err := eachApp(ctx, sh, &o.listFlags, func(c *client.Client, sel *waypointv1.RecordSelector) ([]*waypointv1.Deployment, error) {
		return listDeployments(ctx, c, sel, &o.listFlags)
	})
	if err != nil {
		return err
	}
	var extra []terminal.Column
	if o.url {
		extra = append(extra, terminal.Column{Title: "URL", Rank: 1})
	}
	return showList(sh, o.json, items, "deployments", metaColumns(extra...), func(d *waypointv1.Deployment) []string {
		if o.url {
			return sh.metaCells(d.GetMeta(), &o.listFlags, d.GetUrl())
		}
		return sh.metaCells(d.GetMeta(), &o.listFlags)
	})
}

func listDeployments(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector, f *listFlags) ([]*waypointv1.Deployment, error) {
	state, err := f.recordState()
	if err != nil {
		return nil, err
	}
	physical, err := f.physicalState()
	if err != nil {
		return nil, err
	}
	return pages(f.limit, func(p *waypointv1.Page) ([]*waypointv1.Deployment, string, error) {
		res, err := c.Deployment.ListDeployments(ctx, connect.NewRequest(&waypointv1.ListDeploymentsRequest{
			Selector: sel, Page: p, State: state, PhysicalState: physical,
		}))
		if err != nil {
			return nil, "", err
		}
		return res.Msg.GetDeployments(), res.Msg.GetNextPageToken(), nil
	})
}

type deploymentDestroyOptions struct {
	operationFlags
	approve    approveFlags
	all, force bool
	which      []string
}

func newCmdDeploymentDestroy(sh *shell) *cobra.Command {
	o := &deploymentDestroyOptions{}
	cmd := &cobra.Command{
		Use: "destroy [NUMBER|ID ...]", Short: "Destroy deployments", Args: argCount(0, -1),
		Long: `Destroys the deployments that are named by number or id; without any, every live deployment but the released
one (with -all, that one too).`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.which = args
			return runDeploymentDestroy(cmd, sh, o)
		},
	}
	o.register(cmd)
	o.approve.register(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "the released deployment too")
	cmd.Flags().BoolVar(&o.force, "force", false, "go on where the platform fails")
	return cmd
}

func runDeploymentDestroy(cmd *cobra.Command, sh *shell, o *deploymentDestroyOptions) error {
	return runOperation(cmd, sh, &o.operationFlags, operation{
		name: "destroy", doing: "Destroying deployments of", done: "Destroyed deployments of", oneApp: true,
		spec: func(ctx context.Context, c *client.Client, project, app string) (*waypointv1.Operation, error) {
			ids, err := o.pick(ctx, c, &waypointv1.RecordSelector{Project: project, App: app, Workspace: sh.workspace()})
			if err != nil {
				return nil, err
			}
			return &waypointv1.Operation{Operation: &waypointv1.Operation_Destroy{Destroy: &waypointv1.DestroyOp{DeploymentIds: ids, Force: o.force}}}, nil
		},
		confirm: func(_ string, apps []string) error {
			what := "every deployment but the released one"
			if o.all {
				what = "every deployment, the released one too,"
			}
			if len(o.which) > 0 {
				what = "the deployments " + strings.Join(o.which, ", ")
			}
			return sh.mustConfirm(fmt.Sprintf("Destroy %s of %s in workspace %s?", what, orNone(apps), sh.workspace()), o.approve.given(), o.json)
		},
	})
}

// pick gives the ids to destroy; never none, which would mean everything.
func (o *deploymentDestroyOptions) pick(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector) ([]string, error) {
	var ids []string
	for _, given := range o.which {
		id, err := deploymentID(ctx, c, sel.GetProject(), sel.GetApp(), given)
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
		var err error
		if released, err = releasedDeployment(ctx, c, sel); err != nil {
			return nil, err
		}
	}
	live, err := listDeployments(ctx, c, sel, &listFlags{physical: "created"})
	if err != nil {
		return nil, err
	}
	for _, d := range live {
		if id := d.GetMeta().GetId(); id != released {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, errNothingToDo
	}
	return ids, nil
}

// releasedDeployment is the deployment of the latest release that stands; "" if there is none.
func releasedDeployment(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector) (string, error) {
	res, err := c.Release.ListReleases(ctx, connect.NewRequest(&waypointv1.ListReleasesRequest{
		Selector: sel, Page: &waypointv1.Page{Size: 1},
		State: waypointv1.RecordState_RECORD_STATE_SUCCESS, PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_CREATED,
	}))
	if err != nil {
		return "", fmt.Errorf("finding the released deployment: %w", err)
	}
	if len(res.Msg.GetReleases()) == 0 {
		return "", nil
	}
	return res.Msg.GetReleases()[0].GetDeploymentId(), nil
}
