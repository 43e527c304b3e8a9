package dynamodb

import (
	"slices"
	"time"
)

// table is a table as the operations use it. It is immutable but for what is
// marked; a change makes a new one.
type table struct {
	name    string
	space   uint32 // names its rows in the store; never reused
	key     keySchema
	indexes []*index
	def     tableDefinition
}

// tableDefinition is what is kept of a table between starts.
type tableDefinition struct {
	Name               string
	ID                 string
	Space              uint32
	Created            time.Time
	Attributes         []attributeDefinition
	Key                []keyElement
	Indexes            []indexDefinition
	Tags               []tag `json:",omitempty"`
	DeletionProtection bool  `json:",omitempty"`
	TTLAttribute       string
	PointInTime        bool
	RecoveryDays       int
}

type attributeDefinition struct{ AttributeName, AttributeType string }
type keyElement struct{ AttributeName, KeyType string }
type tag struct{ Key, Value string }

type projectionDefinition struct {
	ProjectionType   string   `json:",omitempty"`
	NonKeyAttributes []string `json:",omitempty"`
}

type indexDefinition struct {
	Name       string
	Space      uint32
	Key        []keyElement
	Projection projectionDefinition
}

// index is a global secondary index. Its rows hold the projected item.
type index struct {
	name     string
	space    uint32
	key      keySchema
	all      bool
	included map[string]bool // projected attributes; unused when all
}

func newTable(def tableDefinition) *table {
	t := &table{name: def.Name, space: def.Space, def: def, key: schemaOf(def.Key, def.Attributes)}
	for _, d := range def.Indexes {
		ix := &index{name: d.Name, space: d.Space, key: schemaOf(d.Key, def.Attributes), all: d.Projection.ProjectionType == "ALL"}
		ix.included = map[string]bool{}
		for _, p := range slices.Concat(t.key.parts(), ix.key.parts()) {
			ix.included[p.name] = true
		}
		if d.Projection.ProjectionType == "INCLUDE" {
			for _, a := range d.Projection.NonKeyAttributes {
				ix.included[a] = true
			}
		}
		t.indexes = append(t.indexes, ix)
	}
	return t
}

func schemaOf(elements []keyElement, attributes []attributeDefinition) (k keySchema) {
	for _, e := range elements {
		part := keyPart{name: e.AttributeName}
		for _, a := range attributes {
			if a.AttributeName == e.AttributeName {
				part.kind = map[string]kind{"S": kindS, "N": kindN, "B": kindB}[a.AttributeType]
			}
		}
		if e.KeyType == "HASH" {
			k.hash = part
		} else {
			k.sort = part
		}
	}
	return k
}

// checkIndexKeys refuses an item whose index key attributes could not be
// indexed. An absent one is fine: indexes are sparse.
func (t *table) checkIndexKeys(it item) error {
	for _, ix := range t.indexes {
		for _, p := range ix.key.parts() {
			v := it.get(p.name)
			if v == nil || t.key.contains(p.name) {
				continue
			}
			if v.kind != p.kind {
				return late(invalidParameter("Type mismatch for Index Key " + p.name + " Expected: " + p.kind.String() + " Actual: " + v.kind.String() + " IndexName: " + ix.name))
			}
			if v.kind != kindN && v.s == "" {
				return validation("One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: " + ix.name + ", IndexKey: " + p.name)
			}
			if err := checkKeyValue(p.name, v, p == ix.key.hash); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry is an item's row in an index.
type entry struct {
	key  []byte
	json []byte
	size int
}

// entry builds the row of it in the index; nil if it has none.
func (ix *index) entry(t *table, it item) *entry {
	for _, p := range ix.key.parts() {
		if it.get(p.name) == nil {
			return nil
		}
	}
	e := &entry{key: ix.rowKey(t, it)}
	projected := it
	if !ix.all {
		projected = make(item, 0, len(ix.included))
		for i := range it {
			if ix.included[it[i].name] {
				projected = append(projected, it[i])
			}
		}
	}
	e.json = appendItem(make([]byte, 0, 64+16*len(projected)), projected)
	e.size = projected.size()
	return e
}

// rowKey is the index key followed by the table's, which tells apart items
// with equal index keys. it has both.
func (ix *index) rowKey(t *table, it item) []byte {
	key := ix.key.append(make([]byte, 0, 96), ix.space, it)
	for _, p := range t.key.parts() {
		key = appendKeyPart(key, it.get(p.name))
	}
	return key
}
