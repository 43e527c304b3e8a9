package config

import (
	"context"

	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Remove removes at most most variables of a project. Fewer than most: none is left. The count of changes stays, so that it never
// goes back under a project of the same name.
func (st *Store) Remove(ctx context.Context, project string, most int) (removed int, err error) {
	for _, prefix := range []string{configPrefix, appsPrefix} {
		n, err := st.db.RemoveItems(ctx, store.ConfigPK(project), prefix, most-removed)
		if removed += n; err != nil || removed == most {
			return removed, err
		}
	}
	return removed, nil
}
