package lifecycle

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/operation"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// rollbackLooks bounds how many of the newest deployments are looked through.
const rollbackLooks = 200

// NewRollback makes the command rollback.
func NewRollback(sh Host) *cobra.Command {
	var flags operation.Flags
	cmd := &cobra.Command{
		Use: "rollback [NUMBER|ID]", Short: "Release an earlier deployment again", Args: shell.ArgCount(0, 1),
		Long: `Releases the last good deployment before the one that serves, or the one given by number or id. Nothing is built, and
nothing is removed: the deployment that serves now stays, so that "waypoint release" can return to it.

On a platform that changes a deployment in place, the artifact of the earlier deployment is deployed again.`,
		Example: "  waypoint rollback\n  waypoint rollback v3\n  waypoint rollback -app web",
		RunE: func(cmd *cobra.Command, args []string) error {
			given := ""
			if len(args) > 0 {
				given = args[0]
			}
			return runRollback(cmd, sh, &flags, given)
		},
	}
	flags.Register(cmd)
	return cmd
}

func runRollback(cmd *cobra.Command, sh Host, flags *operation.Flags, given string) error {
	return operation.Run(cmd, sh, flags, operation.Operation{
		Name: "rollback", Doing: "Rolling back", Done: "Rolled back", OneApp: given != "", Next: []string{"`waypoint status`", "`waypoint logs`"},
		Spec: func(ctx context.Context, c *client.Client, project, app string) (*waypointv1.Operation, error) {
			sel := &waypointv1.RecordSelector{Project: project, App: app, Workspace: sh.Workspace()}
			target, inPlace, err := rollbackTo(ctx, c, sel, given)
			if err != nil {
				return nil, err
			}
			if inPlace {
				return &waypointv1.Operation{Operation: &waypointv1.Operation_Deploy{
					Deploy: &waypointv1.DeployOp{ArtifactId: target.GetArtifactId(), Release: true},
				}}, nil
			}
			return &waypointv1.Operation{Operation: &waypointv1.Operation_Release{
				Release: &waypointv1.ReleaseOp{DeploymentId: target.GetMeta().GetId()},
			}}, nil
		},
	})
}

// rollbackTo finds the deployment to go back to, and whether its platform changes deployments in place, so that its
// artifact is to be deployed again.
func rollbackTo(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector, given string) (*waypointv1.Deployment, bool, error) {
	all, err := newestDeployments(ctx, c, sel)
	if err != nil {
		return nil, false, err
	}
	serving, err := records.Serving(ctx, c, sel, all)
	if err != nil {
		return nil, false, err
	}
	if serving == nil {
		return nil, false, problem.New("NOTHING_DEPLOYED", "nothing of %s is deployed in the workspace %s", sel.GetApp(), sel.GetWorkspace()).
			WithHint("`waypoint up` deploys it.")
	}
	if given != "" {
		return rollbackToGiven(ctx, c, sel, serving, all, given)
	}
	target, inPlace := rollbackTarget(serving, all)
	if target == nil {
		return nil, false, problem.New("NOTHING_TO_ROLL_BACK_TO", "no good deployment of %s is kept from before v%d, which serves", sel.GetApp(), serving.GetMeta().GetSequence()).
			WithHint("`waypoint up` and `waypoint deploy` keep more than one earlier deployment with -prune-retain, or all with -prune=false.")
	}
	return target, inPlace, nil
}

func rollbackToGiven(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector, serving *waypointv1.Deployment,
	all []*waypointv1.Deployment, given string,
) (*waypointv1.Deployment, bool, error) {
	id, err := records.DeploymentID(ctx, c, sel.GetProject(), sel.GetApp(), given)
	if err != nil {
		return nil, false, err
	}
	for _, d := range all {
		if d.GetMeta().GetId() != id {
			continue
		}
		switch {
		case id == serving.GetMeta().GetId():
			return nil, false, problem.New("USAGE", "deployment v%d of %s serves already", d.GetMeta().GetSequence(), sel.GetApp())
		case !good(d):
			return nil, false, problem.New("USAGE", "deployment v%d of %s cannot be released: it did not succeed", d.GetMeta().GetSequence(), sel.GetApp())
		case sharesPlace(serving, d):
			return d, true, nil
		case !stands(d):
			return nil, false, problem.New("USAGE", "deployment v%d of %s was destroyed", d.GetMeta().GetSequence(), sel.GetApp()).
				WithHint("`waypoint deployment list` shows what can be released.")
		}
		return d, false, nil
	}
	return nil, false, problem.New("USAGE", "deployment %s is not among the last %d of %s in the workspace %s", given, rollbackLooks, sel.GetApp(), sel.GetWorkspace())
}

// newestDeployments lists deployments of an app in a workspace, newest first, destroyed and failed ones too.
func newestDeployments(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector) ([]*waypointv1.Deployment, error) {
	var all []*waypointv1.Deployment
	page := &waypointv1.Page{Size: rollbackLooks}
	for len(all) < rollbackLooks {
		res, err := c.Deployment.ListDeployments(ctx, connect.NewRequest(&waypointv1.ListDeploymentsRequest{Selector: sel, Page: page}))
		if err != nil {
			return nil, fmt.Errorf("finding the deployments of %s: %w", sel.GetApp(), err)
		}
		all = append(all, res.Msg.GetDeployments()...)
		if res.Msg.GetNextPageToken() == "" {
			break
		}
		page.Token = res.Msg.GetNextPageToken()
	}
	return all, nil
}

// rollbackTarget is the newest good deployment before the one that serves, and whether it was replaced in place. all
// are newest first. nil: nothing is kept.
func rollbackTarget(serving *waypointv1.Deployment, all []*waypointv1.Deployment) (target *waypointv1.Deployment, inPlace bool) {
	for _, d := range all {
		if d.GetMeta().GetSequence() >= serving.GetMeta().GetSequence() || !good(d) {
			continue
		}
		if sharesPlace(serving, d) {
			if d.GetArtifactId() != "" && d.GetArtifactId() != serving.GetArtifactId() {
				return d, true
			}
			continue // the same artifact: it would change nothing
		}
		if stands(d) {
			return d, false
		}
	}
	return nil, false
}

func good(d *waypointv1.Deployment) bool {
	return d.GetMeta().GetState() == waypointv1.RecordState_RECORD_STATE_SUCCESS
}

func stands(d *waypointv1.Deployment) bool {
	return d.GetPhysicalState() == waypointv1.PhysicalState_PHYSICAL_STATE_CREATED
}

// sharesPlace reports whether two deployments are the same running thing, which the later one changed.
func sharesPlace(a, b *waypointv1.Deployment) bool {
	return a.GetGeneration() != "" && a.GetGeneration() == b.GetGeneration()
}
