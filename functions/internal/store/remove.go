package store

import "context"

// RemoveItems removes the first items of a partition, or those with a prefix if sk is not empty, at most most of them, in
// transactions of up to transactMost. Fewer than most: none is left. It reads what it removes.
func (db *DB) RemoveItems(ctx context.Context, pk, prefix string, most int) (removed int, err error) {
	for removed < most {
		page, err := db.First(ctx, Query{PK: pk, SKPrefix: prefix, Order: OldestFirst, Consistent: true}, min(most-removed, transactMost))
		if err != nil || len(page) == 0 {
			return removed, err
		}
		var tx Tx
		for _, item := range page {
			tx.Add(Delete(KeyOf(item)))
		}
		if err := db.Transact(ctx, tx); err != nil {
			return removed, err
		}
		removed += len(page)
	}
	return removed, nil
}
