package records

import (
	"context"
	"fmt"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// LatestRelease is the latest release of an app in a workspace that succeeded and stands; nil: there is none.
func LatestRelease(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector) (*waypointv1.Release, error) {
	res, err := c.Release.ListReleases(ctx, connect.NewRequest(&waypointv1.ListReleasesRequest{
		Selector: sel, Page: &waypointv1.Page{Size: 1},
		State: waypointv1.RecordState_RECORD_STATE_SUCCESS, PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_CREATED,
	}))
	if err != nil {
		return nil, fmt.Errorf("finding the release of %s: %w", sel.GetApp(), err)
	}
	if len(res.Msg.GetReleases()) == 0 {
		return nil, nil
	}
	return res.Msg.GetReleases()[0], nil
}

// Serving finds the deployment that serves among deployments, which are newest first: the released one, or a later one
// that replaced it in place; without a release the newest that stands. nil: none does.
func Serving(ctx context.Context, c *client.Client, sel *waypointv1.RecordSelector, deployments []*waypointv1.Deployment) (*waypointv1.Deployment, error) {
	release, err := LatestRelease(ctx, c, sel)
	if err != nil {
		return nil, err
	}
	return ServingOf(release, deployments), nil
}

// ServingOf is Serving for a release that is known.
func ServingOf(release *waypointv1.Release, deployments []*waypointv1.Deployment) *waypointv1.Deployment {
	var newest, released *waypointv1.Deployment
	for _, d := range deployments {
		if d.GetPhysicalState() == waypointv1.PhysicalState_PHYSICAL_STATE_CREATED && newest == nil {
			newest = d
		}
		if release != nil && d.GetMeta().GetId() == release.GetDeploymentId() {
			released = d
		}
	}
	if released == nil {
		if release != nil {
			return nil // what is released is not among these
		}
		return newest
	}
	for _, d := range deployments { // newest first
		if d.GetPhysicalState() == waypointv1.PhysicalState_PHYSICAL_STATE_CREATED && d.GetGeneration() != "" && d.GetGeneration() == released.GetGeneration() {
			return d
		}
	}
	if released.GetPhysicalState() != waypointv1.PhysicalState_PHYSICAL_STATE_CREATED {
		return nil
	}
	return released
}
