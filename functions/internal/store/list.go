package store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// What bounds one answer of a list, beside the number of its items.
const (
	// listRounds bounds how many pages a list reads to fill its own: a filter may make a page shorter than asked, but what
	// follows is never lost.
	listRounds = 5
	// listAhead is how many entries every page but the first reads at least, since a filter then passes over many.
	listAhead = 50
	// listBytes bounds the items of an answer. A message may have 4 MB, and base64 must cross Lambda's 6 MB.
	listBytes = 2 << 20
)

// Load finds the items that the entries of a page stand for, one for each; nil leaves an entry out.
type Load func(ctx context.Context, page []Item) ([]Item, error)

// List reads a list until take has accepted size items, and returns the token with which it goes on. A page ends early when
// its items come to 2 MB, or when five pages of entries were read; none is empty for its size alone. load is nil for the
// entries themselves, or, with an index, for the items that it names.
func (db *DB) List(ctx context.Context, q Query, size int, load Load, take func(Item) (bool, error)) (next string, err error) {
	if load == nil {
		load = db.itemsOf(q.Index)
	}
	taken, bytes := 0, 0
	for round := range listRounds {
		q.Limit = size - taken
		if round > 0 {
			q.Limit = max(q.Limit, listAhead)
		}
		page, more, err := db.Page(ctx, q)
		if err != nil {
			return "", err
		}
		items, err := load(ctx, page)
		if err != nil {
			return "", err
		}
		for i, item := range items {
			if item == nil {
				continue
			}
			n := SizeOf(item)
			if taken == size || bytes > 0 && bytes+n > listBytes {
				return tokenAt(q, page, i)
			}
			bytes += n
			accepted, err := take(item)
			if err != nil {
				return "", err
			}
			if accepted {
				taken++
			}
		}
		if q.Token = more; more == "" || taken == size {
			break
		}
	}
	return q.Token, nil
}

// itemsOf loads the items that the entries of an index name; without an index the entries are the items.
func (db *DB) itemsOf(index string) Load {
	return func(ctx context.Context, page []Item) ([]Item, error) {
		if index == "" {
			return page, nil
		}
		keys := make([]Key, len(page))
		for i, entry := range page {
			keys[i] = KeyOf(entry)
		}
		found, err := db.BatchGet(ctx, keys, false)
		if err != nil {
			return nil, err
		}
		items := make([]Item, len(page))
		for i, k := range keys {
			items[i] = found[k]
		}
		return items, nil
	}
}

// tokenAt is the token of a list that goes on with entry i of a page.
func tokenAt(q Query, page []Item, i int) (string, error) {
	if i == 0 {
		return q.Token, nil
	}
	return encodeToken(q, keysOf(page[i-1], q.Index))
}

// SizeOf is about how many bytes an item takes.
func SizeOf(item Item) (size int) {
	for name, av := range item {
		size += len(name) + valueSize(av)
	}
	return size
}

func valueSize(av types.AttributeValue) (size int) {
	switch x := av.(type) {
	case *types.AttributeValueMemberS:
		return len(x.Value)
	case *types.AttributeValueMemberB:
		return len(x.Value)
	case *types.AttributeValueMemberN:
		return len(x.Value)
	case *types.AttributeValueMemberL:
		for _, e := range x.Value {
			size += 1 + valueSize(e)
		}
	case *types.AttributeValueMemberM:
		return SizeOf(x.Value)
	}
	return size + 1
}
