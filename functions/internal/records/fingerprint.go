package records

import (
	"context"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// FingerprintAAD binds a sealed fingerprint to its record.
func FingerprintAAD(kind Kind, id string) string {
	return "RECORD#" + string(kind) + "#" + id + "/FINGERPRINT"
}

// Fingerprinted reads a record and its sealed fingerprint, which is nil if the record was written without one.
func (st *Store) Fingerprinted(ctx context.Context, kind Kind, id string) (*waypointv1.Record, []byte, error) {
	key, found, err := st.db.AwaitIndexed(ctx, store.RecordIDIndex(id))
	if err != nil {
		return nil, nil, err
	}
	var item recordItem
	if found && hasKind(key, kind) {
		if found, err = st.db.Get(ctx, key, true, &item); err != nil {
			return nil, nil, err
		}
	}
	if !found || item.ID != id {
		return nil, nil, NotFound(kind, "with the id "+id)
	}
	record, err := item.message()
	return record, item.Fingerprint, err
}
