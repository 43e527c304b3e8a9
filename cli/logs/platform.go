package logs

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// ownLogs is a deployment whose platform has the logs.
type ownLogs struct {
	platform   plugin.LogStreamer
	deployment *plugin.Deployment
}

// logSources finds the deployments whose app has no entrypoint to send its logs, and which platform has them; and whether
// there are others, or none at all, so that the server is to be asked.
func logSources(ctx context.Context, sh Host, c *client.Client, req *waypointv1.TailLogsRequest) (own []ownLogs, server bool, err error) {
	live, err := c.Deployment.ListDeployments(ctx, connect.NewRequest(&waypointv1.ListDeploymentsRequest{
		Selector:      &waypointv1.RecordSelector{Project: req.GetProject(), App: req.GetApp(), Workspace: req.GetWorkspace()},
		PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_CREATED, Page: &waypointv1.Page{Size: validate.MaxPage},
	}))
	if err != nil {
		return nil, false, fmt.Errorf("finding the app's deployments: %w", err)
	}
	for _, d := range live.Msg.GetDeployments() {
		m := d.GetMeta()
		if req.GetDeploymentId() != "" && req.GetDeploymentId() != m.GetId() {
			continue
		}
		given := &plugin.Deployment{ID: m.GetId(), Sequence: m.GetSequence(), Plugin: m.GetPlugin(), State: d.GetResult().GetStateJson()}
		platform, err := sh.Deps().Catalog().Platform(m.GetPlugin())
		if reader, ok := plugin.As[plugin.LogStreamer](platform); err == nil && ok && reader.OwnLogs(given) {
			own = append(own, ownLogs{reader, given})
			continue
		}
		server = true
	}
	return own, server || len(own) == 0, nil
}

// readOwn reads the logs that platforms have, in the group.
func readOwn(ctx context.Context, group *errgroup.Group, own []ownLogs, req *waypointv1.TailLogsRequest, o *options, show func(*waypointv1.LogLine)) {
	for _, s := range own {
		group.Go(func() error {
			env := &plugin.Call{Env: plugin.Env{Project: req.GetProject(), App: req.GetApp(), Workspace: req.GetWorkspace()}}
			err := s.platform.DeploymentLogs(ctx, env, s.deployment, int(o.lines), o.follow, func(l plugin.LogLine) {
				show(&waypointv1.LogLine{
					TimeUnixMs: l.Time.UnixMilli(), DeploymentId: s.deployment.ID, DeploymentSequence: s.deployment.Sequence,
					InstanceId: s.deployment.ID, Text: l.Text, Stderr: l.Stderr,
				})
			})
			if err != nil {
				return fmt.Errorf("reading the logs of deployment v%d: %w", s.deployment.Sequence, err)
			}
			return nil
		})
	}
}
