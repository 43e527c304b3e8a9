package records

import (
	"context"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// InUse finds a deployment or release of an app, in any workspace, that was not destroyed; nil if there is none. It reads every
// record of the app, newest first, so it is for what happens seldom.
func (st *Store) InUse(ctx context.Context, project, app string) (*waypointv1.Record, error) {
	for _, kind := range []Kind{Deployments, Releases} {
		in := ListRequest{Kind: kind, Project: project, App: app, Physical: waypointv1.PhysicalState_PHYSICAL_STATE_CREATED, Size: 100}
		for {
			found, next, err := st.List(ctx, in)
			if err != nil {
				return nil, err
			}
			if len(found) > 0 {
				return found[0], nil
			}
			if next == "" {
				break
			}
			in.Token = next
		}
	}
	return nil, nil
}

// Satellites removes at most most items that belong to a deployment and stand elsewhere. Fewer than most: none is left.
type Satellites func(ctx context.Context, deployment string, most int) (removed int, err error)

// RemoveOfApp removes at most most items of an app: its deployments with their satellites, then all of its records and counters.
// Fewer than most: none is left.
func (st *Store) RemoveOfApp(ctx context.Context, project, app string, most int, satellites Satellites) (removed int, err error) {
	pk := store.AppPK(project, app)
	for removed < most {
		page, err := st.db.First(ctx, store.Query{PK: pk, SKPrefix: store.RecordPrefix(string(Deployments)), Order: store.OldestFirst, Consistent: true}, 1)
		if err != nil {
			return removed, err
		}
		if len(page) == 0 {
			n, err := st.db.RemoveItems(ctx, pk, "", most-removed)
			return removed + n, err
		}
		var item recordItem
		if err := store.Decode(page[0], &item); err != nil {
			return removed, err
		}
		n, err := satellites(ctx, item.ID, most-removed)
		if removed += n; err != nil || removed >= most {
			return removed, err
		}
		n, err = st.db.RemoveItems(ctx, store.DeploymentPK(item.ID), "", most-removed)
		if removed += n; err != nil || removed >= most {
			return removed, err
		}
		if err := st.db.Delete(ctx, store.KeyOf(page[0])); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
