package dynamodb

import "strconv"

// usage is the capacity that an operation consumed on one table.
type usage struct {
	t       *table
	read    bool
	table   float64
	indexes []float64 // as t.indexes
}

func newUsage(t *table, read bool) usage {
	return usage{t: t, read: read, indexes: make([]float64, len(t.indexes))}
}

// writeUnits: one unit for each begun KB.
func writeUnits(size int) float64 { return max(1, float64((size+1023)/1024)) }

// readUnits: one unit for each begun 4 KB, half of that when eventually
// consistent.
func readUnits(size int, consistent bool) float64 {
	units := max(1, float64((size+4095)/4096))
	if !consistent {
		units /= 2
	}
	return units
}

func (u *usage) add(v *usage) {
	u.table += v.table
	for i := range u.indexes {
		u.indexes[i] += v.indexes[i]
	}
}

// double turns it into a transaction's usage, which prepares and commits.
func (u *usage) double() {
	u.table *= 2
	for i := range u.indexes {
		u.indexes[i] *= 2
	}
}

// append writes a ConsumedCapacity object. how is TOTAL or INDEXES; kinds adds
// the read or write units by name, as transactions do.
func (u *usage) append(b []byte, how string, kinds bool) []byte {
	total := u.table
	for _, n := range u.indexes {
		total += n
	}
	b = append(b, `{"TableName":`...)
	b = appendString(b, u.t.name)
	b = u.units(append(b, ','), total, kinds)
	if how == "INDEXES" {
		b = append(b, `,"Table":{`...)
		b = append(u.units(b, u.table, kinds), '}')
		first := true
		for i, n := range u.indexes {
			if n == 0 {
				continue
			}
			if first {
				b = append(b, `,"GlobalSecondaryIndexes":{`...)
			} else {
				b = append(b, ',')
			}
			first = false
			b = appendString(b, u.t.indexes[i].name)
			b = append(b, ':', '{')
			b = append(u.units(b, n, kinds), '}')
		}
		if !first {
			b = append(b, '}')
		}
	}
	return append(b, '}')
}

func (u *usage) units(b []byte, n float64, kinds bool) []byte {
	b = strconv.AppendFloat(append(b, `"CapacityUnits":`...), n, 'f', -1, 64)
	if !kinds {
		return b
	}
	name := `,"WriteCapacityUnits":`
	if u.read {
		name = `,"ReadCapacityUnits":`
	}
	return strconv.AppendFloat(append(b, name...), n, 'f', -1, 64)
}

func wantsCapacity(how string) bool { return how == "TOTAL" || how == "INDEXES" }

// usages adds up what an operation on several tables consumed, in the order in
// which the tables first came.
type usages []*usage

func (us *usages) add(u usage) {
	for _, have := range *us {
		if have.t.space == u.t.space {
			have.add(&u)
			return
		}
	}
	*us = append(*us, &u)
}

func (us usages) append(b []byte, how string, kinds bool) []byte {
	b = append(b, `"ConsumedCapacity":[`...)
	for i, u := range us {
		if i > 0 {
			b = append(b, ',')
		}
		b = u.append(b, how, kinds)
	}
	return append(b, ']')
}
