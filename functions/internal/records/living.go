package records

import (
	"context"
	"fmt"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

// Deployments and releases that were not destroyed have an entry in a list of their own, written and removed in the
// transaction that writes the record. Whoever asks for what lives reads that list, which costs what lives and not what ever
// was.
//
// Servers of earlier versions write records without entries: before an upgrade, in the seconds of an upgrade in which functions of
// both versions run, and after an upgrade that was taken back. Readers notice by the numbers of the records, not by a clock:
//
//   - The counter of a kind remembers from which number on every record was written with its entry (counterItem.Listed). An earlier
//     server takes a number by writing the whole counter anew, without that attribute, so the next record with an entry begins a new run.
//   - The mark of a workspace (markItem) says through which number its living records have been entered by a reader.
//   - The list is complete if the run begins right behind the mark, or the mark reaches the last number. Otherwise the reader enters what
//     lies between first. The counter is read strongly, and a record's number is taken in the transaction that writes the record.
//
// An earlier server may also change a record that has an entry: the entry stays, and the record itself is read before it is
// listed. An entry passes a record over only where no change can make the record fit (livingItem.excludes). A record that was
// destroyed stays so.

// livingItem is the entry of a record.
type livingItem struct {
	N int64 `dynamodbav:"n"`
	// Physical is the record's physical state when the entry was written.
	Physical int32 `dynamodbav:"physical,omitempty"`
}

// markItem is a workspace's mark: its records of a kind that live have entries, those through this number.
type markItem struct {
	Through int64 `dynamodbav:"through"`
}

// gap is the range of numbers, both included, among which records may live without an entry; empty if To is less than From.
type gap struct{ From, To int64 }

func (g gap) empty() bool { return g.To < g.From }

// unlisted returns the gap that a counter and a workspace's mark leave.
func unlisted(c counterItem, m markItem) gap {
	if c.Listed != 0 {
		return gap{From: m.Through + 1, To: c.Listed - 1}
	}
	return gap{From: m.Through + 1, To: c.N}
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
	return store.Put(key, livingItem{N: item.N, Physical: item.Physical})
}

// excludes reports whether a record with this entry was not asked for, whatever became of it since: one that was created
// can only be destroyed.
func (e livingItem) excludes(in ListRequest) bool {
	return e.Physical == created && in.Physical != 0 && int32(in.Physical) != created
}

// listLiving reads a page of what lives, newest first, strongly.
func (st *Store) listLiving(ctx context.Context, in ListRequest) (out []*waypointv1.Record, next string, err error) {
	if in.Token == "" && !in.Entered {
		if err := st.completeLiving(ctx, in); err != nil {
			return nil, "", err
		}
	}
	from, to := store.LivingRange(in.Workspace, string(in.Kind))
	q := store.Query{PK: store.AppPK(in.Project, in.App), SKFrom: from, SKTo: to, Token: in.Token, Consistent: true, Order: store.NewestFirst}
	next, err = st.db.List(ctx, q, in.Size, func(ctx context.Context, page []store.Item) ([]store.Item, error) {
		return st.loadLiving(ctx, in, page)
	}, in.collect(&out))
	return out, next, err
}

// loadLiving reads the records of the entries that do not exclude them.
func (st *Store) loadLiving(ctx context.Context, in ListRequest, page []store.Item) ([]store.Item, error) {
	keys := make([]store.Key, len(page))
	var wanted []store.Key
	for i, raw := range page {
		var entry livingItem
		if err := store.Decode(raw, &entry); err != nil {
			return nil, fmt.Errorf("listing what lives: %w", err)
		}
		if !entry.excludes(in) {
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

// findUnlisted returns the gap of a workspace's list. In an app whose records were all written with entries it costs one read unit;
// where there are older ones, half a unit more.
func (st *Store) findUnlisted(ctx context.Context, in ListRequest) (gap, error) {
	var counter counterItem
	if _, err := st.db.Get(ctx, store.Counter(in.Project, in.App, string(in.Kind)), true, &counter); err != nil {
		return gap{}, err
	}
	if all := unlisted(counter, markItem{}); all.empty() {
		return all, nil
	}
	var mark markItem
	// Weakly: an older mark only makes the gap wider.
	_, err := st.db.Get(ctx, store.LivingComplete(in.Project, in.App, in.Workspace, string(in.Kind)), false, &mark)
	return unlisted(counter, mark), err
}

// LivingComplete reports whether the list of what lives can be read as it is, for a caller that may not write.
func (st *Store) LivingComplete(ctx context.Context, in ListRequest) (bool, error) {
	missing, err := st.findUnlisted(ctx, in)
	return missing.empty(), err
}

// completeLiving sees to it that every record that lives has its entry, before the list is read.
func (st *Store) completeLiving(ctx context.Context, in ListRequest) error {
	missing, err := st.findUnlisted(ctx, in)
	if err != nil || missing.empty() {
		return err
	}
	if err := st.enterLiving(ctx, in, missing); err != nil {
		return err
	}
	return st.db.Put(ctx, store.LivingComplete(in.Project, in.App, in.Workspace, string(in.Kind)), markItem{Through: missing.To})
}

// enterLiving enters the records of a workspace in a gap that live. What others write meanwhile has its entry from them; what they
// destroy meanwhile gets none, since the record is checked in the entry's own transaction. Two readers that do it at once do
// the same.
func (st *Store) enterLiving(ctx context.Context, in ListRequest, missing gap) error {
	from, to := store.Record(in.Project, in.App, string(in.Kind), missing.From), store.Record(in.Project, in.App, string(in.Kind), missing.To)
	q := store.Query{PK: from.PK, SKFrom: from.SK, SKTo: to.SK, Consistent: true, Order: store.NewestFirst}
	for {
		page, more, err := st.db.Page(ctx, q)
		if err != nil {
			return err
		}
		for _, raw := range page {
			if err := st.enterOne(ctx, in, raw); err != nil {
				return err
			}
		}
		if more == "" {
			return nil
		}
		q.Token = more
	}
}

// enterOne enters a record if it is of the workspace, lives and has no entry.
func (st *Store) enterOne(ctx context.Context, in ListRequest, raw store.Item) error {
	var item recordItem
	if err := store.Decode(raw, &item); err != nil {
		return err
	}
	if item.Workspace != in.Workspace || item.Physical == destroyed {
		return nil
	}
	var tx store.Tx
	tx.Add(
		store.Check(store.KeyOf(raw), store.If("attribute_not_exists(#physical) OR #physical <> ?", destroyed)).Named(recordLabel),
		store.Put(store.Living(in.Project, in.App, in.Workspace, string(in.Kind), item.N),
			livingItem{N: item.N, Physical: item.Physical}, store.Absent()).Named("entry"))
	err := st.db.Transact(ctx, tx)
	if _, gone := store.Failed(err, ""); gone {
		return nil
	}
	return err
}
