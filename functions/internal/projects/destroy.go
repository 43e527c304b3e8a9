package projects

import (
	"context"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// A project is destroyed in stages, which its item keeps, because what it has does not fit into one transaction: it is marked,
// and takes no jobs and no changes from then on; once nothing of it is in use, what it has is removed, bit by bit; its own item
// goes last. A mark is taken back if the project turns out to be in use; a removal that has begun only goes on.

// Stage is how far the destruction of a project is.
type Stage string

// The stages.
const (
	NotDestroying Stage = ""
	Marked        Stage = "marked"
	Removing      Stage = "removing"
)

// mayWork is the condition, on a project's item, that jobs may be queued and the project may be changed.
func mayWork() store.Expr {
	return store.If("attribute_exists(#pk) AND attribute_not_exists(#destroying)")
}

// MayWork checks, in a transaction, that a project is there and takes work; see Unfit for the refusal.
func MayWork(project string) store.Action { return store.Check(store.ProjectMeta(project), mayWork()) }

// Unfit is the refusal for a project for which MayWork did not hold.
func (st *Store) Unfit(ctx context.Context, project string) error {
	stage, err := st.DestroyStage(ctx, project)
	if err != nil {
		return err
	}
	return beingDestroyed(project, stage)
}

func beingDestroyed(project string, stage Stage) error {
	e := fault.New(connect.CodeFailedPrecondition, fault.ProjectDestroying, "project %q is being destroyed", project).WithFact("project", project)
	if stage == Removing {
		return e.WithHint("Finish it with `waypoint project destroy %s`; then the name is free again.", project)
	}
	return e.WithHint("Try again in a moment, or finish it with `waypoint project destroy %s`.", project)
}

// DestroyStage reads how far a project's destruction is; PROJECT_NOT_FOUND if absent.
func (st *Store) DestroyStage(ctx context.Context, project string) (Stage, error) {
	var item projectItem
	found, err := st.db.Get(ctx, store.ProjectMeta(project), true, &item)
	if err != nil {
		return "", err
	}
	if !found {
		return "", NotFound(project)
	}
	return item.Destroying, nil
}

const stageLabel = "stage"

// MarkDestroying is the action that marks a project that is not being destroyed; StageTaken tells that somebody else did.
func MarkDestroying(project string) store.Action {
	return store.Update(store.ProjectMeta(project), store.Set("SET #destroying = ?, #ver = #ver + ?", string(Marked), 1), mayWork()).Named(stageLabel)
}

// StageTaken reports whether a transaction failed because the project's stage had changed.
func StageTaken(err error) bool {
	_, failed := store.Failed(err, stageLabel)
	return failed
}

// BeginRemoval lets what a marked project has be removed: there is no way back. Repeated, it changes nothing.
func (st *Store) BeginRemoval(ctx context.Context, project string) error {
	return st.db.Update(ctx, store.ProjectMeta(project), store.Set("SET #destroying = ?", string(Removing)), store.If("attribute_exists(#destroying)"))
}

// Unmark lets a marked project work again. Of one whose removal has begun it is an error.
func (st *Store) Unmark(ctx context.Context, project string) error {
	return st.db.Update(ctx, store.ProjectMeta(project), store.Set("REMOVE #destroying"), store.If("#destroying = ?", string(Marked)))
}

// RemoveParts removes at most most of a project's apps and workspaces. Fewer than most: none is left.
func (st *Store) RemoveParts(ctx context.Context, project string, most int) (removed int, err error) {
	for _, prefix := range []string{store.AppPrefix, store.WorkspacePrefix} {
		n, err := st.db.RemoveItems(ctx, store.ProjectPK(project), prefix, most-removed)
		if removed += n; err != nil || removed == most {
			return removed, err
		}
	}
	return removed, nil
}

// Remove is the action that removes the project's own item, as the last of it.
func Remove(project string) store.Action {
	return store.Delete(store.ProjectMeta(project), store.If("#destroying = ?", string(Removing))).Named(stageLabel)
}
