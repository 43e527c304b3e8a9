package records

import (
	"context"
	"fmt"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Deployments and releases that were not destroyed have an entry in a list of their own, written and removed in the
// transaction that writes the record. Whoever asks for what lives reads that list, which costs what lives and not what ever
// was. Records that were written before there was such a list are entered by its first reader.

// livingItem is the entry of a record, with what lists filter by, so that a filter reads no record.
type livingItem struct {
	N        int64 `dynamodbav:"n"`
	State    int32 `dynamodbav:"state"`
	Physical int32 `dynamodbav:"physical,omitempty"`
}

// mayLive reports whether records of a kind are listed while they live.
func mayLive(kind Kind) bool { return kind == Deployments || kind == Releases }

// ofTheLiving reports whether the list of what lives answers a request.
func (in ListRequest) ofTheLiving() bool {
	return mayLive(in.Kind) && in.Workspace != "" &&
		(in.Living || in.Physical != 0 && int32(in.Physical) != destroyed)
}

// settleLiving is the action that keeps a record's entry: it goes when the record is written as destroyed.
func settleLiving(kind Kind, meta *waypointv1.RecordMeta, item recordItem) store.Action {
	key := store.Living(meta.GetProject(), meta.GetApp(), meta.GetWorkspace(), string(kind), item.N)
	if item.Physical == destroyed {
		return store.Delete(key)
	}
	return store.Put(key, livingItem{N: item.N, State: item.State, Physical: item.Physical})
}

// listLiving reads a page of what lives, newest first, strongly.
func (st *Store) listLiving(ctx context.Context, in ListRequest) (out []*waypointv1.Record, next string, err error) {
	complete := store.LivingComplete(in.Project, in.App, in.Workspace, string(in.Kind))
	if in.Token == "" {
		var mark livingItem
		done, err := st.db.Get(ctx, complete, false, &mark) // weakly: it stays once it is there
		if err != nil {
			return nil, "", err
		}
		if !done {
			if err := st.enterLiving(ctx, in); err != nil {
				return nil, "", err
			}
		}
	}
	from, to := store.LivingRange(in.Workspace, string(in.Kind))
	q := store.Query{PK: complete.PK, SKFrom: from, SKTo: to, Token: in.Token, Consistent: true, Order: store.NewestFirst}
	next, err = st.db.List(ctx, q, in.Size, func(ctx context.Context, page []store.Item) ([]store.Item, error) {
		return st.loadLiving(ctx, in, page)
	}, in.collect(&out))
	return out, next, err
}

// loadLiving reads the records of entries that fit a request.
func (st *Store) loadLiving(ctx context.Context, in ListRequest, page []store.Item) ([]store.Item, error) {
	keys := make([]store.Key, len(page))
	var wanted []store.Key
	for i, raw := range page {
		var entry livingItem
		if err := store.Decode(raw, &entry); err != nil {
			return nil, fmt.Errorf("listing what lives: %w", err)
		}
		if in.fits(entry.State, entry.Physical) {
			keys[i] = store.Record(in.Project, in.App, string(in.Kind), entry.N)
			wanted = append(wanted, keys[i])
		}
	}
	found, err := st.db.BatchGet(ctx, wanted, true)
	if err != nil {
		return nil, err
	}
	items := make([]store.Item, len(page))
	for i, key := range keys {
		items[i] = found[key]
	}
	return items, nil
}

// enterLiving enters the records of a workspace that live and were written before there was the list, and marks the list as
// complete. It is done once for a workspace of an app, and reads each record once. What others write meanwhile has its entry
// from them; what they destroy meanwhile gets none, since the record is checked in the entry's own transaction. Two readers
// that do it at once do the same.
func (st *Store) enterLiving(ctx context.Context, in ListRequest) error {
	q := store.Query{PK: store.AppPK(in.Project, in.App), SKPrefix: store.RecordPrefix(string(in.Kind)), Consistent: true, Order: store.NewestFirst}
	for {
		page, more, err := st.db.Page(ctx, q)
		if err != nil {
			return err
		}
		for _, raw := range page {
			var item recordItem
			if err := store.Decode(raw, &item); err != nil {
				return err
			}
			if item.Workspace != in.Workspace || item.Physical == destroyed {
				continue
			}
			var tx store.Tx
			tx.Add(
				store.Check(store.KeyOf(raw), store.If("attribute_not_exists(#physical) OR #physical <> ?", destroyed)).Named(recordLabel),
				store.Put(store.Living(in.Project, in.App, in.Workspace, string(in.Kind), item.N),
					livingItem{N: item.N, State: item.State, Physical: item.Physical}, store.Absent()).Named("entry"))
			if err := st.db.Transact(ctx, tx); err != nil {
				if _, gone := store.Failed(err, ""); !gone {
					return err
				}
			}
		}
		if more == "" {
			break
		}
		q.Token = more
	}
	return st.db.Put(ctx, store.LivingComplete(in.Project, in.App, in.Workspace, string(in.Kind)), livingItem{})
}
