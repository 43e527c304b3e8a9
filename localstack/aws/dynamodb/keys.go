package dynamodb

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Every row of a table or index lies under
//
//	space (4 bytes) | hash of the partition key (4) | partition key | sort key [| base table's key]
//
// The hash gives a Scan the same disorder across partitions that AWS shows and
// makes the segments of a parallel Scan contiguous ranges. Within a partition
// the byte order is DynamoDB's order of sort keys.

const (
	maxHashKey = 2048 // AWS limits of key values in bytes
	maxSortKey = 1024
)

// appendKeyPart encodes one key value so that bytes compare as values do. No
// encoding is a prefix of another one.
func appendKeyPart(b []byte, v *value) []byte {
	if v.kind == kindN {
		return appendNumberKey(b, v.s)
	}
	return append(appendKeyPrefix(b, v.s), 0, 1)
}

// appendKeyPrefix encodes the beginning of a string or binary: zero bytes are
// escaped so that the terminator 0 1 sorts below whatever may follow.
func appendKeyPrefix(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		b = append(b, s[i])
		if s[i] == 0 {
			b = append(b, 0xFF)
		}
	}
	return b
}

func appendNumberKey(b []byte, s string) []byte {
	d := mustParse(s)
	if d.digits == "" {
		return append(b, 0x80)
	}
	flip := byte(0)
	if d.neg {
		b, flip = append(b, 0x7F), 0xFF
	} else {
		b = append(b, 0x81)
	}
	b = append(b, byte(d.exp-minExp)^flip)
	for i := 0; i < len(d.digits); i++ {
		b = append(b, (d.digits[i]-'0'+1)^flip)
	}
	return append(b, flip)
}

// appendPartition encodes everything up to and including the partition key.
func appendPartition(b []byte, space uint32, hash *value) []byte {
	b = binary.BigEndian.AppendUint32(b, space)
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = appendKeyPart(b, hash)
	binary.BigEndian.PutUint32(b[at:], crc32.Checksum(b[at+4:], castagnoli))
	return b
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// successor is the smallest key greater than all keys that begin with prefix.
func successor(prefix []byte) []byte {
	s := append([]byte(nil), prefix...)
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] != 0xFF {
			s[i]++
			return s[:i+1]
		}
	}
	return nil // unreachable: spaces never reach 0xFFFFFFFF
}

// segmentRange is the part of a space that belongs to one of total segments.
func segmentRange(space uint32, segment, total int) (lo, hi []byte) {
	bound := func(i int) []byte {
		b := binary.BigEndian.AppendUint32(nil, space)
		return binary.BigEndian.AppendUint32(b, uint32(uint64(i)<<32/uint64(total)))
	}
	lo = bound(segment)
	if segment == total-1 {
		return lo, binary.BigEndian.AppendUint32(nil, space+1)
	}
	return lo, bound(segment + 1)
}

// keyPart is one element of a key schema.
type keyPart struct {
	name string
	kind kind
}

// keySchema is a partition key and perhaps a sort key (then sort.name != "").
type keySchema struct {
	hash, sort keyPart
}

func (k *keySchema) hasSort() bool { return k.sort.name != "" }

func (k *keySchema) parts() []keyPart {
	if k.hasSort() {
		return []keyPart{k.hash, k.sort}
	}
	return []keyPart{k.hash}
}

func (k *keySchema) contains(name string) bool {
	return name == k.hash.name || k.hasSort() && name == k.sort.name
}

// append encodes the key that it has under this schema. it is complete.
func (k *keySchema) append(b []byte, space uint32, it item) []byte {
	b = appendPartition(b, space, it.get(k.hash.name))
	if k.hasSort() {
		b = appendKeyPart(b, it.get(k.sort.name))
	}
	return b
}

// of returns the key attributes of it alone.
func (k *keySchema) of(it item) item {
	key := make(item, 0, 2)
	for _, p := range k.parts() {
		key.set(p.name, *it.get(p.name))
	}
	return key
}

// checkKey validates a request's Key: exactly the schema's attributes.
func (k *keySchema) checkKey(key item) error {
	if len(key) != len(k.parts()) {
		return errSchema
	}
	for _, p := range k.parts() {
		v := key.get(p.name)
		if v == nil || v.kind != p.kind {
			return errSchema
		}
		if err := checkKeyValue(p.name, v, p == k.hash); err != nil {
			return err
		}
	}
	return nil
}

// checkItem validates the key attributes inside a whole item.
func (k *keySchema) checkItem(it item) error {
	for _, p := range k.parts() {
		v := it.get(p.name)
		switch {
		case v == nil:
			return invalidParameter("Missing the key " + p.name + " in the item")
		case v.kind != p.kind:
			return late(invalidParameter(fmt.Sprintf("Type mismatch for key %s expected: %s actual: %s", p.name, p.kind, v.kind)))
		}
		if err := checkKeyValue(p.name, v, p == k.hash); err != nil {
			return err
		}
	}
	return nil
}

func checkKeyValue(name string, v *value, hash bool) error {
	switch {
	case v.kind == kindN:
		return nil
	case v.s == "" && v.kind == kindS:
		return validation("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: " + name)
	case v.s == "":
		return validation("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty binary value. Key: " + name)
	case hash && len(v.s) > maxHashKey:
		return late(invalidParameter("Size of hashkey has exceeded the maximum size limit of 2048 bytes"))
	case !hash && len(v.s) > maxSortKey:
		return late(invalidParameter("Aggregated size of all range keys has exceeded the size limit of 1024 bytes"))
	}
	return nil
}
