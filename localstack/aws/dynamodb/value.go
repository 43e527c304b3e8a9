package dynamodb

import (
	"cmp"
	"slices"
	"strings"
)

// kind is the type of an attribute value, as on the wire.
type kind uint8

const (
	kindNone kind = iota
	kindS
	kindN
	kindB
	kindSS
	kindNS
	kindBS
	kindM
	kindL
	kindBool
	kindNull
)

var kindNames = [...]string{"", "S", "N", "B", "SS", "NS", "BS", "M", "L", "BOOL", "NULL"}

func (k kind) String() string { return kindNames[k] }

// longName is the name that messages about operands use.
func (k kind) longName() string {
	return [...]string{"", "STRING", "NUMBER", "BINARY", "STRING_SET", "NUMBER_SET", "BINARY_SET", "MAP", "LIST", "BOOLEAN", "NULL"}[k]
}

func (k kind) isSet() bool { return k == kindSS || k == kindNS || k == kindBS }

// element is the kind of a set's elements.
func (k kind) element() kind { return k - kindSS + kindS }

// value is one attribute value. Numbers are kept in canonical form (see
// number.go) and binaries as raw bytes, both in s. Sets are sorted.
type value struct {
	kind  kind
	truth bool    // BOOL
	s     string  // S, N, B
	list  []value // L, and the elements of sets
	m     item    // M
}

// attr is a named value.
type attr struct {
	name string
	value
}

// item is a map of attributes, sorted by name: small, cheap to build, and its
// JSON is the same for equal items.
type item []attr

func (it item) find(name string) (int, bool) {
	if len(it) <= 8 { // shorter than a binary search's mispredicted branches
		for i := range it {
			if it[i].name >= name {
				return i, it[i].name == name
			}
		}
		return len(it), false
	}
	return slices.BinarySearchFunc(it, name, func(a attr, n string) int { return strings.Compare(a.name, n) })
}

func (it item) get(name string) *value {
	if i, ok := it.find(name); ok {
		return &it[i].value
	}
	return nil
}

func (it *item) set(name string, v value) {
	i, ok := it.find(name)
	if ok {
		(*it)[i].value = v
		return
	}
	*it = slices.Insert(*it, i, attr{name, v})
}

func (it *item) remove(name string) {
	if i, ok := it.find(name); ok {
		*it = slices.Delete(*it, i, i+1)
	}
}

// sort puts attributes in order after a decode and reports a duplicate name.
func (it item) sort() (duplicate string, ok bool) {
	byName := func(a, b attr) int { return strings.Compare(a.name, b.name) }
	if !slices.IsSortedFunc(it, byName) {
		slices.SortFunc(it, byName)
	}
	for i := 1; i < len(it); i++ {
		if it[i-1].name == it[i].name {
			return it[i].name, false
		}
	}
	return "", true
}

// clone copies deeply as far as an update could change in place: maps and
// lists; strings are shared.
func (v value) clone() value {
	switch v.kind {
	case kindM:
		v.m = v.m.clone()
	case kindL:
		list := make([]value, len(v.list))
		for i := range v.list {
			list[i] = v.list[i].clone()
		}
		v.list = list
	}
	return v
}

func (it item) clone() item {
	c := make(item, len(it), len(it)+4)
	for i := range it {
		c[i] = attr{it[i].name, it[i].value.clone()}
	}
	return c
}

// equal is DynamoDB's equality: same type, same content; numbers by value.
func equal(a, b *value) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case kindS, kindN, kindB: // canonical numbers are equal when their text is
		return a.s == b.s
	case kindBool:
		return a.truth == b.truth
	case kindNull:
		return true
	case kindM:
		return slices.EqualFunc(a.m, b.m, func(x, y attr) bool { return x.name == y.name && equal(&x.value, &y.value) })
	default: // lists in order, sets are sorted
		return slices.EqualFunc(a.list, b.list, func(x, y value) bool { return equal(&x, &y) })
	}
}

// order compares two S, N or B values of one kind; ok is false for all others.
func order(a, b *value) (c int, ok bool) {
	if a.kind != b.kind {
		return 0, false
	}
	switch a.kind {
	case kindS, kindB:
		return strings.Compare(a.s, b.s), true
	case kindN:
		return compareNumbers(a.s, b.s), true
	}
	return 0, false
}

func sortSet(list []value) (duplicate *value) {
	slices.SortFunc(list, func(a, b value) int {
		c, _ := order(&a, &b)
		return c
	})
	for i := 1; i < len(list); i++ {
		if list[i-1].s == list[i].s {
			return &list[i]
		}
	}
	return nil
}

// size is what the value counts towards the 400 KB of an item and towards
// capacity. AWS documents the rules only roughly for numbers ("approximately
// one byte per two significant digits, plus one").
func (v *value) size() int {
	switch v.kind {
	case kindS, kindB:
		return len(v.s)
	case kindN:
		return numberSize(v.s)
	case kindM:
		n := 3
		for i := range v.m {
			n += 1 + len(v.m[i].name) + v.m[i].value.size()
		}
		return n
	case kindL:
		n := 3
		for i := range v.list {
			n += 1 + v.list[i].size()
		}
		return n
	case kindSS, kindNS, kindBS:
		n := 0
		for i := range v.list {
			n += v.list[i].size()
		}
		return n
	default:
		return 1
	}
}

func (it item) size() int {
	n := 0
	for i := range it {
		n += len(it[i].name) + it[i].value.size()
	}
	return n
}

// depth is how many documents are nested in the value.
func (v *value) depth() int {
	deepest := 0
	switch v.kind {
	case kindM:
		for i := range v.m {
			deepest = max(deepest, v.m[i].value.depth())
		}
	case kindL:
		for i := range v.list {
			deepest = max(deepest, v.list[i].depth())
		}
	default:
		return 0
	}
	return deepest + 1
}

func setContains(set *value, element *value) bool {
	_, ok := slices.BinarySearchFunc(set.list, element, func(a value, b *value) int {
		if c, ok := order(&a, b); ok {
			return c
		}
		return cmp.Compare(a.kind, b.kind)
	})
	return ok
}
