package store

// The table's shape, stated once: functions.Resources, and through it every installation, is made of these.
const (
	// AttrPK and AttrSK are the table's string keys.
	AttrPK = "pk"
	AttrSK = "sk"
	// AttrTTL is the time-to-live attribute, Unix seconds.
	AttrTTL = "ttl"
	// AttrVersion is the schema version of the item: readers accept the current and the previous one.
	AttrVersion = "v"
	// Index1 is over (gsi1pk, gsi1sk), Index2 over (gsi2pk, gsi2sk); all strings. Both are sparse and project
	// KEYS_ONLY: a change of state then costs no index write, and lists read the items they show.
	Index1     = "gsi1"
	Index2     = "gsi2"
	AttrIndex1 = "gsi1pk"
	AttrSort1  = "gsi1sk"
	AttrIndex2 = "gsi2pk"
	AttrSort2  = "gsi2sk"
)

func keyAttributes(index string) (pk, sk string) {
	switch index {
	case Index1:
		return AttrIndex1, AttrSort1
	case Index2:
		return AttrIndex2, AttrSort2
	}
	return AttrPK, AttrSK
}
