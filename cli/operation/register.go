package operation

import (
	"context"
	"fmt"
	"slices"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/config"
)

// Register sends a waypoint.hcl's project and apps. With update the file's labels replace those that the server has.
func Register(ctx context.Context, c *client.Client, local *config.Project, update bool) (*waypointv1.UpsertProjectResponse, error) {
	req := local.Registration()
	if update {
		req.UpdateFields = append(req.UpdateFields, "labels")
	}
	res, err := c.Project.UpsertProject(ctx, connect.NewRequest(req))
	if err != nil {
		return nil, fmt.Errorf("registering the project: %w", err)
	}
	return res.Msg, nil
}

// ensureRegistered gives the project as the server has it. What the waypoint.hcl of this directory declares and the
// server does not know yet is registered on the way, and said.
func ensureRegistered(ctx context.Context, sh Host, c *client.Client, s *scope.Scope) (*waypointv1.Project, []string, error) {
	got, err := c.Project.GetProject(ctx, connect.NewRequest(&waypointv1.GetProjectRequest{Name: s.Project}))
	unknown := fault.Is(err, fault.ProjectNotFound) || fault.Is(err, fault.NotFound)
	if err != nil && (!unknown || s.Foreign()) {
		return nil, nil, err
	}
	var known []string
	if err == nil {
		known = scope.AppNames(got.Msg.GetApps())
	}
	var missing []string
	for _, name := range s.LocalApps() {
		if !slices.Contains(known, name) {
			missing = append(missing, name)
		}
	}
	if err == nil && len(missing) == 0 {
		return got.Msg.GetProject(), known, nil
	}
	made, err := Register(ctx, c, s.Local, false)
	if err != nil {
		return nil, nil, err
	}
	if unknown {
		sh.Progressf("Registered the project %q with the apps %s.\n", s.Project, render.OrNone(missing))
	} else {
		sh.Progressf("Registered the new apps %s of the project %q.\n", render.OrNone(missing), s.Project)
	}
	return made.GetProject(), scope.AppNames(made.GetApps()), nil
}
