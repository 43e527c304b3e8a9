package projects

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// hclMost bounds a stored waypoint.hcl after compression: DynamoDB's item limit is 400 KB.
const hclMost = 350 << 10

// upsertTries bounds how often a project that others change at the same time is read again.
const upsertTries = 8

// Upsert creates or changes a project and adds or changes apps: fields as the contract says. extra is
// made again for each try and committed with the change (audit, idempotency); what would change nothing is not
// written at all.
func (st *Store) Upsert(ctx context.Context, req *waypointv1.UpsertProjectRequest, sealer store.Sealer,
	extra func() ([]store.Action, error),
) (*waypointv1.UpsertProjectResponse, error) {
	name := req.GetProject().GetName()
	waits := store.Contention.Start()
	for try := 1; ; try++ {
		var old projectItem
		exists, err := st.db.Get(ctx, store.ProjectMeta(name), true, &old)
		if err != nil {
			return nil, err
		}
		if old.Destroying != NotDestroying {
			return nil, beingDestroyed(name, old.Destroying)
		}
		next := old
		if err := st.changeProject(ctx, &next, req, sealer, exists); err != nil {
			return nil, err
		}
		tx := store.Tx{}
		if !exists || !old.same(next) {
			next.Updated = st.db.Now().Unix()
			if !exists {
				next.Created = next.Updated
			}
			next.Version = old.Version + 1
			cond := store.Absent()
			if exists {
				cond = store.If("#ver = ?", old.Version)
			}
			tx.Add(store.Put(store.ProjectMeta(name), next, cond).Named("project"))
		}
		apps, err := st.changedApps(ctx, name, req.GetApps(), &tx)
		if err != nil {
			return nil, err
		}
		if tx.Len() > 0 {
			more, err := extra()
			if err != nil {
				return nil, err
			}
			err = st.db.Transact(ctx, *tx.Add(more...))
			if _, raced := store.Failed(err, "project"); raced && try < upsertTries {
				if err := store.Pause(ctx, waits); err != nil {
					return nil, err
				}
				continue
			}
			if err != nil {
				return nil, err
			}
		}
		p, err := next.message()
		if err != nil {
			return nil, err
		}
		return &waypointv1.UpsertProjectResponse{Project: p, Apps: apps, Created: !exists}, nil
	}
}

func (st *Store) changeProject(ctx context.Context, i *projectItem, req *waypointv1.UpsertProjectRequest, sealer store.Sealer, exists bool) error {
	p := req.GetProject()
	i.Name, i.Index1PK, i.Index1SK = p.GetName(), store.ProjectsIndex, p.GetName()
	fields := req.GetUpdateFields()
	if !exists {
		fields = []string{"remote_enabled", "data_source", "labels", "waypoint_hcl"}
	}
	for _, field := range fields {
		switch field {
		case "remote_enabled":
			i.Remote = p.GetRemoteEnabled()
		case "labels":
			i.Labels = p.GetLabels()
		case "data_source":
			if err := i.setSource(ctx, sealer, p.GetDataSource()); err != nil {
				return err
			}
		case "waypoint_hcl":
			if i.HCL = nil; len(p.GetWaypointHcl()) > 0 {
				packed, err := st.db.Pack(p.GetWaypointHcl())
				if err != nil {
					return fmt.Errorf("storing waypoint.hcl: %w", err)
				}
				i.HCL = packed
			}
			if err := validate.Size("waypoint_hcl (compressed)", len(i.HCL), hclMost); err != nil {
				return err
			}
		default:
			return fault.New(connect.CodeInvalidArgument, fault.InvalidArgument, "%q is not a field of a project that can be updated", field).
				WithHint("Use remote_enabled, data_source, labels or waypoint_hcl.").WithFact("field", "update_fields")
		}
	}
	return nil
}

// same reports whether nothing but bookkeeping differs. Sealed credentials differ whenever they are given.
func (i *projectItem) same(other projectItem) bool {
	return i.Remote == other.Remote && maps.Equal(i.Labels, other.Labels) && bytes.Equal(i.Source, other.Source) &&
		bytes.Equal(i.Secrets, other.Secrets) && bytes.Equal(i.HCL, other.HCL)
}

// changedApps adds the apps that are new or differ, and returns all of the request's.
func (st *Store) changedApps(ctx context.Context, project string, apps []*waypointv1.App, tx *store.Tx) ([]*waypointv1.App, error) {
	if len(apps) == 0 {
		return nil, nil
	}
	keys := make([]store.Key, len(apps))
	for i, app := range apps {
		keys[i] = store.App(project, app.GetName())
	}
	found, err := st.db.BatchGet(ctx, keys, true)
	if err != nil {
		return nil, err
	}
	out := make([]*waypointv1.App, len(apps))
	for i, app := range apps {
		next := appItem{Name: app.GetName(), Labels: app.GetLabels(), Signal: app.GetFileChangeSignal()}
		out[i] = next.message(project)
		if raw, ok := found[keys[i]]; ok {
			var old appItem
			if err := store.Decode(raw, &old); err != nil {
				return nil, err
			}
			if maps.Equal(old.Labels, next.Labels) && old.Signal == next.Signal {
				continue
			}
		}
		tx.Add(store.Put(keys[i], next))
	}
	return out, nil
}

// TouchWorkspace is the action that notes the use of a workspace.
func TouchWorkspace(project, workspace string, now time.Time) store.Action {
	return store.Update(store.Workspace(project, workspace), store.Set("SET #name = ?, #first = if_not_exists(#first, ?), #last = ?", workspace, now.Unix(), now.Unix()))
}
